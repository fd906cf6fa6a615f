"""What carries over is shown, and what does not is not: not even among many cells."""

import json

import numpy as np
import pytest

from core.errors import UsageError
from core.workspace import Workspace
from experiments.transfer import grouping, tagged_pairs, trial_pairs
from playbook.book import Change, Playbook, Revision
from playbook.entry import Action, Cue, CueType, Entry, Provenance
from playbook.transfer import Pair, transfer
from sessions.record import Outcome, Session
from sessions.store import open_sessions
from tests.journeys.commands import run

KINDS = ("coupons", "orders", "stock")


def pairs(random, gains, tasks=40):
    """One pair per task and cell; solved half the time without the lesson, and more often by the gain with it."""
    return [
        Pair(source, target, f"{target}-{n}", float(random.random() < 0.5), float(random.random() < 0.5 + gain))
        for (source, target), gain in gains.items()
        for n in range(tasks)
    ]


def test_a_lesson_that_carries_over_to_one_kind_is_shown_there_and_nowhere_else():
    gains = {(source, target): 0.0 for source in KINDS for target in KINDS}
    gains |= {("coupons", "orders"): 0.45, ("coupons", "coupons"): 0.45}
    found = transfer(pairs(np.random.default_rng(3), gains, tasks=60))
    shown = {place for place, one in found.cells.items() if one.shown}
    assert shown == {("coupons", "orders"), ("coupons", "coupons")}
    assert found.cells["coupons", "orders"].holm == pytest.approx(6 * found.cells["coupons", "orders"].p)
    assert found.cells["coupons", "coupons"].holm == found.cells["coupons", "coupons"].p
    assert found.leaving["coupons"].shown
    assert not found.arriving["coupons"].shown


def test_where_nothing_carries_over_hardly_any_matrix_shows_a_gain():
    random, gains = np.random.default_rng(11), {(a, b): 0.0 for a in KINDS for b in KINDS if a != b}
    wrong = sum(any(one.shown for one in transfer(pairs(random, gains, 24)).cells.values()) for _ in range(60))
    assert wrong <= 5


def test_leaving_out_the_own_kind():
    made = [Pair("a", "a", f"t{n}", 0, 1) for n in range(20)] + [Pair("b", "a", f"t{n}", 1, 0) for n in range(20)]
    found = transfer(made)
    assert found.arriving["a"].delta == -1
    assert found.leaving["b"].tasks == 20
    assert "b" not in found.arriving


def test_a_task_that_was_tried_often_counts_once():
    made = [Pair("a", "b", f"t{n % 8}", 0, float(n < 8)) for n in range(32)]
    cell = transfer(made).cells["a", "b"]
    assert (cell.tasks, cell.delta) == (8, 0.25)


def session(name, task, success, **tags):
    return Session(name, task=task, model="m", success=success, outcome=Outcome.of(success), tags=tags)


def test_sources_of_entries_are_where_they_were_learned(tmp_path):
    entry = Entry(Cue(CueType.KEYWORD, "x"), Action("Do."), provenance=Provenance(session_id="origin"))
    known = Playbook("k", (Revision(1, "", "", (Change(entry, ""),)),))
    group = grouping("task", "^shop:([a-z]+)")
    arms = [
        session(f"{kind}{n}{injected}", f"shop:{kind}-{n}", injected == "on", learning_key="k", entry=entry.id,
                injected=injected)
        for kind in ("coupon", "order") for n in range(9) for injected in ("on", "off")
    ]  # fmt: skip
    origin = session("origin", "shop:coupon-1", False)
    lonely = session("lonely", "shop:order-99", True, learning_key="k", entry=entry.id, injected="on")
    found = trial_pairs([*arms, lonely], known, {"origin": origin}, group)
    assert (len(found.pairs), found.alone) == (18, 1)
    assert {(pair.source, pair.target) for pair in found.pairs} == {("coupon", "coupon"), ("coupon", "order")}

    from playbook.book import open_playbooks

    open_playbooks(Workspace(tmp_path)).revise("k", "proposed", lambda _: ((Change(entry, "passed"),), None))
    with open_sessions(Workspace(tmp_path)) as store:
        store.append([*arms, lonely, origin])
    words = ("--key", "k", "--by", "task", "--pattern", "^shop:([a-z]+)", "--out", tmp_path / "t.html", "--json")
    _, out, _ = run("playbook", "transfer", *words, workspace=tmp_path)
    body = json.loads(out)
    (cell,) = (one for one in body["cells"] if one["transfer"])
    assert (cell["source"], cell["target"], cell["delta"], cell["shown"]) == ("coupon", "order", 1.0, True)
    assert (tmp_path / "t.html").exists()


def test_prompts_that_say_where_they_were_tuned_are_paired_with_the_same_task_and_model():
    tuned = [session(f"a{n}", f"t{n}", True, learned_on="m0") for n in range(3)]
    plain = [session(f"b{n}", f"t{n}", n == 0) for n in range(2)]
    found = tagged_pairs([*tuned, *plain], grouping("model", None))
    assert [(pair.source, pair.target, pair.without, pair.with_it) for pair in found.pairs] == [
        ("m0", "m", 1.0, 1.0), ("m0", "m", 0.0, 1.0),
    ]  # fmt: skip
    assert found.alone == 1


@pytest.mark.parametrize(("by", "pattern"), [("cost", None), ("task", "("), ("task", "x")])
def test_a_grouping_that_is_none_is_refused(by, pattern):
    with pytest.raises(UsageError):
        grouping(by, pattern)
