"""The session store on both databases."""

import dataclasses
import subprocess
import tempfile

import pytest
import sqlalchemy as sa

from sessions.store import SessionStore
from sessions.tables import TABLES
from tests.sessions.worlds import postgres


@pytest.fixture(scope="session")
def postgres_url():
    """A real Postgres; where it cannot start, the tests on it are skipped and say why.

    Its folder is not below pytest's, which other runs of pytest close to the user that the server runs as.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            running = postgres(folder)
            url = running.__enter__()
        except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
            pytest.skip(f"no Postgres can be started here: {error}")
        yield url
        running.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'sessions.db'}"
    made = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(sa.make_url(made).set(drivername="postgresql+psycopg"))
    TABLES.drop_all(engine)
    engine.dispose()
    return made


@pytest.fixture
def store(url):
    with SessionStore(url) as opened:
        yield opened


@pytest.fixture
def session():
    """A session on which every field says something."""
    from sessions.record import Outcome, Session, Step

    made = Session(
        id="run 7/ü", experiment="exp_042", config_hash="c0ffee", model="gpt-4o", task="buy a gpu",
        task_code="gpu_race", split="dev", trial=2, success=False, score=0.25, outcome=Outcome.AGENT_FAILURE, steps=4,
        input_tokens=1200, output_tokens=80, cached_tokens=1000, reasoning_tokens=30, total_tokens=1280,
        cost_usd=0.0123, latency_s=8.5,
        optimal_steps=3, impossible=False, rejected=False, errors=("out of stock", "out of stock"),
        components=("6126cee77f8d12cc7f2138603fb0d49f",), guidelines=("Check limits first",),
        started_at="2026-11-01T10:00:00+00:00", finished_at="2026-11-01T10:00:08.500000+00:00",
        tags={"team": "a"}, metadata={"seed": 7, "nested": {"x": [1, None, "y"]}},
        trajectory=(Step("user", "buy"), Step("tool", tool="shop.buy", arguments="{}", error="out of stock", tokens=9)),
    )  # fmt: skip
    left = [f.name for f in dataclasses.fields(made) if getattr(made, f.name) in (None, "", (), {}, [])]
    assert left == []
    return made
