"""Which tasks tell agents apart, planted and recorded, and how few of them are enough."""

from collections import Counter

import numpy as np
import pytest

from core.errors import DataError
from sessions.clusters import ClusterThresholds, cluster_tasks, suggest_tasks
from sessions.metrics import METRICS
from sessions.record import Session
from sessions.tally import tally
from tests.sessions.recorded import ended, humaneval, on_record, seeded

SUCCESS = METRICS.get("success_rate")


def tried(rates, repeats=4, seed=1):
    """Sessions of configurations x tasks with these chances."""
    random, rates = seeded(seed), np.asarray(rates, dtype=float)
    return tally(
        (
            Session(f"{c}/{t}/{i}", model=f"m{c}", task=f"t{t:03}", success=bool(w), outcome=ended(w))
            for c, row in enumerate(rates)
            for t, rate in enumerate(row)
            for i, w in enumerate(random.random(repeats) < rate)
        ),
        [SUCCESS],
        ["model"],
    )


def test_the_three_clusters_and_what_cannot_be_told():
    found = cluster_tasks(tried([[1, 1, 0, 0.5], [1, 0, 0, 0.5]]))

    assert [one.cluster for one in found[:3]] == ["trivial", "discriminative", "challenging"]
    assert [(one.successes, one.n, one.spread) for one in found[:3]] == [(8, 8, 0.0), (4, 8, 1.0), (0, 8, 0.0)]


def test_thresholds_move_tasks_between_clusters():
    groups = tried([[1, 1], [1, 0]])

    assert [one.cluster for one in cluster_tasks(groups, ClusterThresholds(trivial=0.5))] == ["trivial", "trivial"]
    assert cluster_tasks(groups, ClusterThresholds(challenging=0.5))[1].cluster == "challenging"
    assert cluster_tasks(groups, ClusterThresholds(trials=9))[0].cluster == "undecided"
    alike = cluster_tasks(tried([[1, 0.5], [1, 0.5]], repeats=200), ClusterThresholds(spread=0.3))
    assert alike[1].cluster == "undecided"


def test_one_configuration_tells_nothing_apart():
    with pytest.raises(DataError, match="need at least 2"):
        cluster_tasks(tried([[1, 0]]))


def test_telling_tasks_have_a_steep_slope_and_are_suggested_first():
    ability = np.linspace(-0.4, 0.4, 10)
    telling, dull = 0.5 + np.outer(ability, np.ones(10)), np.full((10, 30), 0.5)
    found = cluster_tasks(tried(np.hstack([telling, dull]), repeats=10))

    steep = np.mean([one.slope for one in found[:10]])
    flat = np.mean([one.slope for one in found[10:]])
    assert steep > 2 > 0.6 > flat
    plan = suggest_tasks(found, effect=0.15)
    assert set(plan.tasks[:8]) <= {f"t{t:03}" for t in range(10)}
    assert len(plan.tasks) < plan.all_tasks
    assert plan.power >= 0.8


def test_tasks_that_differ_by_chance_alone_are_all_alike():
    found = cluster_tasks(tried(np.full((8, 40), 0.5) + np.linspace(-0.2, 0.2, 8)[:, None], repeats=3))

    assert max(abs(one.slope - 1) for one in found) < 1


def test_where_all_tasks_are_too_few_they_are_repeated():
    found = cluster_tasks(tried(np.full((3, 10), 0.5), repeats=20))
    plan = suggest_tasks(found, effect=0.15)

    assert plan.repeats > 1
    assert plan.power >= 0.8 > plan.all_power


@on_record
def test_the_recorded_tasks():
    found = cluster_tasks(tally(humaneval(), [SUCCESS], ["experiment", "model"]))
    counts = Counter(one.cluster for one in found)

    assert sum(counts.values()) == 164
    assert (counts["trivial"], counts["challenging"]) == (
        sum(one.successes / one.n >= 0.95 for one in found),
        sum(one.successes / one.n <= 0.2 for one in found),
    )
    plan = suggest_tasks(found, effect=0.15)
    assert (plan.repeats, len(plan.tasks) < 100) == (1, True)
    assert plan.power >= 0.8
