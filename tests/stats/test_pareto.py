"""Cost against quality: the source's own example, what counts as clearly behind, and how rarely that is wrong."""

import numpy as np
import pytest

from stats import Priced, cheapest_reaching, place_all, wilson
from stats.distributions import normal_quantile

FOUR = [Priced("a", 1, 50, 100), Priced("b", 2, 80, 100), Priced("c", 3, 80, 100), Priced("d", 4, 90, 100)]


def test_the_example_of_the_source():
    assert [one.name for one in place_all(FOUR) if one.standing == "front"] == ["a", "b", "d"]


def test_every_point_has_wilsons_interval_for_all_points_together():
    placed = place_all(FOUR, alpha=0.05)
    expected = wilson(80, 100, normal_quantile(1 - 0.05 / 4 / 2))

    assert (placed[1].low, placed[1].high) == (expected.low, expected.high)


def test_behind_is_what_chance_does_not_explain():
    placed = place_all([Priced("good", 1, 90, 100), Priced("poor", 2, 40, 100), Priced("nearly", 2, 88, 100)])

    assert [one.standing for one in placed] == ["front", "behind", "not clearly behind"]


def test_a_cost_that_nobody_knows_is_not_cheap_and_an_untried_configuration_stands_nowhere():
    placed = place_all([Priced("unpriced", None, 99, 100), Priced("priced", 5, 80, 100), Priced("untried", 1, 0, 0)])

    assert [one.standing for one in placed] == ["front", "front", "unknown"]
    assert cheapest_reaching(placed, 0.8).name == "priced"


@pytest.mark.parametrize(("goal", "surely", "name"), [(0.8, False, "b"), (0.8, True, "d"), (0.95, False, None)])
def test_the_cheapest_that_reaches_a_goal(goal, surely, name):
    found = cheapest_reaching(place_all(FOUR), goal, surely=surely)

    assert (found and found.name) == name


def test_a_goal_outside_of_zero_to_one_is_refused():
    with pytest.raises(ValueError, match=r"need a share in \[0, 1\]"):
        cheapest_reaching(place_all(FOUR), 80)


def test_equal_configurations_are_rarely_called_behind():
    random, trials = np.random.default_rng(5), 400
    wrong = 0
    for _ in range(trials):
        successes = random.binomial(60, 0.7, 12)
        placed = place_all([Priced(str(i), float(i), int(s), 60) for i, s in enumerate(successes)])
        wrong += any(one.standing == "behind" for one in placed)

    assert wrong / trials <= 0.05
