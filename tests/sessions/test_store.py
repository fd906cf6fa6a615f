"""The store of sessions, on SQLite and on a real Postgres: nothing half-written, nothing overwritten unasked."""

import dataclasses
import multiprocessing
import os
import sqlite3
import stat
import time

import numpy as np
import pytest

from core.errors import DataError, OutputError, StoreError, UsageError
from core.redact import Redactor
from core.workspace import Workspace
from sessions.filters import FilterChain, SessionFilter
from sessions.record import Outcome, Session, Step
from sessions.store import SessionStore, open_sessions
from sessions.writing import Appended
from tests.sessions.worlds import many

SPAWN = multiprocessing.get_context("spawn")


def test_a_session_comes_back_as_it_was(store, session):
    assert store.append([session]) == Appended(added=1)
    assert store.get("run 7/ü") == session
    assert store.trajectory("run 7/ü") == session.trajectory


def test_a_trajectory_is_read_only_when_it_is_asked_for(store, session):
    store.append([session])
    [found] = store.sessions()
    assert found == dataclasses.replace(session, trajectory=None)
    [whole] = store.sessions(trajectories=True)
    assert whole == session


def test_what_is_not_known_stays_unknown(store):
    store.append([Session("bare")])
    assert store.get("bare") == Session("bare")
    assert store.trajectory("bare") is None


def test_an_id_that_is_there_is_reported_and_kept_unless_it_is_to_be_replaced(store, session):
    changed = dataclasses.replace(session, steps=9, trajectory=None)
    fresh = Session("new")
    store.append([session])
    assert store.append([session]) == Appended(same=(session.id,))
    assert store.append([changed, fresh]) == Appended(added=1, refused=(session.id,))
    assert store.get(session.id) == session
    assert store.append([changed, fresh], replace=True) == Appended(replaced=(session.id,), same=("new",))
    assert store.get(session.id) == changed
    assert store.count() == 2


def test_an_id_twice_among_new_ones_stores_none_of_them(store):
    with pytest.raises(DataError, match="'a' is there twice"):
        store.append([Session("a"), Session("b"), Session("a")])
    assert store.count() == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": ""}, "needs an id"),
        ({"success": True}, "contradict"),
        ({"success": True, "outcome": Outcome.AGENT_FAILURE}, "contradict"),
        ({"cost_usd": float("nan")}, "finite"),
        ({"latency_s": float("inf")}, "finite"),
        ({"input_tokens": 2**63}, "finite"),
        ({"started_at": "last week"}, "ISO 8601"),
    ],
)
def test_what_cannot_be_kept_is_refused_whole(tmp_path, wrong, said):
    with SessionStore(f"sqlite:///{tmp_path / 's.db'}") as store:
        with pytest.raises(DataError, match=said):
            store.append([Session("fine"), Session(**{"id": "wrong", **wrong})])
        assert store.count() == 0


def test_text_that_no_database_takes_is_mended(store):
    bad = Session(
        "a", model="m\0", errors=("half \ud83d",), metadata={"k\0": "\udc00"}, trajectory=(Step("user", "\0"),)
    )
    store.append([bad])
    found = store.get("a")
    assert (found.model, found.errors, found.metadata) == ("m�", ("half �",), {"k�": "�"})
    assert found.trajectory == (Step("user", "�"),)


def test_secrets_are_masked_before_they_are_stored(tmp_path):
    path = tmp_path / "s.db"
    leaky = Session("a", errors=('key "hunter22" refused',), trajectory=(Step("tool", result='hunter"22 hunter22'),))
    with SessionStore(f"sqlite:///{path}", Redactor({"hunter22": "KEY", 'hunter"22': "QUOTED"})) as store:
        store.append([leaky])
        assert store.get("a").errors == ('key "<KEY>" refused',)
        assert store.get("a").trajectory == (Step("tool", result="<QUOTED> <KEY>"),)
    assert b"hunter" not in path.read_bytes()


def test_columns_are_arrays_in_the_order_of_sessions(store):
    store.append([Session("b", steps=3, success=True, outcome=Outcome.SUCCESS), Session("a", model="x")])
    found = store.columns(["id", "steps", "success", "guidelines"])
    assert found["id"].tolist() == ["b", "a"]
    np.testing.assert_array_equal(found["steps"], [3.0, np.nan])
    np.testing.assert_array_equal(found["success"], [1.0, np.nan])
    assert store.columns(["steps"], FilterChain().where(model="none"))["steps"].shape == (0,)
    with pytest.raises(UsageError, match="did you mean 'steps'"):
        store.columns(["step"])


def test_tokens_are_the_sum_of_what_is_known_in_a_column_as_in_a_session(store):
    known = [
        Session("a", input_tokens=3, output_tokens=4, total_tokens=9),
        Session("b", output_tokens=4),
        Session("c", total_tokens=9),
        Session("d"),
    ]
    store.append(known)
    assert [session.tokens for session in known] == [7, 4, 9, None]
    np.testing.assert_array_equal(store.columns(["tokens"])["tokens"], [7, 4, 9, np.nan])
    [totals] = store.totals()
    assert (totals.sums["tokens"], totals.known["tokens"]) == (20, 3)


def test_totals_leave_out_of_rates_what_says_nothing_of_the_agent(store):
    store.append(
        [
            Session("a", model="x", success=True, outcome=Outcome.SUCCESS, cost_usd=0.5),
            Session("b", model="x", success=False, outcome=Outcome.AGENT_FAILURE, cost_usd=0.25),
            Session("c", model="x", success=False, outcome=Outcome.INFRASTRUCTURE),
            Session("d", model="y"),
        ]
    )
    x, y = store.totals(["model"], measures=["cost_usd"])
    assert (x.group, x.sessions, x.successes, x.decided, x.left_out) == (("x",), 4 - 1, 1, 2, 1)
    assert (x.sums, x.known) == ({"cost_usd": 0.75}, {"cost_usd": 2})
    assert (y.decided, y.left_out, y.sums) == (0, 1, {"cost_usd": None})
    [everything] = store.totals()
    assert everything.sessions == 4
    with pytest.raises(UsageError, match="not a number"):
        store.totals(measures=["model"])


def test_what_a_chain_selects_can_be_deleted_with_its_trajectories(store):
    store.append(many(30))
    assert store.delete(FilterChain().add(SessionFilter(index=slice(10, None)))) == 20
    assert store.count() == 10
    assert store.trajectory("0:29") is None


def _append(url, seed, count):
    with SessionStore(url) as store:
        for session in many(count, seed):
            store.append([session])


@pytest.mark.parametrize("count", [500])
def test_two_processes_that_append_at_once_lose_nothing(url, count):
    workers = [SPAWN.Process(target=_append, args=(url, seed, count)) for seed in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    with SessionStore(url) as store:
        stored = {session.id: session for session in store.sessions(trajectories=True)}
    assert stored == {session.id: session for seed in (1, 2) for session in many(count, seed)}


def test_a_process_that_is_killed_leaves_whole_sessions_and_the_other_goes_on(url):
    with SessionStore(url) as store:
        doomed = SPAWN.Process(target=_append, args=(url, 1, 100_000))
        doomed.start()
        while store.count(FilterChain()) < 20:
            time.sleep(0.01)
            assert doomed.is_alive()
        doomed.kill()
        doomed.join()
        for session in many(50, 2):
            store.append([session])
        stored = list(store.sessions(trajectories=True))
    ours = [session for session in stored if session.id.startswith("2:")]
    theirs = [session for session in stored if session.id.startswith("1:")]
    assert ours == list(many(50, 2))
    assert theirs == [s for s, _ in zip(many(100_000, 1), theirs, strict=False)]
    assert len(theirs) >= 20


def test_a_batch_that_is_killed_is_not_there_at_all(tmp_path):
    url = f"sqlite:///{tmp_path / 's.db'}"
    with SessionStore(url) as store:

        def dying():
            yield from many(50)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.append(dying())
        assert store.count() == 0


def test_a_database_that_is_busy_for_a_moment_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("sessions.store.BUSY_SECONDS", 0.01)
    path = tmp_path / "s.db"
    with SessionStore(f"sqlite:///{path}") as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")
        with pytest.raises(OutputError, match="database is locked"):
            store.append([Session("a")])
        other.execute("rollback")
        other.close()
        assert store.append([Session("a")]).added == 1


def test_the_file_is_its_owners_alone_and_in_wal_mode(tmp_path):
    with open_sessions(Workspace(tmp_path)) as store:
        store.append([Session("a")])
        path = tmp_path / "mlruns" / "sessions.db"
        assert [stat.S_IMODE(p.stat().st_mode) for p in (path, path.with_name("sessions.db-wal"))] == [0o600, 0o600]
        with sqlite3.connect(path) as db:
            assert db.execute("pragma journal_mode").fetchone() == ("wal",)
        db.close()


def test_the_environment_names_the_database_of_a_team(tmp_path, monkeypatch):
    monkeypatch.setenv("STORAGE__DATABASE_URL", f"sqlite:///{tmp_path / 'team.db'}")
    with open_sessions(Workspace(tmp_path)) as store:
        store.append([Session("a")])
    assert os.listdir(tmp_path) == ["team.db", "team.db.lock"] or not (tmp_path / "mlruns").exists()
    with SessionStore(f"sqlite:///{tmp_path / 'team.db'}") as store:
        assert store.count() == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("no url", "cannot be read"),
        ("mysql://root:hunter22@db/x", "not a session store"),
        ("sqlite://", "not a session store"),
        ("postgresql://me:hunter22@127.0.0.1:1/x", "cannot be used as a session store"),
    ],
)
def test_a_database_that_is_none_is_explained_without_its_password(url, said):
    with pytest.raises(StoreError) as refused:
        SessionStore(url)
    assert said in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "s.db").write_text("not a database, and longer than a header would be" * 30)
    with pytest.raises(StoreError, match=r"s\.db"):
        SessionStore(f"sqlite:///{tmp_path / 's.db'}")


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    url = f"sqlite:///{tmp_path / 's.db'}"
    SessionStore(url).close()
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("update session_schema set version = 99")
    db.close()
    with pytest.raises(StoreError, match="newer version"):
        SessionStore(url)


def test_a_session_that_is_not_there_is_said(store):
    with pytest.raises(StoreError, match="no session 'x'"):
        store.get("x")
