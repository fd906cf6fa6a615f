"""The margin of forecasts: what it promises, shown by simulation."""

import math
import random
import statistics

import pytest

from core.optimization import Range
from optimizers.calibration import HELD, distance, margin_of, widened


def test_a_margin_widens_both_sides_by_the_same_factor_and_leaves_what_is_expected():
    said = widened(Range(10.0, 8.0, 20.0), math.log(1.25))
    assert (said.expected, said.low, said.high) == (10.0, pytest.approx(6.4), pytest.approx(25.0))


def test_distance_is_negative_inside_and_positive_outside_on_either_side():
    played = Range(10.0, 8.0, 20.0)
    assert distance(played, 16.0) == pytest.approx(math.log(0.8))
    assert distance(played, 25.0) == pytest.approx(math.log(1.25))
    assert distance(played, 4.0) == pytest.approx(math.log(2.0))


def test_new_runs_lie_inside_as_often_as_promised_however_wrong_the_play_is():
    dice, held = random.Random(0), []
    for _ in range(2000):
        played = Range(1.0, 0.9, 1.05)  # far too narrow, and biased
        outcomes = [dice.lognormvariate(0.2, 0.4) for _ in range(28)]
        margin = margin_of([distance(played, outcome) for outcome in outcomes[:-1]])
        said = widened(played, margin)
        held.append(said.low <= outcomes[-1] <= said.high)
    assert statistics.fmean(held) == pytest.approx(math.ceil(HELD * 28) / 28, abs=0.025)


def test_three_runs_are_too_few_for_a_margin():
    with pytest.raises(ValueError, match="3 runs are too few for a margin that holds 80%"):
        margin_of([0.1, 0.2, 0.3])
