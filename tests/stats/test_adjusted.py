"""The lift after PROMOTE: shrink factors, what it never does, and its two promises by simulation of the real rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.adjusted import over_correlations
from bench.worlds import WORLDS
from stats import PairedDecision, adjusted_lift, paired_decision
from stats.adjusted import FEWEST_FOR_ESTIMATE
from stats.distributions import normal_below

PROMOTED = paired_decision([1.0] * 20 + [-1.0] * 5 + [0.0] * 75)


def promoted(z: float, *, n: int = 100, margin: float = 0.0, alpha: float = 0.05) -> PairedDecision:
    """A promotion at so many standard errors, with a mean 10 points above the margin."""
    return replace(
        PROMOTED, n=n, p_value=normal_below(-z), mean=margin + 0.1, low=0.09, high=0.5, margin=margin, alpha=alpha
    )


@pytest.mark.parametrize(
    ("z", "left"),
    [(1.97, 0), (2.24, 0), (2.3, 0.2234), (2.4, 0.4662), (2.5, 0.6166), (2.8, 0.8383), (3, 0.9045), (4, 0.9931)],
)
def test_the_nearer_to_the_bar_the_less_of_the_lift_is_left(z: float, left: float) -> None:
    adjusted = adjusted_lift(promoted(z))
    assert adjusted is not None
    assert adjusted.estimate == pytest.approx(0.1 * left, abs=1e-5)


@pytest.mark.parametrize(("z", "left"), [(3.2, 0), (3.5, 0.2033), (4, 0.4136), (5.9, 0.6663)])
def test_the_lower_end_leaves_the_margin_at_three_and_a_quarter_standard_errors(z: float, left: float) -> None:
    adjusted = adjusted_lift(promoted(z))
    assert adjusted is not None
    assert adjusted.low == pytest.approx(0.1 * left, abs=1e-4)
    assert adjusted.high == 0.5


def test_far_from_the_bar_nothing_was_selected() -> None:
    decision = paired_decision([0.2, 0.3] * 50)
    adjusted = adjusted_lift(decision)
    assert adjusted is not None
    assert (adjusted.estimate, adjusted.low, adjusted.high) == (decision.mean, decision.low, decision.high)
    assert adjusted_lift(replace(decision, p_value=0.0)) == adjusted


def test_the_bar_of_a_later_opening_is_higher_and_so_more_is_taken_off() -> None:
    first, second = adjusted_lift(promoted(2.6)), adjusted_lift(promoted(2.6, alpha=0.0125))
    assert first is not None
    assert second is not None
    assert (first.estimate, second.estimate) == (pytest.approx(0.0717, abs=1e-4), 0)


def test_a_lift_is_counted_from_the_margin() -> None:
    adjusted = adjusted_lift(promoted(2.4, margin=0.02))
    assert adjusted is not None
    assert adjusted.estimate == pytest.approx(0.02 + 0.04662, abs=1e-5)
    assert adjusted.low == 0.02


def test_below_sixty_pairs_there_is_an_interval_and_no_estimate() -> None:
    few, enough = (adjusted_lift(promoted(3, n=n)) for n in (FEWEST_FOR_ESTIMATE - 1, FEWEST_FOR_ESTIMATE))
    assert few is not None
    assert enough is not None
    assert FEWEST_FOR_ESTIMATE == 60
    assert few.estimate is None
    assert enough.estimate is not None
    assert (few.low, few.high) == (enough.low, enough.high)


def test_what_was_not_promoted_has_no_adjusted_lift() -> None:
    assert adjusted_lift(paired_decision([1.0] * 5 + [-1.0] * 4 + [0.0] * 91)) is None


@given(
    wins=st.integers(6, 60),
    losses=st.integers(0, 30),
    ties=st.integers(0, 60),
    margin=st.sampled_from([-0.05, 0.0, 0.05]),
    alpha=st.sampled_from([0.1, 0.05, 0.0125]),
)
def test_it_never_claims_more_than_the_decision_and_never_less_than_the_margin(
    wins: int, losses: int, ties: int, margin: float, alpha: float
) -> None:
    decision = paired_decision([1.0] * wins + [-1.0] * losses + [0.0] * ties, margin=margin, alpha=alpha, unit=1.0)
    adjusted = adjusted_lift(decision)
    assert (adjusted is not None) == decision.promote
    if adjusted is not None:
        assert margin <= adjusted.low <= decision.low
        assert adjusted.high == decision.high
        if adjusted.estimate is not None:
            assert adjusted.low <= adjusted.estimate <= decision.mean


@pytest.mark.parametrize(
    ("name", "rows", "lift", "within", "raw_error"),
    [
        ("binary", 60, 0.05, 0.02, 0.10),
        ("binary", 60, 0.20, 0.02, 0.01),
        ("binary", 100, 0.05, 0.02, 0.07),
        ("binary", 100, 0.10, 0.02, 0.03),
        ("graded", 100, 0.05, 0.01, 0.02),
        ("rubric", 100, 0.10, 0.01, 0.003),
    ],
)
def test_after_promotion_the_headline_is_right_on_average_and_its_interval_covers(
    name: str, rows: int, lift: float, within: float, raw_error: float
) -> None:
    cell = over_correlations(WORLDS[name], rows, lift, wanted=150)
    noise = 3 * float(np.std(cell.adjusted)) / np.sqrt(cell.adjusted.size)
    assert abs(cell.adjusted.mean()) <= within + noise
    assert cell.raw.mean() >= raw_error
    assert cell.covers.mean() >= 0.93 - 3 * np.sqrt(0.93 * 0.07 / cell.covers.size)


def test_the_raw_interval_does_not_cover_after_promotion_and_that_is_why() -> None:
    cell = over_correlations(WORLDS["binary"], 100, 0.05, wanted=150)
    assert cell.raw_covers.mean() < 0.88
    assert cell.covers.mean() > 0.95
