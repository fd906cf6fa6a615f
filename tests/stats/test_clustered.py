"""Ratios over clusters: exact where nothing is clustered, and close to their level where much is."""

import numpy as np
import pytest

from stats import ratio_interval, skew_interval


def test_with_one_session_per_task_it_is_the_interval_of_a_mean():
    values = [1.0, 2.0, 2.5, 4.0, 9.0, 3.0]
    found, plain = ratio_interval(values, [1.0] * 6), skew_interval(values)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_repeats_of_the_same_tasks_are_no_further_evidence():
    tasks = np.array([1.0, 2.0, 2.5, 4.0, 9.0, 3.0])

    once, often = ratio_interval(tasks, np.ones(6)), ratio_interval(100 * tasks, np.full(6, 100.0))

    assert (often.low, often.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize(
    ("numerators", "denominators"),
    [([1, 2, 3, 4], [1, 1, 1, 1]), ([0, 0, 0, 0, 1], [0] * 5), ([2, 4, 6, 8, 10], [1, 2, 3, 4, 5]), ([], [])],
    ids=["four clusters", "nothing to divide by", "no spread", "nothing"],
)
def test_no_interval_where_none_is_defined(numerators, denominators):
    assert ratio_interval(numerators, denominators) is None


def test_it_refuses_what_cannot_be_a_denominator():
    with pytest.raises(ValueError, match="need none below 0"):
        ratio_interval([1.0, 2.0], [1.0, -1.0])
    with pytest.raises(ValueError, match="as many of each"):
        ratio_interval([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("tasks", "at_least"), [(10, 0.87), (40, 0.91), (150, 0.92)])
def test_coverage_on_skewed_costs_with_repeats(tasks, at_least):
    random, trials = np.random.default_rng(tasks), 600
    truth = np.exp(0.7**2 / 2 + 0.3**2 / 2)
    covered = 0
    for _ in range(trials):
        repeats = random.integers(1, 6, tasks)
        effects = random.lognormal(0, 0.7, tasks)
        noise = random.lognormal(0, 0.3, (tasks, 5)) * (np.arange(5) < repeats[:, None])
        covered += truth in ratio_interval(effects * noise.sum(axis=1), repeats.astype(float))

    assert covered / trials >= at_least
