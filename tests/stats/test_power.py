"""Power and alpha spending: what a comparison can see, and how often a holdout may be asked."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats import mde, minimum_pairs, opening_alpha, paired_power, preflight, required_pairs


def test_S2_T18_alternating_scores() -> None:
    answer = preflight([0, 1] * 8, threshold=0.05)
    assert answer.sd == pytest.approx(0.516398, abs=1e-6)
    assert answer.mde == pytest.approx(0.407845, abs=1e-6)
    assert not answer.underpowered


def test_S2_T18_a_high_baseline_leaves_too_little_room() -> None:
    answer = preflight([1, 0.5, 1, 1, 0.3, 1, 1, 0.5, 1, 0.2], threshold=0.05)
    assert answer.mde == pytest.approx(0.342909, abs=1e-6)
    assert answer.headroom == pytest.approx(0.25)
    assert answer.underpowered


def test_S2_R27_the_quantile_follows_the_confidence() -> None:
    widths = {level: preflight([0, 1] * 8, confidence=level).mde for level in (0.90, 0.95, 0.99, 0.8)}
    assert widths[0.90] / widths[0.95] == pytest.approx(1.645 / 1.96)
    assert widths[0.99] / widths[0.95] == pytest.approx(2.576 / 1.96)
    assert widths[0.8] / widths[0.95] == pytest.approx(1.281552 / 1.96, abs=1e-6)


def test_power_of_the_textbook_example() -> None:
    assert paired_power(100, 0.3, 0.1) == pytest.approx(0.910, abs=0.001)
    assert paired_power(100, 0.3, 0.0) == pytest.approx(0.025)
    assert required_pairs(0.3, 0.1) == 73
    assert paired_power(5, 0.3, 0.9) == 0
    assert mde(5, 0.3) == math.inf
    assert paired_power(400, 0.001, 0.9) == 1
    assert paired_power(400, 0.001, -0.9) == 0


@given(n=st.integers(6, 400), sd=st.floats(0.05, 0.6), power=st.floats(0.3, 0.95))
def test_mde_is_the_lift_that_has_the_power(n: int, sd: float, power: float) -> None:
    assert paired_power(n, sd, mde(n, sd, power=power)) == pytest.approx(power, abs=1e-6)


@given(sd=st.floats(0.05, 0.6), lift=st.floats(0.03, 0.5), margin=st.sampled_from([-0.05, 0.0, 0.02]))
def test_required_pairs_are_just_enough(sd: float, lift: float, margin: float) -> None:
    n = required_pairs(sd, lift, margin=margin)
    assert paired_power(n, sd, lift, margin=margin) >= 0.8
    assert n == minimum_pairs() or paired_power(n - 1, sd, lift, margin=margin) < 0.8


@given(n=st.integers(6, 400), sd=st.floats(0.05, 0.6), lift=st.floats(0, 0.5))
def test_power_grows_with_pairs_and_lift(n: int, sd: float, lift: float) -> None:
    power = paired_power(n, sd, lift + 0.01)
    assert paired_power(n + 1, sd, lift + 0.01) >= power - 1e-9
    assert paired_power(n, sd, lift + 0.02) >= power - 1e-9


@given(alpha=st.floats(0.001, 0.5))
def test_all_openings_together_spend_at_most_alpha(alpha: float) -> None:
    spent = math.fsum(opening_alpha(alpha, opening) for opening in range(1, 2000))
    assert 0.999 * alpha < spent < alpha


def test_the_first_opening_keeps_most_of_alpha_and_each_further_one_asks_for_more_pairs() -> None:
    levels = [opening_alpha(0.05, opening) for opening in range(1, 9)]
    assert levels[0] == pytest.approx(0.0304, abs=1e-4)
    assert levels == sorted(levels, reverse=True)
    assert [minimum_pairs(level) for level in levels] == [7, 9, 10, 11, 11, 12, 12, 13]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: preflight([0.5, 0.6]), "received 2 values, need at least 3"),
        (lambda: preflight([0.5, 0.6, 0.7], confidence=95), "confidence: received 95"),
        (lambda: paired_power(10, 0, 0.1), "sd: received 0"),
        (lambda: paired_power(0, 0.3, 0.1), "n: received 0"),
        (lambda: mde(20, 0.3, power=0.01), "power: received 0.01"),
        (lambda: required_pairs(0.3, 0.05, margin=0.05), "lift: received 0.05"),
        (lambda: required_pairs(10.0, 1e-4), "pairs would be needed"),
        (lambda: opening_alpha(0.05, 0), "opening: received 0"),
        (lambda: opening_alpha(1.0, 1), "alpha: received 1.0"),
    ],
)
def test_bad_input_says_what_was_received(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # pyright: ignore[reportCallIssue]
