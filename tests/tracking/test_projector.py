"""What MLflow shows of every kind of run, read back through its own client."""

import json
import sqlite3
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from core.cells import JudgeCard, ScoreEstimate
from core.evaluation import Evaluation, RowResult, RowStatus, Usage
from core.optimization import RunStart, SplitInfo
from core.plain import to_json
from core.verdict import Decision, Evidence, Verdict
from tracking.events import EventKind
from tracking.handlers import HANDLERS
from tracking.projector import Projector
from tracking.store import Store

pytestmark = pytest.mark.filterwarnings("default")


def begin(store, run_id, kind):
    params = {"student": "offline/small"}
    start = RunStart(run_id, "t", "cmd", "2026-01-01", params, {}, SplitInfo(1, 1, 2, "f", "h"), {}, kind=kind)
    store.start_run(start)


def evaluation(program, scores, failed=0):
    rows = [
        RowResult(f"r{i}", RowStatus.OK, score, {"team": score}, usage=Usage(1, 10, 2, 0.5))
        for i, score in enumerate(scores)
    ]
    rows += [RowResult(f"f{i}", RowStatus.LM_ERROR, error="down", usage=Usage(1, errors=1)) for i in range(failed)]
    return Evaluation("holdout", program, tuple(rows))


def judged():
    evidence = Evidence(40, 0.4, 0.6, 0.2, 0.1, 0.3, 0.001, 0.05, 0.0, 0.09, "t", 20, 5, 15, 3)
    return Verdict(Decision.PROMOTE, ("the lift is proven",), (), evidence)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """One run of every command that judges, written into a fresh MLflow: its client, and our runs by id."""
    root = tmp_path_factory.mktemp("told")
    store = Store(root / "proven.db")
    begin(store, "t-eval", "eval")
    store.append("t-eval", EventKind.EVALUATION, to_json(evaluation("abc", [1.0, 0.5], failed=1)))
    begin(store, "t-gate", "gate")
    store.append("t-gate", EventKind.EVALUATION, to_json(evaluation("champion", [0.4, 0.4])))
    store.append("t-gate", EventKind.EVALUATION, to_json(evaluation("challenger", [0.6, 0.6])))
    store.append("t-gate", EventKind.VERDICT, to_json(judged()))
    begin(store, "t-card", "judge-card")
    card = JudgeCard("rubric @ judge", 20, spearman=ScoreEstimate(0.8, 0.6, 0.9, 20), resolvable=0.07, failed=2)
    store.append("t-card", EventKind.JUDGE_CARD, to_json(card))
    begin(store, "t-step", "judge")
    store.append("t-step", EventKind.STEP, json.dumps({"step": "judge", "lines": 180, "failed": 4}))
    begin(store, "t-sweep", "sweep")
    store.append("t-sweep", EventKind.SWEPT, json.dumps({"patch": 0, "run_id": "t-eval"}))
    begin(store, "t-new", "eval")
    with store._write() as db:
        db.execute("insert into events (run_id, kind, at, payload) values ('t-new', 'sparkle', 'now', '{}')")
    for run in store.runs():
        store.finish_run(run.run_id, "finished")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    Projector(store, root, uri).follow()
    assert store.take_problems() == ()
    assert store.unsynced() == ()
    yield MlflowClient(uri), {run.run_id: run.mlflow_run for run in store.runs()}, store, root
    store.close()


def test_every_kind_of_event_has_its_place_in_mlflow():
    assert set(HANDLERS) == set(EventKind)


def test_an_evaluation_shows_score_fields_failures_calls_and_money(told):
    client, ids, _, _ = told
    run = client.get_run(ids["t-eval"])
    assert run.data.params == {"kind": "eval", "student": "offline/small"}
    assert run.data.metrics == {
        "score": 0.75, "n": 2, "failed": 1, "field/team": 0.75, "usd": 1.0, "cost/calls": 3,
        "cost/tokens_in": 20, "cost/tokens_out": 4,
    }  # fmt: skip
    assert (run.data.tags["split"], run.data.tags["program_hash"]) == ("holdout", "abc")
    assert run.data.tags["mlflow.runName"] == "eval, offline/small"
    assert run.info.status == "FINISHED"


def test_a_gate_shows_both_prompts_as_steps_and_its_verdict_with_the_interval(told):
    client, ids, _, _ = told
    run = client.get_run(ids["t-gate"])
    steps = {(m.step, m.value) for m in client.get_metric_history(ids["t-gate"], "score")}
    assert steps == {(0, 0.4), (1, 0.6)}
    assert run.data.metrics["score"] == 0.6
    assert run.data.tags["gate"] == "PROMOTE"
    assert run.data.tags["gate_reason"] == "the lift is proven"
    found = {name: run.data.metrics[name] for name in ("lift", "lift_low", "lift_high", "n", "opening")}
    assert found == {"lift": 0.2, "lift_low": 0.1, "lift_high": 0.3, "n": 40, "opening": 3}
    assert "gate.json" in {artifact.path for artifact in client.list_artifacts(ids["t-gate"])}


def test_a_judge_card_shows_what_was_measured_and_leaves_out_what_was_not(told):
    client, ids, _, _ = told
    assert client.get_run(ids["t-card"]).data.metrics == {
        "judge/rows": 20, "judge/failed": 2, "judge/resolvable": 0.07,
        "judge/spearman": 0.8, "judge/spearman_lo": 0.6, "judge/spearman_hi": 0.9,
    }  # fmt: skip


def test_a_step_of_a_matrix_shows_its_lines_and_failures(told):
    client, ids, _, _ = told
    run = client.get_run(ids["t-step"])
    assert (run.data.params["kind"], run.data.tags["step"]) == ("judge", "judge")
    assert run.data.metrics == {"lines": 180, "failed": 4}


def test_a_sweep_names_the_run_of_each_patch_that_is_done(told):
    client, ids, _, _ = told
    assert client.get_run(ids["t-sweep"]).data.tags["patch.0"] == "t-eval"


def test_what_another_version_wrote_is_left_out_and_the_run_says_so(told):
    client, ids, _, _ = told
    run = client.get_run(ids["t-new"])
    assert run.data.tags["left_out"] == "events of the kind 'sparkle': this version does not know them"
    assert run.info.status == "FINISHED"


def test_only_the_owner_may_read_mlflow_s_database(told):
    _, _, _, root = told
    assert (root / "mlflow.db").stat().st_mode & 0o777 == 0o600


def half_made(path, tables):
    with sqlite3.connect(path) as db:
        for table in tables:
            db.execute(f"create table {table} (experiment_id integer primary key, name text)")
    db.close()


@pytest.mark.parametrize("tables", [(), ("alembic_version",), ("experiments", "runs", "metrics")])
def test_a_database_that_was_left_half_made_is_made_anew_and_kept_beside_it(tmp_path, tables):
    store = Store(tmp_path / "proven.db")
    begin(store, "t-1", "eval")
    half_made(tmp_path / "mlflow.db", tables)
    (tmp_path / ".mlflow.db.making").write_text("what a killed process left under the other name")
    Projector(store, tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}").follow()
    assert (store.take_problems(), store.unsynced()) == ((), ())
    with sqlite3.connect(tmp_path / "mlflow.half-made-1.db") as db:
        kept = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    db.close()
    assert kept == set(tables)
    assert not (tmp_path / ".mlflow.db.making").exists()
    store.close()


def test_a_file_that_is_no_database_is_refused_with_what_to_do(tmp_path):
    store = Store(tmp_path / "proven.db")
    begin(store, "t-1", "eval")
    (tmp_path / "mlflow.db").write_bytes(b"this is no database, and it is long enough to look like a file" * 20)
    projector = Projector(store, tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}")
    projector.follow()
    assert projector.refused
    (problem,) = store.take_problems()
    assert "MLflow's database cannot be used: file is not a database" in problem
    assert problem.endswith("(move the file away, then: python cli.py sync)")
    assert Path(tmp_path / "mlflow.db").read_bytes().startswith(b"this is no database")
    store.close()
