"""What an entry causes: a useful one is kept by its trial, a useless one leaves, and both say why."""

import json
import shutil

import pytest

from core.workspace import HOME
from tests.journeys.commands import run

LOOK = {
    "cue": {"type": "regex", "pattern": "coupon [A-Z]+[0-9]"},
    "action": {"imperative": "Check the coupon before you apply it", "handle": "check_limits"},
}
POLITE = {
    "cue": {"type": "keyword", "pattern": "please"},
    "action": {"imperative": "Be friendly to the customer", "handle": "report_completion"},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    for folder in ("configs", "corpora"):
        shutil.copytree(HOME / folder, root / folder, ignore=shutil.ignore_patterns("*.md"))
    (root / "entries.json").write_text(json.dumps([LOOK, POLITE]), "utf-8")
    return root


def asked(place, *words, code=0):
    found, out, err = run(*words, "--json", workspace=place, check=False)
    assert found == code, err
    return json.loads(out)


def test_a_useful_entry_is_kept_and_a_useless_one_retired_by_what_they_cause(place):
    proposed = asked(place, "playbook", "propose", place / "entries.json", "--key", "shop")
    look, polite = (entry["id"] for entry in proposed["entries"])
    tried = [
        "--key",
        "shop",
        "--control",
        "shop_baseline",
        "--yes",
        "--set",
        "design.effect=0.2",
        "--set",
        "producer.trials=2",
    ]

    useless = asked(place, "playbook", "trial", polite, *tried)
    assert (useless["useful"], useless["lifecycle"]) == (False, "deprecated")
    assert useless["low"] < 0.1

    useful = asked(place, "playbook", "trial", look, *tried)
    assert (useful["useful"], useful["lifecycle"]) == (True, "active")
    assert useful["effect"] > 0.1
    assert useful["wins"] > useful["losses"]

    history = asked(place, "playbook", "show", look, "--key", "shop")["history"]
    assert history[-1]["why"].startswith(f"trial {useful['experiment']['run_id']} (sprt): accept after")
    again = asked(place, "playbook", "trial", look, *tried)
    assert again["experiment"]["run_id"] == useful["experiment"]["run_id"]
    assert len(asked(place, "playbook", "show", look, "--key", "shop")["history"]) == len(history)

    told = ["--where", "tags.injected=on", "--where", f"tags.entry={look}"]
    (impact,) = asked(place, "playbook", "review", "--key", "shop", "--record", *told)["playbook_impact"]
    assert impact["hits"] > 0
    assert impact["adoption_rate"] > 0.5
    assert impact["transfer_success"] is True
    asked(place, "report-learning", "--summary-only")
    (path,) = (place / "mlruns" / "learning").glob("shop*_summary.json")
    found = json.loads(path.read_text("utf-8"))
    assert found["usage_source"] == "recorded"
    assert found["playbook_impact"][0]["hits"] == impact["hits"]

    config = place / "configs" / "experiments" / "learned.json"
    asked(place, "playbook", "inject", "--key", "shop", "--into", "shop_baseline", "--out", config)
    written = json.loads(config.read_text("utf-8"))
    assert len(written["guidelines"]) == 1
    assert written["tags"]["learning_key"] == "shop"
    plan = asked(place, "experiment", "--control", "shop_baseline", "--test", "learned", "--dry-run")
    assert plan["pairs"] > 0


def test_what_cannot_be_tried_is_named(place):
    asked(place, "playbook", "propose", place / "entries.json", "--key", "other")
    _, _, err = run("playbook", "trial", "zz", "--key", "other", "--task", "shop", workspace=place, check=False)
    assert "no such entry" in err
    code, _, err = run("playbook", "trial", "zz", "--key", "other", workspace=place, check=False)
    assert (code, "either --control CONFIG or --task TASK" in err) == (64, True)
