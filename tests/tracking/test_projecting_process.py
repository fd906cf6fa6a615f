"""The process that writes into MLflow: killed, left alone, told by the next command; the run never imports MLflow."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from core.optimization import RunStart, SplitInfo
from tests.journeys.commands import HOME, gold, run
from tests.tracking.test_tracking import query
from tracking.projection import Tracker
from tracking.run import Run
from tracking.store import Store

pytestmark = pytest.mark.filterwarnings("default")


def start(run_id="t-1"):
    return RunStart(run_id, "t", "cmd", "2026-01-01T00:00:00+00:00", {}, {}, SplitInfo(1, 1, 1, "f", "h"), {})


def wait_for(done, seconds=300.0):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat", encoding="utf-8") as handle:
        return handle.read().split()[2] == "Z"


@pytest.mark.parametrize("moment", ["at once", "half made", "whole"])
def test_killed_on_a_fresh_workspace_it_leaves_nothing_that_the_next_one_cannot_finish(tmp_path, moment, request):
    store = Store(tmp_path / "proven.db")
    tracker = Tracker(store, tmp_path)
    record = Run(store, start(), tracker)
    process = tracker._process.process
    if moment == "half made":
        making = tmp_path / ".mlflow.db.making"
        wait_for(lambda: making.exists() and making.stat().st_size > 0)
    elif moment == "whole":
        wait_for((tmp_path / "mlflow.db").exists)
    process.send_signal(signal.SIGKILL)
    record.finish()
    tracker.catch_up()
    assert any("has ended" in problem for problem in tracker.problems)
    if moment != "half made":
        request.getfixturevalue("forked")  # what there is left to make is not made by hand
    again = Tracker(store, tmp_path)
    again.catch_up()
    assert again.problems == []
    assert store.unsynced() == ()
    assert query(tmp_path / "mlflow.db", "select status from runs") == [("FINISHED",)]
    store.close()


def test_it_finishes_and_ends_after_its_run_was_killed(tmp_path):
    code = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from tests.tracking.test_projecting_process import start
        from tracking.projection import Tracker
        from tracking.run import Run
        from tracking.store import Store
        store = Store(Path(sys.argv[1]) / "proven.db")
        tracker = Tracker(store, Path(sys.argv[1]))
        Run(store, start(), tracker)
        print(tracker._process.process.pid, flush=True)
        time.sleep(600)
    """)
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=HOME, text=True)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: gone(pid))
    store = Store(tmp_path / "proven.db")
    assert store.unsynced() == ()
    assert query(tmp_path / "mlflow.db", "select status from runs") == [("RUNNING",)]
    store.close()


def test_a_problem_that_came_up_after_a_command_had_left_is_told_by_the_next(tmp_path):
    store = Store(tmp_path / "proven.db")
    store.note_problem("t-0: it was locked")
    tracker = Tracker(store, tmp_path)
    tracker.close()
    assert tracker.problems == ["t-0: it was locked"]
    later = Tracker(store, tmp_path)
    later.close()
    assert later.problems == []
    store.close()


def test_a_run_imports_neither_mlflow_nor_sqlalchemy_and_sync_waits_until_mlflow_has_everything(tmp_path):
    run("init", tmp_path)
    run("init", "triage", "--from-gold", gold(tmp_path / "triage.jsonl", n=60), workspace=tmp_path)
    code = textwrap.dedent("""
        import sys, cli
        try:
            cli.main()
        except SystemExit:
            pass
        print([name for name in ("mlflow", "sqlalchemy", "alembic") if name in sys.modules], file=sys.stderr)
    """)
    words = ["optimize", "triage", "--budget", "60", "--json", "--workspace", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=HOME, check=False)
    assert json.loads(done.stdout)["ended"] == "finished"
    assert done.stderr.strip().splitlines()[-1] == "[]"
    assert json.loads(run("sync", "--json", workspace=tmp_path)[1]) == {"waiting": 0, "problems": []}
    path = tmp_path / "mlruns" / "mlflow.db"
    assert query(path, "select distinct status from runs") == [("FINISHED",)]
    assert query(path, "select value from params where key = 'kind'") == [("optimize",)]
