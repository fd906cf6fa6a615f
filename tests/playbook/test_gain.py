"""Windows and tasks: what counts as getting better, and what does not."""

import numpy as np
import pytest

from playbook.gain import contrast, curve, momentum
from sessions.learning import Point, TaskCell
from sessions.record import Outcome


def points(*rewards):
    return [
        Point("k", f"s{n}", f"t{n % 7}", 0, None, reward, None, "auto", "unsaid", {}, Outcome.SUCCESS, None, None)
        for n, reward in enumerate(rewards)
    ]


def task(name, solved_at, last_trial, judged=1, rewards=0.0):
    return TaskCell("k", name, 1, rewards, 1, solved_at, last_trial, judged)


def test_the_baseline_ends_where_the_recent_window_begins():
    found = momentum(points(0.8, 0.8, 0.8, 0.9, 0.88), 2, 50)
    assert found.recent.mean == pytest.approx(0.89)
    assert found.baseline.mean == pytest.approx(0.8)
    assert found.delta == pytest.approx(0.09)
    assert found.improved is True
    assert found.latest == 0.88


def test_windows_that_overlap_dilute_the_difference():
    rewards = [0.0] * 10 + [1.0] * 10
    apart, legacy = momentum(points(*rewards), 10, 20), momentum(points(*rewards), 10, 20, overlapping=True)
    assert (apart.delta, legacy.delta) == (1.0, 0.5)
    assert legacy.low is None


def test_without_a_session_before_the_window_there_is_no_delta():
    found = momentum(points(1.0), 5, 5)
    assert (found.delta, found.improved, found.baseline.sessions) == (None, None, 0)
    assert momentum([], 5, 5).latest is None


def test_the_interval_of_the_delta_covers_what_is_true():
    random, covered = np.random.default_rng(7), 0
    for _ in range(200):
        found = momentum(points(*random.normal(0.5, 0.1, 60), *random.normal(0.6, 0.2, 20)), 20, 60)
        covered += found.low <= 0.1 <= found.high
    assert covered >= 182


def test_tasks_solved_within_so_many_trials():
    found = curve([task("a", 0, 0), task("b", 2, 2), task("c", None, 2), task("d", None, 0, judged=0)])
    assert found.tasks == 3
    assert found.solved == pytest.approx((1 / 3, 1 / 3, 2 / 3))
    assert found.stops is True
    assert curve([task("a", 0, 1), task("b", None, 1)]).stops is False
    assert curve([task("d", None, 0, judged=0)]) is None


def test_threads_are_compared_at_as_many_trials_on_the_tasks_that_both_have():
    control = [task(f"t{n}", 0 if n < 10 else None, 1) for n in range(40)]
    learned = [task(f"t{n}", 0 if n < 10 else 1 if n < 25 else 5, 5) for n in range(45)]
    found = contrast(control, learned)
    assert (found.tasks, found.first, found.second) == (40, 0.25, 0.625)
    assert found.measure == "solved within 2 trials"
    assert found.low > 0
    assert found.p == pytest.approx(2 * 0.5**15)
    assert contrast(control, [task("elsewhere", 0, 0)]).tasks == 0


def test_rewards_are_compared_where_nobody_says_what_was_solved():
    low = [task(f"t{n}", None, 0, judged=0, rewards=0.1) for n in range(10)]
    high = [task(f"t{n}", None, 0, judged=0, rewards=0.2 + n / 100) for n in range(10)]
    found = contrast(low, high)
    assert found.measure == "mean reward"
    assert found.delta == pytest.approx(0.145)
    assert found.low > 0
    assert found.p < 0.01
