"""Every metric with its denominator: exact on five sessions, and on recorded ones as computed by hand."""

import math
from collections import defaultdict
from itertools import combinations

import pytest

from sessions.metrics import METRICS, estimate, pass_at, pass_hat, repeats
from sessions.record import Outcome, Session
from sessions.tally import tally
from tests.sessions.recorded import AIRLINE, HUMANEVAL, airline, humaneval, on_record, rows

WON, LOST, DOWN, DARK = Outcome.SUCCESS, Outcome.AGENT_FAILURE, Outcome.INFRASTRUCTURE, Outcome.UNKNOWN


def session(number, outcome, **fields):
    success = {WON: True, LOST: False}.get(outcome)
    return Session(f"s{number}", task=f"t{number}", success=success, outcome=outcome, **fields)


def measured(sessions, name):
    (group,) = tally(sessions, [METRICS.get(name)])
    return estimate(group, METRICS.get(name))


FIVE = [
    session(1, WON, input_tokens=100, output_tokens=20, cost_usd=0.02, steps=4, optimal_steps=2),
    session(2, LOST, input_tokens=300, output_tokens=60, cost_usd=0.06, steps=10, optimal_steps=5),
    session(3, WON, input_tokens=200, steps=3, optimal_steps=4, latency_s=2.0),
    session(4, DOWN, input_tokens=50, cost_usd=0.01, steps=1, optimal_steps=1),
    session(5, DARK, input_tokens=400, cost_usd=0.03, steps=0),
]


@pytest.mark.parametrize(
    ("name", "value", "n", "left_out"),
    [
        ("success_rate", 2 / 3, 3, 2),
        ("infrastructure_rate", 1 / 5, 5, 0),
        ("tokens", (120 + 360 + 200 + 400) / 4, 4, 1),
        ("tokens_per_success", (120 + 360 + 200) / 2, 3, 2),
        ("cost", (0.02 + 0.06 + 0.03) / 3, 3, 2),
        ("cost_per_success", 0.08, 2, 3),
        ("total_cost", 0.12, 4, 1),
        ("latency", 2.0, 1, 4),
        ("steps", (4 + 10 + 3 + 0) / 4, 4, 1),
        ("step_efficiency", (0.5 + 0.5 + 1) / 3, 3, 2),
        ("success_weighted_efficiency", (0.5 + 0 + 1) / 3, 3, 2),
        ("fewer_steps_than_optimal", 1.0, 3, 2),
        ("token_waste", 360.0, 3, 2),
        ("token_waste_share", 360 / 680, 3, 2),
        ("score", None, 0, 5),
        ("early_termination_rate", None, 0, 5),
    ],
)
def test_each_metric_over_its_own_denominator(name, value, n, left_out):
    found = measured(FIVE, name)

    assert (found.value, found.n, found.left_out) == (pytest.approx(value), n, left_out)


def test_only_impossible_tasks_can_be_terminated_early_and_refusing_everything_shows():
    timid = [
        session(1, WON, impossible=True, rejected=True),
        session(2, WON, impossible=True, rejected=True),
        session(3, LOST, impossible=True, rejected=False),
        session(4, LOST, impossible=False, rejected=True),
        session(5, LOST, impossible=None, rejected=True),
        session(6, LOST, impossible=True, rejected=None),
        session(7, DOWN, impossible=True, rejected=True),
    ]

    early, wrongly = measured(timid, "early_termination_rate"), measured(timid, "false_rejection_rate")

    assert (early.value, early.n, early.left_out) == (pytest.approx(2 / 3), 3, 4)
    assert (wrongly.value, wrongly.n) == (1.0, 1)


def test_a_step_efficiency_without_steps_is_undefined():
    assert measured([session(1, WON, steps=0, optimal_steps=3)], "step_efficiency").value is None


def test_nothing_is_measured_on_nothing():
    for metric in METRICS:
        (group,) = tally([], [metric])
        assert estimate(group, metric).value is None


@pytest.mark.parametrize(
    ("won", "n", "low", "high"), [(8, 10, 0.490157, 0.943319), (10, 10, 0.722460, 1), (0, 10, 0, 0.277540)]
)
def test_rates_have_wilsons_interval(won, n, low, high):
    found = measured([session(i, WON if i < won else LOST) for i in range(n)], "success_rate")

    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    assert found.new_low is None  # every task once: both intervals would be about the same thing


@on_record
def test_the_recorded_rates_of_every_configuration_equal_an_independent_count():
    counts = defaultdict(lambda: [0, 0])
    for row in rows(HUMANEVAL):
        counts[row["strategy"], row["config"]][0] += row["success"]
        counts[row["strategy"], row["config"]][1] += 1

    metric = METRICS.get("success_rate")
    found = {group.key: estimate(group, metric) for group in tally(humaneval(), [metric], ["experiment", "model"])}

    assert found.keys() == counts.keys()
    for key, (won, n) in counts.items():
        share, z = won / n, 1.96
        half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        centre = (share + z * z / (2 * n)) / (1 + z * z / n)
        one = found[key]
        assert (one.value, one.low, one.high) == pytest.approx((share, centre - half, centre + half))
        assert (one.n, one.left_out) == (n, 0)


@on_record
def test_repeats_make_the_interval_for_new_tasks_wider_than_that_of_these():
    metric = METRICS.get("success_rate")
    for group in tally(humaneval(), [metric], ["experiment"]):
        one = estimate(group, metric)
        assert one.new_high - one.new_low > one.high - one.low


@on_record
def test_pass_hat_k_of_tau_airline_is_the_share_of_trials_chosen_that_all_succeed():
    trials = defaultdict(list)
    for row in rows(AIRLINE):
        trials[row["task"]].append(row["success"])
    (group,) = tally(airline(), [METRICS.get("success_rate")])
    assert repeats(group.sums["success_rate"]) == 4

    for k in (1, 2, 3, 4):
        every = [math.fsum(all(c) for c in combinations(t, k)) / math.comb(len(t), k) for t in trials.values()]
        some = [math.fsum(any(c) for c in combinations(t, k)) / math.comb(len(t), k) for t in trials.values()]
        found = pass_hat(group, k)
        assert found.value == pytest.approx(sum(every) / len(every))
        assert found.low < found.value < found.high
        assert pass_at(group, k).value == pytest.approx(sum(some) / len(some))
    assert (found.n, found.tasks, found.left_out) == (156, 39, 0)
    assert pass_hat(group, 1).value == pytest.approx(measured(airline(), "success_rate").value)
    assert [round(pass_hat(group, k).value, 4) for k in (1, 2, 3, 4)] == [0.3974, 0.2735, 0.2372, 0.2308]


def test_tasks_with_too_few_trials_are_left_out_of_pass_hat_k_and_counted():
    sessions = [
        Session(f"{t}{i}", task=t, success=True, outcome=WON) for t, n in (("a", 3), ("b", 1)) for i in range(n)
    ]
    (group,) = tally(sessions, [METRICS.get("success_rate")])
    found = pass_hat(group, 2)

    assert (found.value, found.n, found.tasks, found.left_out) == (1.0, 3, 1, 1)
    assert pass_hat(group, 4).value is None
    with pytest.raises(ValueError, match="need at least 1"):
        pass_hat(group, 0)


@on_record
def test_groups_are_made_of_any_fields_and_tags():
    groups = tally(humaneval(), [METRICS.get("success_rate")], ["experiment", "tags.run"])

    assert groups[0].key == ("lats", "run1")
    assert groups[0].name == "lats / run1"
    assert sum(group.sessions for group in groups) == 28371
    with pytest.raises(AttributeError):
        tally(humaneval(), [], ["colour"])
