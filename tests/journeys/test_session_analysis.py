"""The analysis of sessions from the command line, as somebody would go through it."""

import csv
import json
from dataclasses import replace

import pytest

from sessions.store import SessionStore
from tests.journeys.commands import run
from tests.sessions.recorded import airline, on_record, planted, seeded


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Two models on the same tasks; the better one has a guideline and costs more."""
    root = tmp_path_factory.mktemp("workspace")
    (root / "configs" / "sessions").mkdir(parents=True)
    (root / "mlruns").mkdir()
    good = [
        replace(s, cost_usd=0.05, guidelines=("Check limits first",))
        for s in planted(seeded(1), 40, 3, 0.9, model="large")
    ]
    poor = [replace(s, cost_usd=0.01) for s in planted(seeded(2), 40, 3, 0.5, model="=small")]
    with SessionStore(f"sqlite:///{root / 'mlruns' / 'sessions.db'}") as store:
        store.append([*good, *poor])
    return root


def asked(workspace, *words):
    return json.loads(run(*words, "--json", workspace=workspace)[1])


def test_rates_by_model_as_a_table_and_as_csv_without_formulas(workspace, tmp_path):
    found = asked(workspace, "sessions", "stats", "--by", "model", "--metric", "success_rate", "--pass", "2")
    assert [(one["group"], one["metric"], one["n"]) for one in found["estimates"]] == [
        (["=small"], "success_rate", 120), (["=small"], "pass^1", 120), (["=small"], "pass^2", 120),
        (["large"], "success_rate", 120), (["large"], "pass^1", 120), (["large"], "pass^2", 120),
    ]  # fmt: skip

    path = tmp_path / "rates.csv"
    run("sessions", "stats", "--by", "model", "--csv", path, workspace=workspace)
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    assert {row["model"] for row in rows} == {"'=small", "large"}
    cost = next(row["value"] for row in rows if row["metric"] == "cost" and row["model"] == "large")
    assert float(cost) == pytest.approx(0.05)
    assert "successes among" in run("sessions", "stats", "--metric", "list", workspace=workspace)[1]


def test_two_models_are_contrasted_task_by_task(workspace):
    found = asked(workspace, "sessions", "contrast", "--by", "model", "--reference", "=small")["contrasts"][0]

    assert (found["second"], found["paired"], found["tasks"]) == ("large", True, 40)
    assert found["p_adjusted"] < 0.01
    code, _, err = run("sessions", "contrast", "--by", "model", "--reference", "tiny", workspace=workspace, check=False)
    assert code == 64
    assert "allowed: =small, large" in err


def test_what_reaches_a_rate_cheapest(workspace):
    found = asked(workspace, "sessions", "pareto", "--reach", "0.8")

    assert found["cheapest"]["name"] == "large"
    assert {one["name"]: one["standing"] for one in found["placed"]} == {"=small": "front", "large": "front"}


def test_thresholds_of_task_clusters_come_from_a_file(workspace):
    path = workspace / "configs" / "sessions" / "analysis.yaml"
    before = asked(workspace, "sessions", "tasks")["clusters"]
    path.write_text("clusters: {trivial: 0.5}\n", "utf-8")
    after = asked(workspace, "sessions", "tasks")["clusters"]
    path.write_text("clusters: {trivail: 0.5}\n", "utf-8")
    code, _, err = run("sessions", "tasks", workspace=workspace, check=False)
    path.unlink()

    assert after["trivial"] > before["trivial"]
    assert code == 78
    assert "clusters.trivail" in err


def test_a_guideline_that_only_one_model_had_is_confounded(workspace):
    out = run("guideline-impact", workspace=workspace)[1]

    assert "6126cee7  Check limits first" in out
    assert "confounded: models differ: 'large' is 100% of the sessions with it" in out
    assert json.loads((workspace / "mlruns" / "hashes.dict").read_text("utf-8")) == {
        "6126cee77f8d12cc7f2138603fb0d49f": "Check limits first"
    }


@pytest.mark.parametrize("form", ["html", "markdown", "json"])
def test_the_report_in_every_form(workspace, form):
    text = run("sessions", "report", "--format", form, "--out", "-", workspace=workspace)[1]

    assert "Wilson" in text or "wilson" in text.lower()
    assert "large" in text


@on_record
def test_pass_hat_k_of_the_recorded_airline(tmp_path):
    (tmp_path / "mlruns").mkdir()
    with SessionStore(f"sqlite:///{tmp_path / 'mlruns' / 'sessions.db'}") as store:
        store.append(airline())
    found = asked(tmp_path, "sessions", "stats", "--metric", "success_rate", "--pass", "4")["estimates"]

    assert [round(one["value"], 4) for one in found] == [0.3974, 0.3974, 0.2735, 0.2372, 0.2308]


def test_what_an_experiment_will_cost(workspace, tmp_path):
    path = tmp_path / "exp_042.json"
    path.write_text('{"experiment_id": "exp_042", "model_id": "large"}', "utf-8")

    found = asked(workspace, "sessions", "predict", "--config", path, "--n", "50")
    assert [(one["quantity"], round(one["total"], 6)) for one in found["predictions"]] == [("cost_usd", 2.5)]
    path.write_text("[1]", "utf-8")
    assert run("sessions", "predict", "--config", path, workspace=workspace, check=False)[0] == 78
