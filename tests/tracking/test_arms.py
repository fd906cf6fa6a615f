"""A sequential experiment as a person sees it through MLflow's client."""

import json
import random

import pytest

from commands.experiment import replayed
from core.workspace import Workspace
from experiments.sequential import run_experiment
from tasks.open_run import RunOptions
from tracking.projection import Tracker
from tracking.store import Store

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("forked")]


def test_an_experiment_has_its_decision_its_curve_and_its_counts_in_mlflow(tmp_path):
    (tmp_path / "configs").mkdir()
    place = Workspace(tmp_path)
    rows = [
        {"id": f"{arm}{t}", "arm": arm, "task": t, "success": random.Random(f"{arm}{t}").random() < rate}
        for arm, rate in (("a", 0.4), ("b", 0.9))
        for t in range(80)
    ]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    request = replayed(place, str(tmp_path / "r.jsonl"), (["arm=a"], ["arm=b"]), "sprt", [])
    done = run_experiment(place, request, RunOptions(track=False))
    tracker = Tracker(Store(place.mlruns / "proven.db"), place.mlruns)
    tracker.catch_up()
    assert tracker.problems == []

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place.mlruns / 'mlflow.db'}")
    everything = client.search_runs([each.experiment_id for each in client.search_experiments()])
    [run] = [each for each in everything if "gate" in each.data.tags]
    assert run.data.tags["gate"] == done.decision == "accept"
    curve = client.get_metric_history(run.info.run_id, "llr")
    assert [point.value for point in curve] == pytest.approx(done.path, abs=1e-4)
    bound = client.get_metric_history(run.info.run_id, "bound/upper")
    assert [point.value for point in bound] == pytest.approx([2.890372] * len(curve), abs=1e-4)
    assert run.data.metrics["pairs"] == done.pairs == len(curve)
    assert run.data.metrics["pairs/saved"] == pytest.approx(done.saved, abs=1e-4)
    arms = {each.data.tags["kind"]: each.data.metrics for each in everything if each.data.tags.get("proven.arm")}
    assert arms["test"]["success_rate"] == pytest.approx(done.test.rate, abs=1e-4)
    assert arms["control"]["sessions"] == done.control.sessions == done.pairs
