"""The store: durable events, counted openings, champions that can be rolled back."""

import multiprocessing
import sqlite3

import pytest

from core.candidate import ProgramPrompts, Prompt
from core.errors import StoreError
from core.optimization import RunStart, SplitInfo
from core.plain import to_json
from core.redact import Redactor
from core.verdict import Decision, Verdict
from tracking.events import EventKind
from tracking.store import Store


def start(run_id="t-1", task="t"):
    return RunStart(run_id, task, "cmd", "2026-01-01T00:00:00+00:00", {}, {}, SplitInfo(1, 1, 1, "f", "h"), {})


def prompts(text):
    return ProgramPrompts((Prompt("p", text),))


@pytest.fixture
def store(tmp_path):
    with_store = Store(tmp_path / "mlruns" / "proven.db")
    yield with_store
    with_store.close()


def test_a_run_starts_collects_events_and_ends(store):
    store.start_run(start())
    store.append("t-1", EventKind.CANDIDATE, "{}")
    store.finish_run("t-1", "failed")
    assert [e.kind for e in store.events("t-1")] == ["started", "candidate", "closed"]
    assert store.run("t-").state == "failed"


def test_runs_are_found_by_the_beginning_of_their_id_unless_it_is_ambiguous(store):
    store.start_run(start("t-abc"))
    store.start_run(start("t-abd"))
    assert store.run("t-abc").run_id == "t-abc"
    with pytest.raises(StoreError, match="beginning of 2 runs"):
        store.run("t-ab")
    with pytest.raises(StoreError, match="no run"):
        store.run("nothing")


def test_champions_can_be_rolled_back_one_by_one(store):
    for number in (1, 2, 3):
        store.start_run(start(f"t-{number}"))
        store.promote("t", f"t-{number}", prompts(str(number)), {"n": number}, False, "good")
    assert store.champion("t").prompts == prompts("3")
    assert store.rollback("t").prompts == prompts("2")
    assert store.rollback("t").prompts == prompts("1")
    assert [c.action for c in store.history("t")] == ["promoted"] * 3 + ["rolled_back"] * 2
    with pytest.raises(StoreError, match="no earlier champion"):
        store.rollback("t")


def test_what_mlflow_has_not_taken_is_known(store):
    store.start_run(start())
    last = store.append("t-1", EventKind.CANDIDATE, "{}")
    assert [r.run_id for r in store.unsynced()] == ["t-1"]
    store.mark_synced("t-1", last, "mlf")
    assert store.unsynced() == ()
    assert store.run("t-1").mlflow_run == "mlf"


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "proven.db"
    path.write_bytes(b"this is not SQLite, and long enough to be read as a header" * 20)
    with pytest.raises(StoreError, match="cannot be used as a store"):
        Store(path)


def _append(path, name):
    store = Store(path)
    store.start_run(start(name))
    for index in range(250):
        store.append(name, EventKind.CANDIDATE, f'{{"i": {index}}}')
    store.close()


def test_two_processes_write_at_once_and_lose_nothing(tmp_path):
    path = tmp_path / "proven.db"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append, args=(path, f"t-{i}")) for i in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0]
    with sqlite3.connect(path) as db:
        assert db.execute("select count(*) from events where kind = 'candidate'").fetchone() == (500,)
    db.close()


def test_a_matrix_that_an_older_version_stored_is_named_and_not_a_traceback(store):
    store.start_run(start("t-1"))
    store.append("t-1", EventKind.MATRIX, '{"of": "another version"}')
    with pytest.raises(StoreError, match="in a form that this version does not read"):
        store.matrix("t-1")


def test_an_event_of_an_unknown_kind_cannot_be_written(store):
    store.start_run(start())
    with pytest.raises(StoreError, match="unknown kind of event 'finnished'"):
        store.append("t-1", "finnished", "{}")
    assert [e.kind for e in store.events("t-1")] == ["started"]


def test_a_kind_of_another_version_is_read_by_its_name_and_the_others_by_theirs(store):
    store.start_run(start())
    with store._write() as db:
        db.execute("insert into events (run_id, kind, at, payload) values ('t-1', 'sparkle', 'now', '{}')")
    first, second = store.events("t-1")
    assert (first.kind, second.kind) == (EventKind.STARTED, "sparkle")
    assert isinstance(first.kind, EventKind)
    assert not isinstance(second.kind, EventKind)


def test_the_last_event_of_a_kind_is_found_among_others(store):
    store.start_run(start())
    store.append("t-1", EventKind.REPORT, '{"path": "a"}')
    store.append("t-1", EventKind.REPORT, '{"path": "b"}')
    store.append("t-1", EventKind.EXPORTED, "{}")
    found = store.last("t-1", EventKind.REPORT)
    assert found is not None
    assert found.payload == '{"path": "b"}'
    assert store.last("t-1", EventKind.MATRIX) is None


def test_nobody_but_the_owner_may_read_the_record_and_what_lies_beside_it(tmp_path):
    path = tmp_path / "proven.db"
    Store(path).close()
    path.chmod(0o644)  # as an older version made it
    store = Store(path)
    store.start_run(start())
    modes = {
        found.name: found.stat().st_mode & 0o777 for found in tmp_path.glob("proven.db*") if "lock" not in found.name
    }
    assert modes == {"proven.db": 0o600, "proven.db-shm": 0o600, "proven.db-wal": 0o600}
    store.close()


def test_a_gate_that_was_asked_alone_leaves_its_decision_in_the_list_of_runs(store):
    store.start_run(start())
    store.append("t-1", EventKind.VERDICT, to_json(Verdict(Decision.HOLD, ("no lift",))))
    assert store.run("t-1").verdict == "HOLD"


def test_a_problem_on_the_way_into_mlflow_is_told_once_and_without_secrets(tmp_path):
    store = Store(tmp_path / "proven.db", Redactor({"hunter2!": "PASSWORD"}))
    store.note_problem("cannot log in with hunter2!")
    store.note_problem("cannot log in with hunter2!")
    assert store.take_problems() == ("cannot log in with <PASSWORD>",)
    assert store.take_problems() == ()
    store.close()


def test_the_id_of_an_experiment_is_known_for_each_mlflow(store):
    store.note_experiment("t", "here", "7")
    assert store.experiment("t", "here") == "7"
    assert store.experiment("t", "there") is None
