"""What an entry causes: a useful one is kept by its trial, a useless one leaves, and both say why."""

import json
import shutil
from collections import defaultdict
from statistics import fmean

import pytest

from core.workspace import HOME, Workspace
from sessions.filters import FilterChain
from sessions.store import open_sessions
from tests.journeys.commands import run

MODELS = ("offline/small", "offline/large")
POLITE = {
    "cue": {"type": "keyword", "pattern": "please"},
    "action": {"imperative": "Be friendly to the customer", "handle": "report_completion"},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    for folder in ("configs", "corpora"):
        shutil.copytree(HOME / folder, root / folder, ignore=shutil.ignore_patterns("*.md"))
    (root / "entries.json").write_text(json.dumps(POLITE), "utf-8")
    return root


def asked(place, *words, code=0):
    found, out, err = run(*words, "--json", workspace=place, check=False)
    assert found == code, err
    return json.loads(out)


def gain(place, entry, model):
    """Tasks that an entry was tried on with a model, and what it gained there: mean of means, each task once."""
    with open_sessions(Workspace(place)) as store:
        sides = defaultdict(lambda: defaultdict(list))
        for session in store.sessions(FilterChain().where(model=model, **{"tags.entry": entry})):
            sides[session.task, session.trial][session.tags["injected"]].append(float(session.success))
    tasks = defaultdict(list)
    for (task, _), side in sides.items():
        if side["on"] and side["off"]:
            tasks[task].append(side["on"][0] - side["off"][0])
    return len(tasks), pytest.approx(fmean(map(fmean, tasks.values())))


def test_from_sessions_to_a_lesson_that_is_shown_to_help(place):
    """Sessions, a proposal, the gates, sessions with and without it, and what it causes and changes."""
    (polite,) = (
        e["id"] for e in asked(place, "playbook", "propose", place / "entries.json", "--key", "shop")["entries"]
    )
    tried = ["--key", "shop", "--control", "shop_baseline", "--alone", "--yes"]
    tried += ["--set", "design.effect=0.2", "--set", "producer.trials=2"]

    useless = asked(place, "playbook", "trial", polite, *tried)
    assert (useless["useful"], useless["lifecycle"]) == (False, "deprecated")
    assert useless["low"] < 0.1

    proposed = asked(place, "playbook", "propose", "--key", "shop", "--most", "3", "--yes")
    look = next(entry for entry in proposed["entries"] if entry["accepted"])
    assert look["session"] in proposed["session_notes"]
    assert proposed["session_notes"][look["session"]].startswith("Student: ")
    shown = asked(place, "playbook", "show", look["id"], "--key", "shop")
    assert shown["action"]["imperative"] == "Call check_limits before apply_coupon"
    assert shown["cue"]["pattern"] == r"\bcoupon"

    useful = asked(place, "playbook", "trial", look["id"], *tried)
    assert (useful["useful"], useful["lifecycle"]) == (True, "active")
    assert useful["effect"] > 0.1
    assert useful["wins"] > useful["losses"]
    history = asked(place, "playbook", "show", look["id"], "--key", "shop")["history"]
    assert history[-1]["why"].startswith(f"trial {useful['experiment']['run_id']} (sprt): accept after")
    again = asked(place, "playbook", "trial", look["id"], *tried)
    assert again["experiment"]["run_id"] == useful["experiment"]["run_id"], "nobody tries until it suits"
    assert len(asked(place, "playbook", "show", look["id"], "--key", "shop")["history"]) == len(history)

    asked(place, "playbook", "trial", look["id"], *tried, "--set", "model_id=offline/large")
    cells = asked(place, "playbook", "transfer", "--key", "shop", "--by", "model")["cells"]
    gains = {(cell["source"], cell["target"]): (cell["tasks"], cell["delta"]) for cell in cells}
    assert gains == {("offline/small", model): gain(place, look["id"], model) for model in MODELS}

    told = ["--where", f"tags.entry={look['id']}"]
    reviewed = asked(place, "playbook", "review", "--key", "shop", "--record", *told)["playbook_impact"]
    impact = next(one for one in reviewed if one["entry_id"] == look["id"])
    assert impact["hits"] > 0
    assert 0 < impact["adoption_rate"] < 1
    assert impact["transfer_success"] is True
    asked(place, "report-learning", "--summary-only")
    (path,) = (place / "mlruns" / "learning").glob("shop*_summary.json")
    found = json.loads(path.read_text("utf-8"))
    assert found["usage_source"] == "recorded"
    assert look["id"] in [one["entry_id"] for one in found["playbook_impact"]]

    config = place / "configs" / "experiments" / "learned.json"
    asked(place, "playbook", "inject", "--key", "shop", "--into", "shop_baseline", "--out", config)
    written = json.loads(config.read_text("utf-8"))
    assert any("Call check_limits before apply_coupon" in text for text in written["guidelines"])
    assert written["tags"]["learning_key"] == "shop"
    assert asked(place, "experiment", "--control", "shop_baseline", "--test", "learned", "--dry-run")["pairs"] > 0


def test_what_cannot_be_tried_is_named(place):
    asked(place, "playbook", "propose", place / "entries.json", "--key", "other")
    _, _, err = run("playbook", "trial", "zz", "--key", "other", "--task", "shop", workspace=place, check=False)
    assert "no such entry" in err
    code, _, err = run("playbook", "trial", "zz", "--key", "other", workspace=place, check=False)
    assert (code, "either --control CONFIG or --task TASK" in err) == (64, True)
