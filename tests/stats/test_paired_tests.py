"""Exact tests, permutation, Holm and the worst case."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stats import exact_sign_test, holm, mcnemar_exact, permutation_test, worst_case_test
from stats.paired_tests import exact_flip_p


@pytest.mark.parametrize(
    ("wins", "losses", "p_value"),
    [(10, 0, 0.001953125), (12, 2, 212 / 16384), (5, 0, 0.0625), (4, 4, 1), (0, 0, 1)],
)
def test_S2_T15_mcnemar_exact(wins: int, losses: int, p_value: float) -> None:
    assert mcnemar_exact(wins, losses) == pytest.approx(p_value)
    assert mcnemar_exact(losses, wins) == mcnemar_exact(wins, losses)


def test_S2_T13_six_wins_have_a_sign_test_p_of_one_in_64() -> None:
    assert exact_sign_test(6, 0) == pytest.approx(1 / 64)
    assert exact_sign_test(0, 6) == 1
    assert exact_sign_test(0, 0) == 1


@given(wins=st.integers(0, 40), losses=st.integers(0, 40))
def test_sign_test_is_the_binomial_test(wins: int, losses: int) -> None:
    if wins + losses:
        expected = stats.binomtest(wins, wins + losses, alternative="greater").pvalue
        assert exact_sign_test(wins, losses) == pytest.approx(expected)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_permutation_counts_every_sign_assignment(fifths: list[int]) -> None:
    deltas = [k / 5 for k in fifths]
    flips = [
        sum(s * d for s, d in zip(signs, fifths, strict=True))
        for signs in itertools.product((1, -1), repeat=len(fifths))
    ]
    expected = sum(total >= sum(fifths) for total in flips) / len(flips)
    assert permutation_test(deltas) == pytest.approx(expected)


def test_permutation_of_all_positive_deltas_is_the_sign_test() -> None:
    assert permutation_test([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) == 1 / 64
    assert permutation_test([0.0] * 8) == 1


def test_permutation_draws_above_thirty_deltas_and_is_never_zero() -> None:
    deltas = np.random.default_rng(1).normal(0.12, 0.4, 31)
    drawn = permutation_test(deltas, seed=3, flips=20_000)
    assert drawn == permutation_test(deltas, seed=3, flips=20_000)
    assert drawn == pytest.approx(exact_flip_p_of_31(deltas), abs=0.005)
    assert permutation_test(np.linspace(0.1, 0.2, 60), flips=999) == 1 / 1000


def exact_flip_p_of_31(deltas: np.ndarray) -> float:
    """All 2^31 sign assignments, counted by halves, written down a second time."""
    first, second = (np.array([np.dot(s, half) for s in signs(half.size)]) for half in (deltas[:15], deltas[15:]))
    second.sort()
    needed = deltas.sum() - 1e-9 - first
    return float(1 - np.searchsorted(second, needed).sum() / (first.size * second.size))


def signs(k: int) -> np.ndarray:
    return 2.0 * ((np.arange(2**k)[:, None] >> np.arange(k)) & 1) - 1


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=14), st.floats(0, 0.5))
@settings(max_examples=50)
def test_a_higher_margin_never_lowers_p(deltas: list[float], margin: float) -> None:
    assert permutation_test(deltas, margin=margin) >= permutation_test(deltas, margin=margin - 0.25) - 1e-12


def test_holm_steps_down_and_keeps_the_order_received() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_raw_p_and_bonferroni(p_values: list[float]) -> None:
    for raw, adjusted in zip(p_values, holm(p_values), strict=True):
        assert raw <= adjusted <= min(1.0, raw * len(p_values)) + 1e-12


@given(n=st.integers(1, 80), share=st.floats(0.05, 1), rate=st.floats(0.05, 0.95))
def test_the_worst_case_of_two_point_values_is_clopper_and_pearsons(n: int, share: float, rate: float) -> None:
    successes = max(1, round(n * share))
    values = [1.0] * successes + [0.0] * (n - successes)
    expected = float(stats.binom.sf(successes - 1, n, rate))
    assert worst_case_test(values, lowest=0, margin=rate) == pytest.approx(expected, rel=0.06, abs=0.003)


def test_the_worst_case_of_identical_gains_is_a_power_law() -> None:
    assert worst_case_test([0.3] * 6, lowest=-1) == pytest.approx((1 / 1.3) ** 6, rel=0.02)


def test_the_worst_case_tail_matches_a_draw_from_the_simplex() -> None:
    values = np.random.default_rng(2).uniform(-0.4, 0.7, 25)
    weights = np.random.default_rng(3).exponential(size=(200_000, 26))
    drawn = float((weights @ np.append(values, -1.0) <= 0).mean())
    assert worst_case_test(values, lowest=-1) == pytest.approx(drawn, abs=0.004)


def test_the_worst_case_with_nothing_above_the_margin_is_certain() -> None:
    assert worst_case_test([-0.2, -0.1], lowest=-1) == 1
    assert worst_case_test([0.2, 0.1], lowest=0, margin=0) == 0


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.floats(-0.9, 0.9))
def test_worst_case_p_is_a_probability_and_grows_with_the_possible_loss(values: list[float], margin: float) -> None:
    mild, harsh = (worst_case_test(values, lowest=lowest, margin=margin) for lowest in (-1.0, -3.0))
    assert 0 <= mild <= harsh + 1e-3 <= 1 + 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mcnemar_exact(-1, 2), "wins: received -1"),
        (lambda: exact_sign_test(1, 2.5), "losses: received 2.5"),  # pyright: ignore[reportArgumentType]
        (lambda: permutation_test([]), "received 0 values"),
        (lambda: permutation_test([math.inf]), "received inf"),
        (lambda: permutation_test([0.1], margin=math.nan), "margin: received nan"),
        (lambda: permutation_test([0.1], flips=10), "flips: received 10"),
        (lambda: exact_flip_p(np.ones(31)), "at most 30"),
        (lambda: holm([0.2, 1.2]), "p_values: received"),
        (lambda: worst_case_test([-2.0], lowest=-1), "received -2, need none below"),
    ],
)
def test_bad_input_says_what_was_received(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # pyright: ignore[reportCallIssue]
