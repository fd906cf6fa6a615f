"""The forecast of verdicts: its formulas against the rule itself, and what it predicts against what happens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.power import compare
from bench.worlds import WORLDS
from stats import forecast_verdicts, paired_decision, rows_to_promote, rows_to_show
from stats.verdict_forecast import LIFTS, binary_outcomes, binary_verdicts, graded_promoted

HALF = [0.0, 1.0] * 10


def by_enumeration(n: int, win: float, loss: float, *, alpha: float, margin: float) -> tuple[float, float]:
    """Chances of PROMOTE and HOLD, each outcome weighed and shown to the rule."""
    promote = hold = 0.0
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            counts = [wins, losses, n - wins - losses]
            chance = float(stats.multinomial.pmf(counts, n, [win, loss, 1 - win - loss]))
            deltas = [1.0] * wins + [-1.0] * losses + [0.0] * counts[2]
            decision = paired_decision(deltas, alpha=alpha, margin=margin, unit=1.0)
            promote += chance * decision.promote
            hold += chance * (decision.mean <= margin + 1e-12)
    return promote, hold


@pytest.mark.parametrize(
    ("n", "win", "loss", "alpha", "margin"),
    [(30, 0.3, 0.1, 0.05, 0.0), (30, 0.25, 0.2, 0.0125, 0.0), (25, 0.3, 0.1, 0.05, 0.1), (25, 0.05, 0.05, 0.05, -0.2)],
)
def test_binary_rates_are_those_of_the_rule_itself(
    n: int, win: float, loss: float, alpha: float, margin: float
) -> None:
    promote, hold = binary_verdicts(n, np.array([win]), np.array([loss]), alpha=alpha, margin=margin)
    assert (promote[0], hold[0]) == pytest.approx(by_enumeration(n, win, loss, alpha=alpha, margin=margin), abs=1e-6)


def test_five_pairs_are_too_few_for_any_promotion() -> None:
    assert binary_verdicts(5, np.array([0.98]), np.array([0.01]))[0][0] == 0
    assert binary_verdicts(6, np.array([0.98]), np.array([0.01]))[0][0] == pytest.approx(0.98**6, abs=1e-6)


def test_win_and_loss_rates_have_the_correlation_asked_for() -> None:
    wins, losses = binary_outcomes(np.array(0.5), 0.2, np.array([0.0, 0.5]))
    assert wins - losses == pytest.approx([0.2, 0.2])
    assert losses[0] == pytest.approx(0.5 * 0.3)
    both = 0.5 - losses
    assert (both - 0.35) / np.sqrt(0.25 * 0.21) == pytest.approx([0, 0.5])


@pytest.mark.parametrize(("n", "sd", "lift"), [(30, 0.1, 0.05), (60, 0.3, 0.1), (100, 0.2, 0.05)])
def test_graded_promotion_is_that_of_the_rule_within_five_points(n: int, sd: float, lift: float) -> None:
    draws = np.clip(np.random.default_rng(n).normal(lift, sd, (400, n)), -1, 1)
    realised = float(np.mean([paired_decision(deltas).promote for deltas in draws]))
    assert graded_promoted(n, sd, lift) == pytest.approx(realised, abs=0.05 + 2 * np.sqrt(0.25 / 400))


def test_a_small_spread_is_no_proof_while_a_rare_loss_could_have_stayed_unseen() -> None:
    assert graded_promoted(30, 0.05, 0.04) < 0.05
    assert graded_promoted(200, 0.05, 0.04) > 0.99


@pytest.mark.parametrize(
    ("name", "rows", "pairs"), [("binary", 30, 400), ("binary", 60, 400), ("binary", 200, 400), ("graded", 60, 120)]
)
def test_what_is_predicted_happens_within_five_points_on_average_over_correlations(
    name: str, rows: int, pairs: int
) -> None:
    noise = 2 * np.sqrt(0.25 / (6 * pairs))
    for lift, row in compare(WORLDS[name], rows, pairs=pairs, draws=6).items():
        assert abs(row.error) <= 0.05 + noise, (lift, row)
        assert row.realised[0] <= row.highest + 0.05
        assert row.realised[-1] >= row.lowest - 0.05


def test_binary_scores_at_sixty_rows_promote_ten_points_in_a_third_of_the_cases_and_not_in_three_quarters() -> None:
    forecast = forecast_verdicts(60, HALF)
    assert forecast.binary
    assert [rate.promote for rate in forecast.rates] == pytest.approx([0.08, 0.31, 0.86], abs=0.03)


def test_without_any_score_the_more_demanding_kind_is_assumed() -> None:
    unknown, graded = forecast_verdicts(100), forecast_verdicts(100, binary=False)
    assert unknown.binary
    assert unknown.mde is not None
    assert graded.mde is not None
    assert unknown.mde > graded.mde


def test_pairs_that_agree_show_more_than_pairs_that_do_not() -> None:
    better = [0.0, 1.0] * 9 + [1.0, 1.0]
    unlike = [1.0, 0.0] * 5 + [0.0, 1.0] * 5
    alone, agreeing, unrelated = (forecast_verdicts(100, HALF, best).rates[1].promote for best in ((), better, unlike))
    assert unrelated < alone < agreeing


def test_pairs_of_graded_scores_give_the_spread_and_their_lift_is_not_believed() -> None:
    before = np.linspace(0.1, 0.6, 30)
    steady, jumping = (before + shift + sd * np.tile([1, -1], 15) for shift, sd in ((0.05, 0.02), (0.05, 0.3)))
    calm, wild = (forecast_verdicts(60, before, best, binary=False) for best in (steady, jumping))
    assert calm.rates[0].promote > wild.rates[0].promote + 0.3
    lucky = forecast_verdicts(60, before, steady + 0.3, binary=False)
    assert [rate.promote for rate in lucky.rates] == pytest.approx([rate.promote for rate in calm.rates])


def test_where_the_baseline_leaves_no_room_a_lift_is_not_promised() -> None:
    nearly_perfect = forecast_verdicts(40, [1.0] * 30)
    assert [rate.lift for rate in nearly_perfect.rates] == [0.05, 0.10]
    assert nearly_perfect.mde is None
    assert forecast_verdicts(60, [0.9, 0.95, 0.85] * 10).rates[-1].lift < 0.2


@pytest.mark.parametrize(("n", "scores"), [(60, HALF), (200, HALF), (60, [0.2, 0.5, 0.7] * 6)])
def test_the_smallest_lift_is_promoted_in_four_of_five_cases(n: int, scores: list[float]) -> None:
    forecast = forecast_verdicts(n, scores)
    assert forecast.mde is not None
    above, below = (forecast.mde >= lift for lift in LIFTS[1:])
    assert (forecast.rates[1].promote <= 0.8) is above
    assert (forecast.rates[2].promote <= 0.8) is below


@given(n=st.integers(1, 150), right=st.integers(0, 12), wrong=st.integers(0, 12), margin=st.sampled_from([0.0, 0.03]))
@settings(max_examples=25, deadline=None)
def test_rates_are_chances_that_grow_with_the_lift(n: int, right: int, wrong: int, margin: float) -> None:
    rates = forecast_verdicts(n, [1.0] * right + [0.0] * wrong, margin=margin).rates
    for rate in rates:
        assert rate.promote + rate.hold + rate.inconclusive == pytest.approx(1, abs=1e-6)
        assert min(rate.promote, rate.hold, rate.inconclusive) >= 0
        assert rate.lowest <= rate.highest
    promoted = [rate.promote for rate in rates]
    assert promoted == sorted(promoted)


def test_what_cannot_be_forecast_is_refused() -> None:
    with pytest.raises(ValueError, match="best: received 2 scores for 3 of the baseline"):
        forecast_verdicts(60, [1, 0, 1], [1, 0])
    with pytest.raises(ValueError, match="n: received 0"):
        forecast_verdicts(0)
    with pytest.raises(ValueError, match="alpha: received 2"):
        forecast_verdicts(10, alpha=2)


@pytest.mark.parametrize(("wins", "losses", "margin"), [(0.15, 0.05, 0.0), (0.25, 0.1, 0.02), (0.3, 0.2, 0.0)])
def test_so_many_rows_are_promoted_in_four_of_five_cases_by_the_real_rule(
    wins: float, losses: float, margin: float
) -> None:
    """The t test's number is too low for right-or-wrong scores; this one is what the rule itself needs."""
    lift = wins - losses
    sd = (wins + losses - lift**2) ** 0.5
    by_t = rows_to_show(lift - margin, 1 + lift, sd, 0.05)
    rows = rows_to_promote(wins, losses, by_t or 1, margin=margin)
    assert rows is not None
    assert by_t is not None
    assert by_t <= rows < 1.6 * by_t
    random = np.random.default_rng(4)
    shares = []
    for n in (by_t, rows):
        drawn = random.choice([1.0, -1.0, 0.0], (400, n), p=[wins, losses, 1 - wins - losses])
        shares.append(np.mean([paired_decision(deltas, margin=margin, unit=1.0).promote for deltas in drawn]))
    assert 0.75 < shares[1] < 0.9
    assert margin or (by_t < rows and shares[0] < 0.79)  # with a margin the sign test is no further hurdle


def test_rows_beyond_the_exact_rates_are_taken_as_they_come_and_no_lift_needs_no_rows() -> None:
    assert rows_to_promote(0.101, 0.1, 1_500_000) == 1_500_000
    assert rows_to_promote(0.102, 0.1, 3_900) is None
    with pytest.raises(ValueError, match="need more than margin"):
        rows_to_promote(0.1, 0.1, 100)
