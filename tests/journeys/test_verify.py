"""``verify`` on runs of every kind: the production gate, a judge's task, a closed holdout, a run that was stopped."""

import contextlib
import json
import random
import shutil
import sqlite3
from collections import Counter

import pytest

from core.errors import ProvenError
from core.workspace import Workspace
from optimizers.verification import verify_run
from tests.gym import gym
from tests.journeys.commands import gold, run
from tests.journeys.test_distill import differences, tamper
from tests.journeys.test_planted import Office
from tests.notes import notes
from tests.provider import serving
from tests.thorough import thorough
from tracking.store import Store

TAKEN = "taken as stored, because a model would have to answer again: redteam, neutralisation"


def verified(root, run_id):
    """The notes of a verification that found nothing."""
    code, out, _ = run("verify", run_id, "--json", workspace=root, check=False)
    body = json.loads(out)
    assert (code, body["differences"]) == (0, [])
    return body["notes"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace with a run that the production gate promoted."""
    root = tmp_path_factory.mktemp("shop")
    run("init", root)
    run("init", "triage", "--from-gold", gold(root / "triage.jsonl"), workspace=root)
    sets = ("--set", "gate.name=production", "--set", "gate.checks.budget.max_ratio=50")
    _, out, _ = run("optimize", "triage", "--budget", "600", *sets, "--json", workspace=root)
    return root, json.loads(out)


@pytest.fixture
def copy(shop, tmp_path):
    """The workspace again, to tamper with."""
    shutil.copytree(shop[0], tmp_path / "copy")
    return tmp_path / "copy", shop[1]["run_id"]


def test_a_promotion_by_the_production_gate_follows_from_its_rows(shop):
    root, body = shop
    assert body["verdict"] == "PROMOTE"
    assert verified(root, body["run_id"]) == [TAKEN]


def failed(name):
    """A change that stores a check as failed."""

    def change(body):
        for check in body["verdict"]["checks"]:
            if check["name"] == name:
                check["status"] = "fail"

    return change


@pytest.mark.parametrize(
    "name", ["coverage", "overfit", "dimensions", "budget", "hacking", "canaries", "lift", "beats a constant"]
)
def test_a_check_that_needs_no_model_is_asked_again(copy, name):
    root, run_id = copy
    tamper(root, run_id, failed(name))
    assert f"check '{name}': stored fail, the rows give pass" in differences(root, run_id)


def flattered(body):
    body["verdict"]["evidence"]["adjusted_low"] += 0.1


def before_it_was_measured(body):
    for name in ("delta_adjusted", "adjusted_low", "adjusted_high"):
        del body["verdict"]["evidence"][name]


def test_the_lift_after_the_selection_is_computed_again(copy):
    root, run_id = copy
    tamper(root, run_id, flattered)
    assert "adjusted_low: stored" in differences(root, run_id)


def test_a_record_from_before_it_was_measured_is_not_held_against_it(copy):
    root, run_id = copy
    tamper(root, run_id, before_it_was_measured)
    assert "adjusted" not in differences(root, run_id)


def cheaper(body):
    for row in body["holdout_baseline"]["rows"]:
        row["worth"]["cost_usd"] /= 1000


def without_redteam(body):
    body["verdict"]["checks"] = [c for c in body["verdict"]["checks"] if c["name"] != "redteam"]


def forgiven(body):
    for check in body["verdict"]["checks"]:
        if check["name"] == "redteam":
            check.update(status="fail", required=False)


def added(body):
    body["verdict"]["checks"].append({"name": "kindness", "status": "pass", "message": "", "required": False})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cheaper, "check 'budget': stored pass, the rows give fail"),
        (without_redteam, "check 'redteam': not in the stored verdict"),
        (without_redteam, "verdict: stored PROMOTE, the rows give HOLD"),
        (forgiven, "check 'redteam': stored is that a promotion does not need it, but a promotion needs it"),
        (forgiven, "verdict: stored PROMOTE, the rows give HOLD"),
        (failed("neutralisation"), "verdict: stored PROMOTE, the rows give HOLD"),
        (added, "check 'kindness': stored, and the gate has no such check"),
    ],
)
def test_rows_and_answers_that_lead_elsewhere_are_caught(copy, change, said):
    root, run_id = copy
    tamper(root, run_id, change)
    assert said in differences(root, run_id)


def test_without_its_corpus_a_run_is_verified_as_far_as_its_rows_reach(copy):
    root, run_id = copy
    for path in root.rglob("triage.jsonl"):
        path.unlink()
    notes = verified(root, run_id)
    assert "the task cannot be assembled any more" in notes[0]
    assert notes[1] == TAKEN
    tamper(root, run_id, failed("overfit"))
    assert "check 'overfit': stored fail, the rows give pass" in differences(root, run_id)


def test_a_winner_that_is_the_seed_leaves_the_holdout_closed_and_is_verified(tmp_path):
    office = Office()
    office.planted = "Say something about the note."  # no better than the seed
    with serving(office) as provider:
        root = notes(tmp_path, provider.url)
        body = json.loads(run("optimize", "notes", "--set", "gate.name=production", "--json", workspace=root)[1])
    assert (body["verdict"], body["opening"]) == ("HOLD", None)
    assert verified(root, body["run_id"]) == []
    tamper(root, body["run_id"], lambda b: b["verdict"].update(decision="INCONCLUSIVE"))
    assert "verdict: stored INCONCLUSIVE, without a holdout it is HOLD" in differences(root, body["run_id"])


def test_a_run_whose_budget_ended_is_verified(tmp_path):
    run("init", tmp_path)
    run("init", "triage", "--from-gold", gold(tmp_path / "triage.jsonl"), workspace=tmp_path)
    words = ("optimize", "triage", "--budget", "600", "--max-calls", "150", "--json")
    body = json.loads(run(*words, workspace=tmp_path, check=False)[1])
    assert (body["ended"], body["verdict"]) == ("exhausted", "INCONCLUSIVE")
    assert verified(tmp_path, body["run_id"]) == []
    tamper(tmp_path, body["run_id"], lambda b: b["verdict"].update(decision="PROMOTE"))
    assert "verdict: stored PROMOTE, without a holdout it is INCONCLUSIVE" in differences(tmp_path, body["run_id"])


def test_a_task_tuned_by_a_judge_is_verified(tmp_path):
    gym(tmp_path, count=15)
    sets = ("--set", "gate.name=production", "--set", "split.fractions={train: 0.4, dev: 0.3}")
    notes = []
    for seed in ("0", "1"):  # the second run's canaries read the records of the first
        words = ("optimize", "retell", "--budget", "30", *sets, "--seed", seed, "--baseline", "seed", "--json")
        body = json.loads(run(*words, workspace=tmp_path)[1])
        notes = verified(tmp_path, body["run_id"])
    assert "scores are not judged again: a judge gave them, and would have to be asked again" in notes


def broken(payload, dice):
    """A payload with something wrong about it: no JSON, another type, or one value lost or replaced deep inside."""
    kind = dice.randrange(4)
    if kind == 0:
        return dice.choice(["", "{", "null", "[]", "{}", '"text"', "1e999", "\\u0000", payload[: len(payload) // 2]])
    body = json.loads(payload)
    at = body
    while isinstance(at, (dict, list)) and at:
        key = dice.choice([*at]) if isinstance(at, dict) else dice.randrange(len(at))
        if not isinstance(at[key], (dict, list)) or not at[key] or dice.random() < 0.25:
            if kind == 1:
                del at[key]
            else:
                at[key] = dice.choice([None, "", -1, 1e308, 10**30, True, [], {}, [[]], {"a": 1}, "\x00", float("nan")])
            break
        at = at[key]
    return json.dumps(body)


@pytest.mark.parametrize("seed", thorough([5, 6, 7], lambda seed: seed == 5))
def test_whatever_is_wrong_with_a_stored_event_is_told_and_never_a_traceback(copy, seed):
    """60 events of a run, each broken in one way; those that verification does not read change nothing."""
    root, run_id = copy
    dice, outcomes, place = random.Random(seed), Counter(), Workspace(root)
    with contextlib.closing(sqlite3.connect(root / "mlruns" / "proven.db", isolation_level=None)) as db:
        events = db.execute("select seq, kind, payload from events where run_id = ?", (run_id,)).fetchall()
        shown = {}
        for number in range(60):
            seq, kind, payload = dice.choice(events)
            db.execute("update events set payload = ? where seq = ?", (broken(payload, dice), seq))
            with contextlib.closing(Store(root / "mlruns" / "proven.db")) as store:
                try:
                    found = bool(verify_run(place, store, run_id)[1])
                except ProvenError:
                    found = True
            outcomes[kind, found] += 1
            if number < 3:
                shown[number] = run("verify", run_id, workspace=root, check=False)[0]
            db.execute("update events set payload = ? where seq = ?", (payload, seq))
    assert set(shown.values()) <= {0, 1, 66}
    assert outcomes["finished", True] > 2
    assert outcomes["finished", False] == 0
    assert verified(root, run_id) == [TAKEN]
