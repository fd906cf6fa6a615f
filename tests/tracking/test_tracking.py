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

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("forked")]


def record(store, run_id="t-1", config=None):
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
        run_id, "t", "cmd", "2026-01-01", params, {"stage": "optimize"}, SplitInfo(10, 10, 40, "f", "h"), config or {}
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
    assert query(path, "select name, status from runs order by name") == [
        ("gepa s0: current prompt", "FINISHED"),
        ("gepa s0: tuned prompt", "FINISHED"),
        ("gepa-light-s0 PROMOTE", "FINISHED"),
    ]
    assert query(path, "select value from latest_metrics where key = 'lift'") == [(0.2,)]
    curve = "select distinct step, value from metrics where key = 'search/best_dev' order by step"
    assert query(path, curve) == [(0, 0.4), (1, 0.6)]
    assert query(path, "select count(*) from model_versions where name = 't.p'") == [(2,)]
    assert query(path, "select value from tags where key = 'gate'") == [("PROMOTE",)]
    parent = "select run_uuid from tags where key = 'gate'"
    first = f"select key from latest_metrics where run_uuid in ({parent}) order by rowid limit 1"
    assert query(path, first) == [("score",)]  # what MLflow's page of two runs opens with
    assert query(path, "select count(*) from experiment_tags where key like 'mlflow.sharedViewState.%'") == [(1,)]
    for name, score in (("current", 0.5), ("tuned", 1.0)):
        of_arm = f"select run_uuid from runs where name = 'gepa s0: {name} prompt'"
        traces = f"select request_id from trace_request_metadata where key = 'mlflow.sourceRun' and value in ({of_arm})"
        assert query(path, f"select count(*) from trace_info where request_id in ({traces})") == [(40,)]
        said = query(path, f"select name, value from assessments where trace_id in ({traces})")
        assert len(said) == 3 * 40  # score, one field, gold; twice written, once there
        scores = [float(value) for name, value in said if name == "_score"]
        assert sum(scores) / 40 == score
    joined = (
        "select count(*) from (select request_preview from trace_info group by request_preview having count(*) = 2)"
    )
    assert query(path, joined) == [(40,)]  # MLflow finds the other prompt's row by this text
    tables = query(path, "select value from tags where key = 'mlflow.loggedArtifacts'")
    assert [t["path"] for t in json.loads(tables[0][0])] == ["tables/holdout_rows.json", "tables/candidates.json"]
    assert query(path, "select value from registered_model_tags where key = '_mlflow_experiment_ids'") == [(",1,",)]
    aliases = query(path, "select alias, version from registered_model_aliases order by alias")
    assert aliases == [("best", 2), ("candidate", 2), ("seed", 1)]
    store.close()


def test_rows_that_must_not_leave_the_record_leave_no_text_in_mlflow(tmp_path):
    store = Store(tmp_path / "proven.db")
    record(store, config={"tracking": {"rows": "none", "max_rows": 500}})
    Tracker(store, tmp_path).catch_up()
    path = tmp_path / "mlflow.db"
    assert query(path, "select count(*) from trace_info") == [(0,)]
    assert query(path, "select count(*) from runs") == [(3,)]  # the scores are there all the same
    files = [file for file in (tmp_path / "artifacts").rglob("*") if file.is_file()]
    assert files
    assert not [file.name for file in files if "hello" in file.read_text("utf-8")]  # the text of every row
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
