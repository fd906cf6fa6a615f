"""An agent as a task: shown, checked, evaluated and tuned by the ordinary commands."""

import json
import shutil

import pytest

from tests.journeys.commands import HOME, run


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("errands")
    for name in ("configs/shop.yaml", "configs/models.yaml", "corpora/shop.jsonl"):
        (root / name).parent.mkdir(exist_ok=True)
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
