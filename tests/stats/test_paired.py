"""The paired decision: conformance values and properties; its guarantee is in test_false_promotion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats import (
    compare_scores,
    minimum_pairs,
    paired_decision,
    paired_deltas,
    permutation_test,
    tango,
    two_point_unit,
)

RUN_6 = [0, 0, 0.5, 0.5, -0.168, 0.5, 0.5, 0, 0, 0, 0, 0.5, 0.5, 0.5, 0, -0.285, 0, 0.5, 0, 0]

some_deltas = st.lists(st.integers(-10, 10).map(lambda k: k / 10), min_size=6, max_size=60)


def test_S2_R26_minimum_pairs() -> None:
    assert [minimum_pairs(alpha) for alpha in (0.05, 0.10, 0.01, 0.5)] == [6, 5, 8, 2]


@pytest.mark.parametrize("deltas", [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.1, 0.2, 0.15, 0.12, 0.18, 0.11]])
def test_S2_T13_six_positive_deltas_are_significant(deltas: list[float]) -> None:
    decision = paired_decision(deltas)
    assert decision.promote
    assert decision.p_value == 1 / 64
    assert (decision.wins, decision.losses, decision.ties) == (6, 0, 0)


def test_S2_T13_six_identical_deltas_have_no_width_and_are_refused() -> None:
    decision = paired_decision([0.3] * 6)
    assert not decision.promote
    assert decision.low == decision.high == pytest.approx(0.3)
    assert "without width" in decision.reason


def test_identical_up_to_rounding_is_identical() -> None:
    assert not paired_decision([0.8 - 0.5, 0.6 - 0.3, 0.3, 0.9 - 0.6, 0.3, 0.3]).promote


def test_six_of_six_from_wrong_to_right_is_two_point_evidence_with_a_width() -> None:
    decision = paired_decision([1.0] * 6)
    assert decision.promote
    assert 0 < decision.low < decision.high


def test_S2_T13_three_losses_in_76_are_not_shown_to_be_harmless() -> None:
    decision = paired_decision([-1.0] * 3 + [0.0] * 73, margin=-0.05)
    assert not decision.promote
    assert decision.low == pytest.approx(-0.1097, abs=1e-4)


def test_no_change_in_76_is_shown_to_be_harmless_but_no_better() -> None:
    assert paired_decision([0.0] * 76, margin=-0.05).promote
    assert not paired_decision([0.0] * 76).promote


def test_S2_T13_two_pairs_are_too_few() -> None:
    decision = paired_decision([0.4, 0.5])
    assert not decision.promote
    assert "2 pairs are too few" in decision.reason
    assert (decision.low, decision.high) == (-1, 1)


def test_S2_T13_a_twentieth_more_is_not_a_fifth_more() -> None:
    baseline, candidate = dict.fromkeys(range(5), 0.5), dict.fromkeys(range(5), 0.55)
    assert not compare_scores(baseline, candidate, margin=0.2).promote


def test_S2_T13_misaligned_rows_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"2 of them without a partner \('b', 'c'\)"):
        compare_scores({"a": 1.0, "b": 0.0}, {"a": 1.0, "c": 0.0})


def test_S2_T15_mcnemar_vetoes_five_to_nothing() -> None:
    decision = paired_decision([1.0] * 5 + [0.0])
    assert decision.low == pytest.approx(0.1177, abs=1e-4)
    assert decision.p_value == pytest.approx(0.0625 / 2)
    assert not decision.promote
    assert "McNemar" in decision.reason


def test_S2_T16_a_dimension_that_got_worse_falls_below_its_tolerance() -> None:
    deltas = np.array([1.0] * 5 + [-1.0] * 15 + [0.0] * 56)
    worse, better = paired_decision(deltas), paired_decision(-deltas)
    assert worse.mean == pytest.approx(-0.131579, abs=1e-6)
    assert worse.low < -0.05 < better.low
    on_hundred = paired_decision(100 * deltas, worst_loss=100)
    assert on_hundred.low == pytest.approx(100 * worse.low)
    assert on_hundred.mean == pytest.approx(-13.158, abs=1e-3)


@pytest.mark.parametrize("repeats", [1, 2])
def test_S2_T19_run_six_ships_on_the_mean_although_half_is_tied(repeats: int) -> None:
    decision = paired_decision(RUN_6 * repeats, margin=0.05)
    assert decision.mean == pytest.approx(0.17735)
    assert decision.ties == 10 * repeats
    assert decision.low > 0.05
    assert decision.promote


def test_scores_that_are_zero_or_s_are_two_point_and_scale() -> None:
    before = {row: 0.0 if row < 12 else 5.0 for row in range(30)}
    after = {row: 5.0 if row < 10 or row > 12 else 0.0 for row in range(30)}
    decision = compare_scores(before, after)
    assert decision.method.startswith("Tango")
    assert decision.low == pytest.approx(5 * tango(10, 1, 30).low)


def test_the_step_is_read_from_scores_of_zero_and_one_value_only() -> None:
    assert two_point_unit([0, 1, 1]) == 1
    assert two_point_unit([0, 0.3]) == 0.3
    assert two_point_unit([0.2, 1]) is None
    assert two_point_unit([0, 0]) is None


def test_deltas_follow_the_rows_of_the_baseline() -> None:
    assert paired_deltas({"b": 0.25, "a": 1.0}, {"a": 0.5, "b": 1.0}).tolist() == [0.75, -0.5]


def test_fewer_moved_pairs_than_the_minimum_never_promote() -> None:
    decision = paired_decision([0.0] * 30 + [0.5, 0.6, 0.7, 0.5, 0.6])
    assert decision.low > 0
    assert not decision.promote
    assert "only 5 pairs differ" in decision.reason


def test_sign_flips_veto_what_many_ties_make_look_certain() -> None:
    decision = paired_decision([0.4, 0.2, 0.1, 0.1, 0.5, 0.6, -0.3] + [0.0] * 18)
    assert decision.low > 0
    assert not decision.promote
    assert "sign-flip test objects with one-sided p 0.0625" in decision.reason


def test_tiny_gains_on_few_pairs_are_not_believed_when_a_row_could_lose_everything() -> None:
    gains = [0.02, 0.03] * 12
    assert "rare loss of 1" in paired_decision(gains).reason
    assert paired_decision(gains, worst_loss=0.05).promote
    assert paired_decision(gains * 5).promote


def test_one_large_gain_does_not_carry_five_tiny_ones() -> None:
    assert not paired_decision([0.01, 0.01, 0.02, 0.01, 0.01, 0.9]).promote


@given(some_deltas, st.sampled_from([-0.1, 0.0, 0.05]), st.sampled_from([0.01, 0.05, 0.1]))
def test_what_is_promoted_has_its_interval_and_p_on_the_right_side(
    deltas: list[float], margin: float, alpha: float
) -> None:
    decision = paired_decision(deltas, margin=margin, alpha=alpha)
    assert decision.low <= decision.high
    assert 0 <= decision.p_value <= 1
    assert decision.wins + decision.losses + decision.ties == decision.n == len(deltas)
    if decision.promote:
        assert decision.low > margin
        assert decision.p_value <= alpha / 2 + 1e-9
        assert decision.n >= minimum_pairs(alpha)
        assert decision.mean > margin


@given(some_deltas, st.floats(0.0, 0.3), st.floats(0.01, 0.3))
def test_what_clears_a_margin_clears_every_lower_one(deltas: list[float], margin: float, more: float) -> None:
    if len(set(deltas)) > 2 and paired_decision(deltas, margin=margin + more).promote:
        assert paired_decision(deltas, margin=margin).low > margin


@given(some_deltas)
def test_no_evidence_promotes_both_directions(deltas: list[float]) -> None:
    opposite = [-delta for delta in deltas]
    assert not (paired_decision(deltas).promote and paired_decision(opposite).promote)


@given(some_deltas, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(deltas: list[float], random: object) -> None:
    shuffled = list(deltas)
    random.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue]
    first, second = paired_decision(deltas), paired_decision(shuffled)
    assert first.promote == second.promote
    assert (first.low, first.high, first.p_value) == pytest.approx((second.low, second.high, second.p_value))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_decision([]), "deltas: received 0 values"),
        (lambda: paired_decision([0.1, math.nan]), "received nan at position 1"),
        (lambda: paired_decision([0.1] * 6, margin=math.inf), "margin: received inf"),
        (lambda: paired_decision([0.1] * 6, alpha=5), "alpha: received 5"),
        (lambda: paired_decision([0.1] * 6, worst_loss=0), "worst_loss: received 0"),
        (lambda: paired_decision([0.1, 0.2] * 3, unit=0.1), "unit: received 0.1"),
        (lambda: compare_scores({}, {}), "baseline scores: received 0 values"),
        (lambda: compare_scores({"a": None}, {"a": 1.0}), "received nan at position 0"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_bad_input_says_what_was_received(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # pyright: ignore[reportCallIssue]


def test_below_twenty_pairs_sign_flips_veto_at_half_of_alpha() -> None:
    deltas = [0.1, 0.7, 0.4, 0.1, -0.3, -0.1, 0.6, 0.2, 0.2, 0.7, -0.1]
    decision = paired_decision(deltas)
    assert decision.low > 0
    assert decision.p_value == permutation_test(deltas) == 69 / 2048
    assert not decision.promote
    assert "sign-flip test objects with one-sided p 0.0337" in decision.reason
    assert paired_decision(deltas, alpha=0.07).promote


def test_from_twenty_pairs_on_sign_flips_veto_at_alpha() -> None:
    deltas = [-0.3, 0.1, 0.4, 0.1, 0.6, 0.5, 0.2, 0.1] + [0.0] * 35
    decision = paired_decision(deltas)
    assert decision.low > 0
    assert "sign-flip test objects with one-sided p 0.0508" in decision.reason
    assert "rare loss" in paired_decision(deltas, alpha=0.052).reason
