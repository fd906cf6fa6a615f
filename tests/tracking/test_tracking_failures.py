"""Whatever happens to MLflow, no run is lost or stopped: dead servers, moved folders, old schemas, two processes."""

import json
import multiprocessing
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core.errors import StoreError
from core.optimization import RunStart, SplitInfo
from tests.journeys.commands import gold, run
from tests.tracking.test_tracking import query, record
from tracking.events import EventKind
from tracking.projection import Tracker
from tracking.schema import SCHEMA_VERSION
from tracking.store import Store

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("forked")]
DEAD = "http://127.0.0.1:9"
OLDER = "acf3f17fdcc7"
"""A schema of MLflow 2: its experiments and runs are those of today, its registry is not."""


def project(store, mlruns, uri=None):
    """One pass into MLflow; what went wrong, if anything."""
    tracker = Tracker(store, mlruns, uri)
    tracker.catch_up()
    return tracker.problems


def start(run_id, task="t"):
    return RunStart(
        run_id, task, "cmd", "2026-01-01T00:00:00+00:00", {"optimizer": "gepa"}, {}, SplitInfo(1, 1, 1, "f", "h"), {}
    )


# A database that somebody else holds


def test_sync_waits_for_a_database_that_somebody_else_is_writing_to(tmp_path):
    store = Store(tmp_path / "mlruns" / "proven.db")
    store.start_run(start("t-1"))
    assert project(store, tmp_path / "mlruns") == []
    store.start_run(start("t-2"))
    held = sqlite3.connect(tmp_path / "mlruns" / "mlflow.db", check_same_thread=False, isolation_level=None)
    held.execute("begin immediate")

    def let_go():
        while not store._read("select 1 from mlflow_problems"):  # it has given up once: MLflow waits 5 s for a lock
            time.sleep(0.05)
        time.sleep(7)  # and once more, when its run had hung up
        held.execute("rollback")

    thread = threading.Thread(target=let_go)
    thread.start()
    assert json.loads(run("sync", "--json", workspace=tmp_path)[1]) == {"waiting": 0, "problems": []}
    thread.join()
    held.close()
    store.close()


# A server that does not answer


def test_a_dead_server_does_not_stop_a_run_and_sync_brings_everything_later(tmp_path):
    run("init", tmp_path)
    run("init", "triage", "--from-gold", gold(tmp_path / "triage.jsonl", n=60), workspace=tmp_path)
    words = ("optimize", "triage", "--budget", "60", "--json")
    code, out, err = run(*words, workspace=tmp_path, env={"MLFLOW_TRACKING_URI": DEAD, "PROVEN_MLFLOW": "now"})
    assert code == 0
    assert json.loads(out)["ended"] == "finished"
    assert "mlflow: " in err
    assert "your results are safe" in err
    assert json.loads(run("sync", "--json", workspace=tmp_path)[1]) == {"waiting": 0, "problems": []}
    with Store(tmp_path / "mlruns" / "proven.db")._write() as ours:
        candidates = ours.execute("select count(*) from events where kind = 'candidate'").fetchone()[0]
    path = tmp_path / "mlruns" / "mlflow.db"
    assert query(path, "select distinct status from runs") == [("FINISHED",)]
    assert query(path, "select count(distinct step) from metrics where key = 'search/best_dev'") == [(candidates,)]
    assert query(path, "select count(*) from tags where key = 'gate'") == [(1,)]


def test_a_run_begun_in_one_mlflow_is_told_to_another_from_its_beginning(tmp_path):
    store = Store(tmp_path / "proven.db")
    store.start_run(start("t-1"))
    assert project(store, tmp_path / "first") == []
    store.finish_run("t-1", "failed")
    assert project(store, tmp_path / "second") == []
    path = tmp_path / "second" / "mlflow.db"
    assert query(path, "select status from runs") == [("FAILED",)]
    assert dict(query(path, "select key, value from params")) == {"kind": "optimize", "optimizer": "gepa"}
    assert store.unsynced() == ()
    store.close()


def test_a_run_that_cannot_be_told_does_not_hold_up_the_next_one(tmp_path):
    store = Store(tmp_path / "proven.db")
    store.start_run(start("t-1"))
    store.append("t-1", EventKind.MATRIX, '{"of": "another version"}')
    record(store, "t-2")
    problems = project(store, tmp_path)
    assert [problem.split(":")[0] for problem in problems] == ["t-1"]
    assert [r.run_id for r in store.unsynced()] == ["t-1"]
    assert store.run("t-2").mlflow_run is not None
    store.close()


# A folder that was moved


def test_artifacts_follow_a_workspace_that_was_moved(tmp_path):
    before, after = tmp_path / "before", tmp_path / "a new place"
    store = Store(before / "mlruns" / "proven.db")
    record(store)
    assert project(store, before / "mlruns") == []
    store.close()
    before.rename(after)
    store = Store(after / "mlruns" / "proven.db")
    store.append("t-1", EventKind.FORECAST, '{"trials": 3}')
    store.close()
    run("sync", workspace=after)  # MLflow remembers places as long as a process lives
    assert not before.exists()
    (uri,) = query(after / "mlruns" / "mlflow.db", "select artifact_uri from runs")[0]
    assert uri.startswith((after / "mlruns" / "artifacts").as_uri())
    names = {path.name for path in (after / "mlruns" / "artifacts").rglob("*") if path.is_file()}
    assert {"optimization.json", "gate.json", "forecast.json"} <= names


def test_a_database_that_two_workspaces_share_keeps_the_artifacts_of_both_where_they_are(tmp_path):
    uri = f"sqlite:///{tmp_path / 'shared.db'}"
    for name in ("one", "two"):
        store = Store(tmp_path / name / "mlruns" / "proven.db")
        store.start_run(start(f"{name}-1", task=name))
        assert project(store, tmp_path / name / "mlruns", uri) == []
        store.close()
    places = dict(query(tmp_path / "shared.db", "select name, artifact_location from experiments"))
    assert places["one"] == (tmp_path / "one" / "mlruns" / "artifacts" / "one").as_uri()
    assert places["two"] == (tmp_path / "two" / "mlruns" / "artifacts" / "two").as_uri()


# A schema of another time


def old_database(path, revision=OLDER):
    """A database as an MLflow of that schema left it, with one run, in a process of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{path}"
    code = (
        "import sys, sqlalchemy\n"
        "from alembic import command\n"
        "from mlflow.store.db.utils import _get_alembic_config\n"
        "from mlflow.store.tracking.dbmodels.initial_models import Base\n"
        "engine = sqlalchemy.create_engine(sys.argv[1])\n"
        "Base.metadata.create_all(engine)\n"
        "command.upgrade(_get_alembic_config(sys.argv[1]), sys.argv[2])\n"
    )
    subprocess.run([sys.executable, "-c", code, uri, revision], check=True, capture_output=True)
    with sqlite3.connect(path) as db:
        db.execute("insert into experiments (name, lifecycle_stage, artifact_location) values ('old', 'active', 'x')")
        db.execute(
            "insert into runs (run_uuid, name, experiment_id, status, lifecycle_stage, source_type, start_time) "
            "select 'abc', 'a run of long ago', experiment_id, 'FINISHED', 'active', 'LOCAL', 1 from experiments"
        )
    db.close()


def test_an_older_schema_is_upgraded_and_what_it_held_stays_beside_a_copy(tmp_path):
    path = tmp_path / "mlruns" / "mlflow.db"
    old_database(path)
    store = Store(tmp_path / "mlruns" / "proven.db")
    record(store)
    assert project(store, tmp_path / "mlruns") == []
    names = {name for (name,) in query(path, "select name from runs")}
    assert names == {"a run of long ago", "gepa-light-s0 PROMOTE", "gepa s0: current prompt", "gepa s0: tuned prompt"}
    copy = path.with_name(f"mlflow.{OLDER}.db")
    assert query(copy, "select version_num from alembic_version") == [(OLDER,)]
    assert query(copy, "select name from runs") == [("a run of long ago",)]
    store.close()


def test_a_schema_that_cannot_be_upgraded_is_refused_once_and_nothing_is_lost(tmp_path):
    store = Store(tmp_path / "mlruns" / "proven.db")
    record(store)
    assert project(store, tmp_path / "mlruns") == []
    path = tmp_path / "mlruns" / "mlflow.db"
    with sqlite3.connect(path) as db:
        db.execute("update alembic_version set version_num = 'ffff00001111'")
    db.close()
    store.append("t-1", EventKind.PROMOTED, "{}")
    problems = project(store, tmp_path / "mlruns")
    assert len(problems) == 1
    assert "schema ffff00001111 is not this MLflow's and cannot be upgraded" in problems[0]
    assert query(path, "select count(*) from runs") == [(3,)]  # the search and its two prompts on the holdout
    assert [r.run_id for r in store.unsynced()] == ["t-1"]
    store.close()
    for part in (tmp_path / "mlruns").glob("mlflow.db*"):  # with its write-ahead log
        part.rename(tmp_path / part.name)
    run("sync", workspace=tmp_path)
    assert query(path, "select distinct status from runs") == [("FINISHED",)]


# Two processes at once


def _work(mlruns, name, barrier, python):
    sys.executable = python
    barrier.wait()
    store = Store(mlruns / "proven.db")
    tracker = Tracker(store, mlruns)
    record(store, name)
    tracker.catch_up()
    store.close()
    Path(mlruns / f"{name}.txt").write_text("\n".join(tracker.problems), "utf-8")


def test_two_processes_on_a_fresh_workspace_make_one_experiment_and_each_run_once(tmp_path):
    launcher, context = sys.executable, multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    mlruns = tmp_path / "mlruns"
    mlruns.mkdir()
    workers = [context.Process(target=_work, args=(mlruns, f"t-{i}", barrier, launcher)) for i in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert [(mlruns / f"t-{i}.txt").read_text("utf-8") for i in range(2)] == ["", ""]
    path = mlruns / "mlflow.db"
    assert query(path, "select count(*) from experiments where name = 't'") == [(1,)]
    told = query(path, "select value, count(*) from tags where key = 'proven.run_id' group by value order by value")
    assert told == [("t-0", 1), ("t-1", 1)]
    assert query(path, "select distinct status from runs") == [("FINISHED",)]


# Our own record

FIRST = """
create table runs (
    run_id text primary key, task text not null, state text not null, started_at text not null,
    finished_at text, verdict text, synced integer not null default 0, mlflow_run text
);
create index runs_by_task on runs (task, started_at);
create table events (
    seq integer primary key autoincrement, run_id text not null references runs, kind text not null,
    at text not null, payload text not null
);
insert into runs values ('t-1', 't', 'failed', '2026-01-01', null, null, 1, 'abc');
insert into events (run_id, kind, at, payload) values ('t-1', 'started', '2026-01-01', '{}');
"""
"""The record as its first version wrote it."""


def by_hand(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path)
    db.executescript(script)
    db.close()


@pytest.mark.parametrize("version", [0, 1])  # the first files had no number yet
def test_a_record_of_the_first_version_keeps_its_rows_and_learns_the_new_columns(tmp_path, version):
    path = tmp_path / "proven.db"
    by_hand(path, f"{FIRST} pragma user_version={version};")
    store = Store(path)
    found = store.run("t-1")
    assert (found.state, found.synced, found.mlflow_run, found.identity) == ("failed", 1, "abc", "")
    assert [e.kind for e in store.events("t-1")] == ["started"]
    store.request_stop("t-1")
    assert store.stop_requested("t-1")
    store.close()
    assert query(path, "pragma user_version") == [(SCHEMA_VERSION,)]
    Store(path).close()  # and a second time


def test_a_record_of_a_newer_version_is_refused_untouched_with_a_hint(tmp_path):
    path = tmp_path / "proven.db"
    by_hand(path, f"{FIRST} pragma user_version={SCHEMA_VERSION + 1};")
    with pytest.raises(StoreError, match=f"newer version \\(schema {SCHEMA_VERSION + 1}, this one knows") as refused:
        Store(path)
    assert refused.value.hint == "update the project"
    assert query(path, "select run_id from runs") == [("t-1",)]
