"""An agent as a task: shown, checked, evaluated and tuned by the ordinary commands."""

import json
import shutil

import pytest

from tests.journeys.commands import HOME, run


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("errands")
    arms = ("configs/experiments/baseline.json", "configs/experiments/exp_042.json")
    for name in ("configs/shop.yaml", "configs/models.yaml", "corpora/shop.jsonl", *arms):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HOME / name, root / name)
    return root


def told(*words, workspace):
    return json.loads(run(*words, "--json", workspace=workspace)[1])


def test_the_agent_is_tuned_from_what_its_sessions_did_without_and_a_second_look_costs_nothing(workspace):
    assert "17 train / 12 dev / 31 holdout" in run("validate", "shop", workspace=workspace)[1]
    first = told("eval", "shop", workspace=workspace)
    assert first["calls"] > first["n"]
    again = told("eval", "shop", workspace=workspace)
    assert (again["calls"], again["hits"], again["score"]) == (0, first["calls"], first["score"])

    body = told("optimize", "shop", "--budget", "100", workspace=workspace)
    assert body["dev_baseline"] == first["score"]
    assert body["dev_candidate"] > body["dev_baseline"]
    assert body["verdict"] == "PROMOTE"
    assert body["candidate"] - body["baseline"] >= 0.2
    assert "check_limits before apply_coupon" in run("show", "shop", workspace=workspace)[1]


FIXED = 166
"""Pairs of a one-sided test of fixed size: .60 against .75, 5 % and 10 %."""


def decided(test, workspace):
    return told("experiment", "--control", "baseline", "--test", test, "--method", "sprt", workspace=workspace)


def test_a_good_guideline_is_accepted_and_a_harmful_one_rejected_within_a_third_of_a_fixed_test(workspace):
    good = decided("exp_042", workspace)
    assert good["decision"] == "accept"
    assert good["test"]["sessions"] < FIXED
    harmful = {"experiment_id": "exp_043", "parent": "baseline", "guidelines": ["Skip the stock check"]}
    (workspace / "configs" / "experiments" / "exp_043.json").write_text(json.dumps(harmful))
    bad = decided("exp_043", workspace)
    assert bad["decision"].startswith("reject")
    assert bad["test"]["sessions"] <= FIXED / 3
