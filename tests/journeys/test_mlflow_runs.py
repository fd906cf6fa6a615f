"""Every command that judges anything is a run with its scores, as MLflow's own client sees it."""

import json

import pytest
from mlflow.tracking import MlflowClient

from tests.gym import gym
from tests.journeys.commands import gold, run

pytestmark = pytest.mark.filterwarnings("default")


def seen(root, run_id):
    """The run in MLflow: its scores and tags."""
    client = MlflowClient(f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")
    places = [e.experiment_id for e in client.search_experiments()]
    (found,) = client.search_runs(places, f"tags.`proven.run_id` = '{run_id}'")
    return found.data.metrics, found.data.tags, found.info.status


NO_ROWS = ("--set", "tracking.rows=none")  # which are in tests/tracking, and take MLflow a second for every fifty


@pytest.fixture(scope="module")
def triage(tmp_path_factory):
    """A workspace in which a search, an evaluation and a gate were run, and MLflow was told."""
    root = tmp_path_factory.mktemp("triage")
    run("init", root)
    run("init", "triage", "--from-gold", gold(root / "triage.jsonl", 100), workspace=root)
    tuned = json.loads(run("optimize", "triage", "--budget", "200", *NO_ROWS, "--json", workspace=root)[1])
    said = {"optimize": tuned}
    said["eval"] = json.loads(run("eval", "triage", "--json", workspace=root)[1])
    words = ("gate", "seed", tuned["run_id"], "--task", "triage", "--json")
    said["gate"] = json.loads(run(*words, workspace=root, check=False)[1])
    run("sync", workspace=root)
    return root, said


def test_an_evaluation_is_a_run_with_its_score(triage):
    root, said = triage
    metrics, tags, status = seen(root, said["eval"]["run_id"])
    assert (tags["stage"], status) == ("eval", "FINISHED")
    assert metrics["score"] == pytest.approx(said["eval"]["score"], abs=1e-4)


def test_a_gate_is_a_run_with_its_verdict_and_its_lift(triage):
    root, said = triage
    metrics, tags, status = seen(root, said["gate"]["run_id"])
    assert (tags["stage"], tags["gate"], status) == ("gate", said["gate"]["verdict"], "FINISHED")
    assert metrics["lift"] == pytest.approx(said["gate"]["delta"], abs=1e-4)


def test_a_search_is_a_run_with_the_score_of_its_holdout(triage):
    root, said = triage
    metrics, tags, status = seen(root, said["optimize"]["run_id"])
    assert (tags["stage"], tags["gate"], status) == ("optimize", said["optimize"]["verdict"], "FINISHED")
    assert metrics["score"] == pytest.approx(said["optimize"]["candidate"], abs=1e-4)


def test_each_step_of_a_matrix_and_a_judge_card_are_runs(tmp_path):
    root = gym(tmp_path, count=6).root
    ids = {
        words[0]: json.loads(run(*words, "--json", workspace=root)[1])["run_id"]
        for words in (
            ("prepare", "retell"),
            ("run", "retell"),
            ("judge", "retell"),
            ("matrix", "retell"),
            ("judge-card", "retell"),
        )
    }
    run("sync", workspace=root)
    assert {name: seen(root, run_id)[2] for name, run_id in ids.items()} == dict.fromkeys(ids, "FINISHED")
    assert seen(root, ids["judge-card"])[0]
    assert seen(root, ids["matrix"])[0]
