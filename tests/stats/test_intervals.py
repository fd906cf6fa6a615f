"""Intervals: known values, and what must hold for any input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats import (
    Interval,
    bootstrap_mean,
    key_interval,
    key_scores,
    skew_interval,
    skew_test,
    t_interval,
    tango,
    wilson,
)
from stats.intervals import tango_score
from stats.skewed import skewed_mean

graded_scores = st.lists(st.integers(-20, 20).map(lambda k: k / 20), min_size=6, max_size=40)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(8, 10, 0.490157, 0.943319), (10, 10, 0.722460, 1), (0, 10, 0, 0.277540), (1, 5, 0.036223, 0.624472)],
)
def test_S1_T4_wilson(successes: int, n: int, low: float, high: float) -> None:
    interval = wilson(successes, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(
    ("wins", "losses", "n", "low", "high"),
    [
        (0, 3, 76, -0.1097, 0.0105),
        (15, 5, 76, 0.0176, 0.2489),
        (0, 0, 76, -0.0481, 0.0481),
        (2, 0, 6, -0.1871, 0.7000),
        (0, 1, 10, -0.4042, 0.2053),
        (5, 2, 40, -0.0657, 0.2234),
        (1, 1, 20, -0.1987, 0.1987),
        (10, 0, 200, 0.0274, 0.0896),
        (0, 8, 200, -0.0769, -0.0204),
        (3, 3, 30, -0.1817, 0.1817),
    ],
)
def test_S2_T14_tango(wins: int, losses: int, n: int, low: float, high: float) -> None:
    interval = tango(wins, losses, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-4)


def test_S3_T2_student() -> None:
    interval = t_interval([0.5, 0.6, 0.7, 0.8, 0.9])
    assert (interval.low, interval.high) == pytest.approx((0.503707, 0.896293), abs=1e-6)


def test_S3_T1_a_score_is_the_mean_over_keys_of_the_mean_per_key() -> None:
    scores = key_scores({"a": [1, 0, 1, 1], "b": [0.5, 0.5]})
    assert (scores.keys["a"].mean, scores.keys["b"].mean, scores.overall) == (0.75, 0.5, 0.625)
    assert scores.keys["a"].interval == wilson(3, 4)
    assert scores.keys["b"].interval == Interval(0.5, 0.5)


def test_S3_R7_abstentions_are_ignored_and_single_or_missing_scores_degenerate() -> None:
    assert key_interval([None, 1, 0, None]) == wilson(1, 2)
    assert key_interval([0.4]) == Interval(0.4, 0.4)
    assert key_interval([None]) == Interval(0.0, 0.0)
    scores = key_scores({"judge": [0.5, None], "silent": [None]})
    assert scores.overall == 0.5
    assert scores.keys["silent"].mean is None
    assert key_scores({}).overall is None


def test_S3_R7_the_table_ends_at_thirty_scores() -> None:
    scores = [0.25, 0.75] * 16
    error = np.std(scores[:31], ddof=1) / math.sqrt(31)
    assert key_interval(scores[:31]).width == pytest.approx(2 * 1.96 * error)
    error = np.std(scores[:30], ddof=1) / math.sqrt(30)
    assert key_interval(scores[:30]).width == pytest.approx(2 * 2.045 * error)


@given(n=st.integers(1, 500), share=st.floats(0, 1))
def test_wilson_stays_in_range_holds_the_share_and_mirrors(n: int, share: float) -> None:
    successes = round(n * share)
    interval, mirrored = wilson(successes, n), wilson(n - successes, n)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1
    assert (interval.low, interval.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low))


@given(wins=st.integers(0, 60), losses=st.integers(0, 60), ties=st.integers(1, 60))
def test_tango_mirrors_and_one_more_win_moves_it_up(wins: int, losses: int, ties: int) -> None:
    n = wins + losses + ties
    interval, mirrored = tango(wins, losses, n), tango(losses, wins, n)
    assert (interval.low, interval.high) == pytest.approx((-mirrored.high, -mirrored.low))
    assert interval.low <= (wins - losses) / n <= interval.high
    assert tango(wins + 1, losses, n).low > interval.low


@given(wins=st.integers(0, 60), losses=st.integers(0, 60), ties=st.integers(1, 60))
def test_tango_ends_where_its_score_is_the_normal_quantile(wins: int, losses: int, ties: int) -> None:
    n = wins + losses + ties
    interval = tango(wins, losses, n)
    assert tango_score(wins, losses, n, interval.low) == pytest.approx(1.959964, abs=1e-4)
    assert tango_score(wins, losses, n, interval.high) == pytest.approx(-1.959964, abs=1e-4)


def test_tango_at_no_difference_is_mcnemars_score() -> None:
    assert tango_score(15, 5, 76, 0.0) == pytest.approx(10 / math.sqrt(20))


@given(values=graded_scores)
def test_higher_confidence_is_wider(values: list[float]) -> None:
    narrow, wide = t_interval(values, 0.9), t_interval(values, 0.99)
    assert wide.low <= narrow.low <= narrow.high <= wide.high


@given(values=graded_scores.filter(lambda v: max(v) > min(v)), margin=st.floats(-1, 1))
def test_skew_interval_and_skew_test_always_agree(values: list[float], margin: float) -> None:
    low, p_value = skew_interval(values, 0.95).low, skew_test(values, margin)
    if abs(low - margin) > 1e-9:
        assert (low > margin) == (p_value < 0.025)


@given(values=graded_scores.filter(lambda v: max(v) > min(v)))
def test_skew_interval_mirrors(values: list[float]) -> None:
    interval, mirrored = skew_interval(values), skew_interval([-value for value in values])
    assert (interval.low, interval.high) == pytest.approx((-mirrored.high, -mirrored.low))


def test_without_skew_the_skew_interval_is_students() -> None:
    values = [0.5, 0.6, 0.7, 0.8, 0.9]
    skewed, student = skew_interval(values), t_interval(values)
    assert (skewed.low, skewed.high) == pytest.approx((student.low, student.high), abs=1e-4)


def test_a_long_tail_of_losses_pulls_the_lower_end_further_down() -> None:
    values = [0.1] * 18 + [0.05, -0.6]
    assert skew_interval(values).low < t_interval(values).low
    assert skew_interval(values).high < t_interval(values).high


def test_bootstrap_repeats_with_its_seed_and_comes_near_student_on_plain_values() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.2, 200)
    assert bootstrap_mean(values, seed=7) == bootstrap_mean(values, seed=7)
    drawn, student = bootstrap_mean(values, seed=7), t_interval(values)
    assert (drawn.low, drawn.high) == pytest.approx((student.low, student.high), abs=0.005)
    assert bootstrap_mean([0.3] * 5, seed=1).width == pytest.approx(0)


def test_an_interval_knows_its_width_and_what_it_holds() -> None:
    interval = Interval(0.25, 0.75)
    assert interval.width == 0.5
    assert 0.25 in interval
    assert 0.8 not in interval


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson(3, 0), "n: received 0"),
        (lambda: wilson(5, 4), "received 5 of n=4"),
        (lambda: wilson(-1, 4), "successes: received -1"),
        (lambda: wilson(1, 4, z=0), "z: received 0"),
        (lambda: t_interval([0.5]), "received 1 values, need at least 2"),
        (lambda: t_interval([0.5, math.nan]), "received nan at position 1"),
        (lambda: t_interval([0.5, 0.6], 1.0), "confidence: received 1.0"),
        (lambda: t_interval([[0.5, 0.6]]), "2 dimensions"),  # pyright: ignore[reportArgumentType]
        (lambda: bootstrap_mean([0.1, 0.2], seed=1, resamples=10), "resamples: received 10"),
        (lambda: tango(4, 4, 7), "4 \\+ 4 of n=7"),
        (lambda: tango_score(1, 1, 7, 2.0), "difference: received 2.0"),
        (lambda: skew_interval([0.1, 0.2]), "at least 3"),
        (lambda: skew_interval([0.3] * 5), "all equal"),
    ],
)
def test_bad_input_says_what_was_received(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # pyright: ignore[reportCallIssue]


def test_skewness_is_free_of_its_small_sample_bias_and_bends_t_by_halls_cubic() -> None:
    values = [0.0, 0.1, 0.2, 0.9]
    measured = skewed_mean(values)
    assert measured.bend == pytest.approx(scipy_stats.skew(values, bias=False) / 2)
    assert measured.error == pytest.approx(scipy_stats.sem(values))
    t, b = (0.3 - 0.05) / measured.error, measured.bend
    straight = t + b * t**2 / 3 + b**2 * t**3 / 27 + b / 6
    assert skew_test(values, 0.05) == pytest.approx(scipy_stats.t.sf(straight, 3))
    interval = skew_interval(values)
    assert (interval.low, interval.high) == pytest.approx((-0.077383, 1.859946), abs=1e-6)
