"""Mining: planted patterns are found and named, and where there is nothing, nothing is found."""

from dataclasses import replace

import numpy as np
import pytest

from sessions.errors import cluster_errors, normalised
from sessions.patterns import find_anomalies, find_loops, mine, systematic
from sessions.record import Outcome, Session, Step
from tests.sessions.recorded import ended, planted, seeded


def call(tool, arguments="{}", error=""):
    return Step("assistant", tool=tool, arguments=arguments, error=error)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("KeyError: 'sku-7' at line 42 of /srv/app/main.py", "keyerror: VALUE at line N of PATH"),
        ("GET https://shop.test/api?id=7 gave 503", "get URL gave N"),
        ("no row 9f86d081-884c-4d63-a18e-0f3f6a8b1c22 (0xdeadbeef)", "no row ID (ID)"),
        ("  two\n lines ", "two lines"),
    ],
)
def test_what_differs_from_case_to_case_is_taken_out_of_an_error(text, form):
    assert normalised(text) == form


def test_errors_that_say_the_same_are_one_cluster():
    errors = [
        *[f"coupon SAVE{i} has reached its limit" for i in range(9)],
        *[f"the coupon 'X{i}' has reached its limit" for i in range(3)],
        *[f"permission denied for user u{i}" for i in range(5)],
        "",
    ]
    coupons, denied = cluster_errors(errors)

    assert (coupons.name, coupons.count, len(coupons.texts)) == ("coupon N has reached its limit", 12, 2)
    assert (denied.name, denied.count) == ("permission denied for user N", 5)
    assert cluster_errors([]) == ()
    assert len(cluster_errors(["!!!", "???"])) == 2


def test_loops_are_the_same_actions_with_the_same_arguments():
    steps = [call("login"), *[call("search", '{"q": 1}'), call("open")] * 4, call("pay"), call("pay", '{"again": 1}')]
    (loop,) = find_loops(Session("s", trajectory=tuple(steps)))

    assert (loop.start, loop.period, loop.rounds, loop.actions) == (1, 2, 4, ("search", "open"))
    assert find_loops(Session("s", trajectory=(call("a"), call("a")))) == ()
    assert find_loops(Session("s")) == ()
    (same,) = find_loops(Session("s", trajectory=(call("a"),) * 6))
    assert (same.period * same.rounds, same.start) == (6, 0)


def world(seed, harm=0.0, tasks=40, trials=4):
    """Sessions in which a skipped check of limits costs ``harm`` of the success rate, on tasks of all difficulties."""
    random, made = seeded(seed), []
    for task in range(tasks):
        easy = random.beta(2, 1)
        for trial in range(trials):
            skipped = random.random() < 0.4
            won = random.random() < easy * (1 - harm * skipped)
            steps = [call("login"), *([] if skipped else [call("limits")]), call("buy")]
            error = f"coupon C{task} has reached its limit" if skipped and not won else ""
            made.append(Session(
                f"{task}/{trial}", task=f"t{task}", trial=trial, success=won, outcome=ended(won),
                model=random.choice(["a", "b"]), task_code=f"kind {task % 3}", trajectory=tuple(steps),
                errors=(error,) if error and harm else (), tags={"team": str(random.choice(["x", "y"]))},
            ))  # fmt: skip
    return made


def test_a_planted_cause_is_found_with_its_support_effect_and_examples():
    sessions = world(1, harm=0.8)
    found = mine(sessions)
    by_name = {one.what: one for one in found.findings}

    skipped = by_name["login then buy"]
    assert (skipped.kind, skipped.design) == ("sequence", "within tasks")
    assert skipped.support == sum("limits" not in [step.tool for step in s.trajectory] for s in sessions)
    assert skipped.effect > 0.3
    assert skipped.p_adjusted < 0.001
    chosen = {s.id: s for s in sessions}
    assert all(chosen[name].outcome is Outcome.AGENT_FAILURE for name in skipped.examples)
    assert (
        by_name["error: coupon N has reached its limit"].failures
        == by_name["error: coupon N has reached its limit"].support
    )
    assert not any(one.kind in ("model", "tag", "task_code") for one in found.findings)


def test_a_kind_of_task_that_fails_is_found_between_tasks():
    sessions = [
        replace(s, task_code="refund" if int(s.task[5:]) % 3 == 0 else "order") for s in planted(seeded(3), 45, 3, 0.8)
    ]
    sessions = [
        replace(s, success=False, outcome=Outcome.AGENT_FAILURE) if s.task_code == "refund" else s for s in sessions
    ]
    (finding,) = mine(sessions).findings

    assert (finding.what, finding.design) == ("task_code is refund", "between tasks")


def test_hard_tasks_do_not_make_what_happens_on_them_a_cause():
    random, made = seeded(4), []
    for task in range(60):
        hard = task % 2 == 0
        for trial in range(6):
            looked = random.random() < (0.8 if hard else 0.2)
            won = random.random() < (0.1 if hard else 0.9)
            steps = (call("look_up"), call("answer")) if looked else (call("answer"),)
            made.append(Session(f"{task}/{trial}", task=f"t{task}", success=won, outcome=ended(won), trajectory=steps))

    assert mine(made).findings == ()


def test_where_nothing_goes_with_failing_nothing_is_found_at_the_stated_rate():
    trials = 60
    false = sum(bool(systematic(world(seed, tasks=20), (), ())[0]) for seed in range(100, 100 + trials))

    assert false / trials <= 0.05 + 2 * 0.028


def test_infrastructure_is_no_failure_of_the_agent():
    down = [
        replace(s, success=None, outcome=Outcome.INFRASTRUCTURE, model="down") for s in planted(seeded(6), 30, 2, 0)
    ]
    up = [replace(s, id=f"u{s.id}", model="up") for s in planted(seeded(6), 30, 2, 0.7)]

    assert mine([*down, *up]).findings == ()


def test_planted_anomalies_are_found_and_ordinary_scatter_is_not():
    random, trials, false = seeded(8), 100, 0
    for trial in range(trials):
        n = (25, 60, 200)[trial % 3]
        costs, seconds = random.lognormal(-3, 0.6, n), random.lognormal(2, 0.4, n)
        sessions = [
            Session(str(i), cost_usd=float(c), latency_s=float(t))
            for i, (c, t) in enumerate(zip(costs, seconds, strict=True))
        ]
        false += bool(find_anomalies(sessions))
    assert false / trials <= 0.05 + 2 * 0.022

    sessions[7] = replace(sessions[7], cost_usd=100.0)
    (dear,) = find_anomalies(sessions)
    assert (dear.session, dear.quantity, dear.value) == ("7", "cost_usd", 100.0)
    assert dear.typical == pytest.approx(np.exp(-3), rel=0.3)
    assert find_anomalies(sessions[:10]) == ()


def test_nothing_is_mined_from_nothing():
    found = mine([])

    assert (found.sessions, found.tested, found.findings, found.errors, found.loops) == (0, 0, (), (), ())
