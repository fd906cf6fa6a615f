"""A learning report that compares, as a person sees it through MLflow's client: a run, and a run for each key."""

import json

import pytest

from core.workspace import Workspace
from sessions.record import Outcome, Session
from sessions.store import open_sessions
from tests.journeys.commands import run
from tracking.projection import Tracker
from tracking.store import Store

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("forked")]


def session(key, task, success, day):
    made = Outcome.of(success)
    return Session(
        f"{key} {task}", task=task, success=success, outcome=made, tags={"learning_key": key},
        started_at=f"2026-01-{day:02}T00:00:00",
    )  # fmt: skip


def told(root):
    """What MLflow has of reports and of keys."""
    from mlflow import MlflowClient

    tracker = Tracker(Store(root / "mlruns" / "proven.db"), root / "mlruns")
    tracker.catch_up()
    assert tracker.problems == []
    client = MlflowClient(f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("learning_report").experiment_id])
    return [{one.data.tags["mlflow.runName"]: one for one in runs if ("learning_key" in one.data.tags) is wanted}
            for wanted in (False, True)]  # fmt: skip


def test_keys_that_are_compared_stand_beside_each_other_with_gain_and_change(tmp_path):
    with open_sessions(Workspace(tmp_path)) as store:
        store.append(session("plain", f"t{n}", n < 5, 1) for n in range(20))
        store.append(session("notes", f"t{n}", n < 15, 2) for n in range(20))

    def report(*words):
        return json.loads(run("report-learning", "--json", "--summary-only", *words, workspace=tmp_path)[1])

    assert "run_id" not in report("--out", tmp_path / "before")  # nothing is compared, so it is no run
    with open_sessions(Workspace(tmp_path)) as store:
        store.append(session("notes", f"t{n}", True, 3) for n in range(20, 30))
    done = report("--control", "plain", "--compare-to", tmp_path / "before", "--prompt-variant", "schema_v2")

    reports, keys = told(tmp_path)
    ((_, parent),) = reports.items()
    assert (parent.data.tags["proven.run_id"], parent.info.status) == (done["run_id"], "FINISHED")
    assert parent.data.params["prompt_variant"] == "schema_v2"
    assert sorted(keys) == ["notes", "plain"]
    assert {one.data.tags["mlflow.parentRunId"] for one in keys.values()} == {parent.info.run_id}
    notes, plain = keys["notes"].data, keys["plain"].data
    assert notes.params["control"] == "plain"
    assert (notes.metrics["gain"], notes.metrics["gain/tasks"]) == (0.5, 20)
    assert 0.2 < notes.metrics["gain/low"] < 0.5 < notes.metrics["gain/high"]
    assert notes.metrics["gain/p"] == pytest.approx(0.0020, abs=1e-4)  # ten won, none lost: 2 / 2 ** 10
    assert (notes.metrics["sessions"], notes.metrics["change/sessions"]) == (30, 10)
    assert notes.metrics["reward"] == pytest.approx(25 / 30, abs=1e-4)
    assert "gain" not in plain.metrics
    assert plain.metrics["change/sessions"] == 0
    assert run("runs", workspace=tmp_path)[1].count("finished") == 1
