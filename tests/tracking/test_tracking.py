"""MLflow as a projection: complete, repeatable, and never in the way of a run."""

import json
import sqlite3

import pytest

from core.candidate import Candidate
from core.evaluation import Usage
from core.optimization import RunStart, SplitInfo
from core.plain import to_json
from tests.reports.test_render import outcome
from tracking.events import EventKind
from tracking.projection import Tracker
from tracking.store import Store
from tracking.views import CELL_COLUMNS, COLUMNS, cells_tag, leaderboard_tag

pytestmark = pytest.mark.filterwarnings("default")


def record(store, run_id="t-1"):
    result = outcome(text="plain")
    params = {
        **result.params,
        "task": "t",
        "optimizer": "gepa",
        "budget": "light",
        "seed": "0",
        "student": "offline/small",
    }
    start = RunStart(
        run_id, "t", "cmd", "2026-01-01", params, {"stage": "optimize"}, SplitInfo(10, 10, 40, "f", "h"), {}
    )
    store.start_run(start)
    for index, score in enumerate((0.4, 0.6)):
        store.append(
            run_id, EventKind.CANDIDATE, to_json(Candidate(index, "x", result.winner, score, usage=Usage(5, 1, 1, 0.1)))
        )
    store.append(run_id, EventKind.FINISHED, to_json(result))
    store.finish_run(run_id, "finished")


def query(path, sql):
    db = sqlite3.connect(path)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def test_a_run_is_projected_once_however_often_it_is_replayed(tmp_path):
    store = Store(tmp_path / "proven.db")
    record(store)
    for _ in range(2):
        tracker = Tracker(store, tmp_path)
        tracker.catch_up()
        assert tracker.problems == []
        with store._write() as db:  # forget what MLflow has taken, as after a crash between the two writes
            db.execute("update runs set synced = 0, mlflow_run = null")
    path = tmp_path / "mlflow.db"
    assert query(path, "select name, status from runs") == [("gepa-light-s0 PROMOTE", "FINISHED")]
    assert query(path, "select value from latest_metrics where key = 'holdout/delta'") == [(0.2,)]
    curve = "select distinct step, value from metrics where key = 'best/dev_score' order by step"
    assert query(path, curve) == [(0, 0.4), (1, 0.6)]
    assert query(path, "select count(*) from model_versions where name = 't.p'") == [(2,)]
    assert query(path, "select value from tags where key = 'gate'") == [("PROMOTE",)]
    assert query(path, "select count(*) from experiment_tags where key like 'mlflow.sharedViewState.%'") == [(1,)]
    store.close()


def test_a_store_that_cannot_be_written_never_raises_and_is_caught_up_later(tmp_path):
    store = Store(tmp_path / "proven.db")
    record(store)
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "mlflow.db").write_bytes(b"this is no database, and it is long enough to look like a file" * 20)
    broken = Tracker(store, bad)
    broken.catch_up()
    assert broken.problems
    assert [r.run_id for r in store.unsynced()] == ["t-1"]
    good = Tracker(store, tmp_path / "good")
    good.catch_up()
    assert good.problems == []
    assert store.unsynced() == ()
    assert "viewStateShareKey=leaderboard" in good.links("t", "t-1")["leaderboard"]
    store.close()


def test_the_leaderboard_has_ten_columns_and_fits_a_tag():
    key, value = leaderboard_tag()
    assert key == "mlflow.sharedViewState.leaderboard"
    assert len(COLUMNS) == 10
    assert len(value) <= 20_000
    assert json.loads(value)["state"].startswith("deflate;")


def test_the_cells_of_a_matrix_have_a_view_of_their_own():
    key, value = cells_tag()
    assert key == "mlflow.sharedViewState.cells"
    assert json.loads(value)["name"] == "Cells"
    assert len(CELL_COLUMNS) == 10
    assert len(value) <= 20_000
