"""Every command that judges anything is a run with its scores, as MLflow's own client sees it."""

import json
import signal
import socket
import subprocess
import sys

import pytest
from mlflow.tracking import MlflowClient

from tests.gym import gym
from tests.journeys.commands import HANGS, HOME, gold, run, until

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


def test_the_forecast_stands_beside_what_came_of_it(triage):
    root, said = triage
    metrics, _, _ = seen(root, said["optimize"]["run_id"])
    tuned = said["optimize"]
    assert metrics["forecast/usd"] == pytest.approx(tuned["forecast_usd"], rel=0.01)
    assert metrics["forecast/usd_off"] == pytest.approx(tuned["cost_usd"] / tuned["forecast_usd"] - 1, abs=0.01)
    assert metrics["forecast/calls_off"] == pytest.approx(tuned["calls"] / metrics["forecast/calls"] - 1, abs=0.01)
    assert {metrics[f"forecast/{name}_inside"] for name in ("usd", "calls", "minutes")} <= {0.0, 1.0}


def test_the_experiment_s_description_names_the_best_run_and_its_numbers(triage):
    root, said = triage
    client = MlflowClient(f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")
    (place,) = [e for e in client.search_experiments() if e.name.endswith("triage")]
    text, tuned = place.tags["mlflow.note.content"], said["optimize"]
    (found,) = client.search_runs([place.experiment_id], f"tags.`proven.run_id` = '{tuned['run_id']}'")
    assert f"[{found.info.run_name}](#/experiments/{place.experiment_id}/runs/{found.info.run_id})" in text
    assert f"score {tuned['candidate']:.3f}, lift {tuned['delta']:+.3f}, {tuned['verdict']}." in text


def test_a_ui_that_a_script_started_ends_by_its_pid_and_leaves_no_server(triage):
    root, _ = triage
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, HOME / "cli.py", "ui", "--port", str(port), "--workspace", root]
    # As a shell does it for what runs beside it: SIGINT is ignored, so that only SIGTERM is left.
    shell = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *map(str, words)]
    with subprocess.Popen(shell, stdout=subprocess.PIPE, text=True) as ui:
        assert any("Ctrl-C ends it" in line for line in ui.stdout)
        assert answers(port)
        ui.send_signal(signal.SIGTERM)
        ui.communicate(timeout=HANGS)
    assert ui.returncode == 0
    assert until(lambda: not answers(port))


def answers(port):
    """Whether something listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
