"""Sequential tests: exact steps and bounds, what they promise at a given truth, and that parameters stay."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from core.plain import from_json, to_json
from stats import (
    Decision,
    FixedDesign,
    FixedState,
    SprtDesign,
    SprtState,
    default_n_max,
    expected_observations,
    fixed_arm_size,
    fixed_sample_size,
    operating_characteristics,
    simulate,
)


def ended(design: SprtDesign) -> SprtDesign:
    return replace(design, n_max=default_n_max(design))


def one(p0: float) -> SprtDesign:
    return ended(SprtDesign(p0=p0, form="one-sample"))


def pairs(p0: float) -> SprtDesign:
    return ended(SprtDesign(p0=p0))


def arms(control: float, test: float) -> tuple[float, float]:
    """Chances of a win and of a loss where the two arms are independent."""
    return test * (1 - control), control * (1 - test)


def after(design: SprtDesign, differences: list[int]) -> SprtState:
    state = design.start
    for difference in differences:
        state = state.observe(difference)
    return state


def test_walds_bounds_at_alpha_5_and_beta_10_percent() -> None:
    design = SprtDesign()
    assert (round(design.upper, 6), round(design.lower, 6)) == (2.890372, -2.251292)


@pytest.mark.parametrize(
    ("p0", "win", "loss"),
    [(0.5, 0.262364, -0.356675), (0.6, 0.223144, -0.470004), (0.7, 0.194156, -0.693147), (0.3, 0.405465, -0.241162)],
)
def test_steps_of_the_one_sample_form(p0: float, win: float, loss: float) -> None:
    assert (round(one(p0).win, 6), round(one(p0).loss, 6)) == (win, loss)


@pytest.mark.parametrize(
    ("p0", "sought", "win", "loss"), [(0.6, 2 / 3, 0.287682, -0.405465), (0.5, 0.65, 0.262364, -0.356675)]
)
def test_steps_of_the_paired_form(p0: float, sought: float, win: float, loss: float) -> None:
    design = pairs(p0)
    assert design.chances == (0.5, pytest.approx(sought))
    assert (round(design.win, 6), round(design.loss, 6)) == (win, loss)


@pytest.mark.parametrize(("p0", "wins", "losses"), [(0.5, 12, 7), (0.6, 13, 5), (0.3, 8, 10), (0.7, 15, 4)])
def test_straight_runs_that_decide_the_one_sample_form(p0: float, wins: int, losses: int) -> None:
    assert after(one(p0), [1] * (wins - 1)).decision is Decision.CONTINUE
    assert after(one(p0), [1] * wins).decision is Decision.ACCEPT
    assert after(one(p0), [-1] * (losses - 1)).decision is Decision.CONTINUE
    assert after(one(p0), [-1] * losses).decision is Decision.REJECT


def test_straight_runs_that_decide_the_paired_form() -> None:
    assert after(pairs(0.6), [1] * 10).decision is Decision.CONTINUE
    assert after(pairs(0.6), [1] * 11).decision is Decision.ACCEPT
    assert after(pairs(0.6), [-1] * 5).decision is Decision.CONTINUE
    assert after(pairs(0.6), [-1] * 6).decision is Decision.REJECT


def test_pairs_that_agree_move_no_ratio_but_in_the_end_refute_the_improvement() -> None:
    design = pairs(0.6)
    waiting = after(design, [0] * 32)
    assert (waiting.position, waiting.decision) == (0.0, Decision.CONTINUE)
    assert waiting.observe(0).decision is Decision.REJECT
    assert "an improvement of 0.15" in waiting.observe(0).reason


def test_a_test_that_is_over_takes_nothing_and_one_that_is_used_up_has_no_decision() -> None:
    with pytest.raises(ValueError, match="the test is over: accept after 11"):
        after(pairs(0.6), [1] * 12)
    used_up = after(SprtDesign(n_max=4), [1, -1, 0, 1])
    assert used_up.decision is Decision.NO_DECISION
    assert "NOT evidence of no effect" in used_up.reason


def test_an_improvement_beyond_certainty_is_refused_and_certainty_itself_falls_with_one_loss() -> None:
    with pytest.raises(ValueError, match=r"0\.9 \+ 0\.15 = 1\.05, need at most 1"):
        SprtDesign(p0=0.9)
    assert after(SprtDesign(p0=0.85), [-1]).decision is Decision.REJECT


@pytest.mark.parametrize(
    ("p0", "null", "sought"), [(0.3, 42.27, 47.70), (0.5, 42.29, 52.00), (0.6, 36.85, 47.66), (0.7, 27.68, 38.92)]
)
def test_walds_expected_number_of_observations(p0: float, null: float, sought: float) -> None:
    assert round(expected_observations(one(p0), p0), 2) == null
    assert round(expected_observations(one(p0), p0 + 0.15), 2) == sought


def test_the_approximation_lies_near_the_exact_mean_for_any_truth() -> None:
    design = ended(replace(SprtDesign(p0=0.5, form="one-sample"), n_max=None))
    for chance in (0.3, 0.45, 0.577, 0.6, 0.8):  # at .577 there is hardly a drift
        exact = operating_characteristics(replace(design, n_max=300), chance, 1 - chance).mean_n
        assert expected_observations(design, chance) == pytest.approx(exact, rel=0.15)


@pytest.mark.parametrize(("p0", "size"), [(0.3, 86.04), (0.5, 91.35), (0.6, 82.29), (0.7, 65.22)])
def test_size_of_the_fixed_one_sample_test(p0: float, size: float) -> None:
    assert round(fixed_sample_size(p0, 0.15), 2) == size


@pytest.mark.parametrize(
    ("p0", "single", "double"), [(0.5, 184.14, 226.16), (0.6, 165.11, 202.81), (0.3, 176.53, 216.82)]
)
def test_size_of_each_arm_of_the_fixed_comparison(p0: float, single: float, double: float) -> None:
    assert round(fixed_arm_size(p0, 0.15), 2) == single
    assert round(fixed_arm_size(p0, 0.15, sides=2), 2) == double


@pytest.mark.parametrize("p0", [0.3, 0.5, 0.7])
def test_errors_and_savings_computed_exactly(p0: float) -> None:
    """At most 5 % false, at least 90 % power; half, 30 %, 60 % and 80 % of the fixed design saved.

    At a base rate of 30 % a test without effect saves 44 % (pairs) and 47 % (one sample), not half: see the log.
    """
    disagree = 2 * p0 * (1 - p0)
    least = expected_observations(pairs(p0), 0.5, disagree)  # no test on pairs with these errors takes fewer (Wald)
    assert (least > 0.5 * fixed_arm_size(p0, 0.15)) is (p0 == 0.3)
    for design, fixed, chances in (
        (pairs(p0), fixed_arm_size(p0, 0.15), lambda test: arms(p0, test)),
        (one(p0), fixed_sample_size(p0, 0.15), lambda test: (test, 1 - test)),
    ):
        null, sought, strong, harmful = (
            operating_characteristics(design, *chances(min(0.99, p0 + lift))) for lift in (0, 0.15, 0.3, -0.15)
        )
        assert null.accept <= 0.05
        assert sought.accept >= 0.90
        assert null.mean_n <= (0.56 if p0 == 0.3 else 0.505) * fixed
        assert sought.mean_n <= 0.70 * fixed
        assert strong.mean_n <= 0.40 * fixed
        assert harmful.mean_n <= 0.20 * fixed
        assert harmful.accept <= 0.001
        assert null.no_decision <= 0.02


def test_arms_that_solve_the_same_tasks_are_told_apart_sooner_and_as_surely() -> None:
    design = pairs(0.6)
    for win, loss in ((0.20, 0.05), (0.15, 0.0)):
        found = operating_characteristics(design, win, loss)
        assert found.accept >= 0.93
        assert found.mean_n <= 0.60 * fixed_arm_size(0.6, 0.15)
    for rate in (0.05, 0.5):  # how often two equal arms disagree does not matter to the level
        assert operating_characteristics(design, rate, rate).accept <= 0.05


def test_playing_the_test_agrees_with_the_exact_recursion() -> None:
    random = np.random.default_rng(5)
    for design, win, loss in ((pairs(0.6), 0.24, 0.24), (pairs(0.6), *arms(0.6, 0.75)), (one(0.5), 0.65, 0.35)):
        exact, played = (
            operating_characteristics(design, win, loss),
            simulate(design, win, loss, runs=4000, random=random),
        )
        noise = 4 * math.sqrt(0.25 / 4000)
        assert played.accept == pytest.approx(exact.accept, abs=noise)
        assert played.reject == pytest.approx(exact.reject, abs=noise)
        assert played.mean_n == pytest.approx(exact.mean_n, rel=0.05)


def test_played_one_by_one_a_test_ends_as_the_vectorised_one_does() -> None:
    random = np.random.default_rng(6)
    design = pairs(0.6)
    ends = []
    for _ in range(150):
        state = design.start
        for difference in random.choice([1, -1, 0], p=[0.3, 0.15, 0.55], size=design.n_max):
            state = state.observe(int(difference))
            if state.decision.final:
                break
        ends.append(state)
    exact = operating_characteristics(design, 0.3, 0.15)
    assert np.mean([s.decision is Decision.ACCEPT for s in ends]) == pytest.approx(exact.accept, abs=0.1)
    assert np.mean([s.n for s in ends]) == pytest.approx(exact.mean_n, rel=0.2)


def test_the_fixed_test_looks_once_and_keeps_its_level() -> None:
    state = FixedDesign(n=20).start
    for _ in range(19):
        state = state.observe(1)
        assert state.decision is Decision.CONTINUE
    assert state.observe(1).decision is Decision.ACCEPT
    random = np.random.default_rng(7)
    won = random.multinomial(166, [0.24, 0.24, 0.52], size=4000)
    false = [FixedState(FixedDesign(n=166), *map(int, counts)).p_value <= 0.05 for counts in won]
    assert np.mean(false) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 4000)


def test_a_state_comes_back_from_json_and_refuses_other_parameters() -> None:
    state = after(pairs(0.6), [1, 0, -1, 1])
    back = from_json(SprtState, to_json(state))
    assert back == state
    assert back.resumed(pairs(0.6)).observe(1) == state.observe(1)
    with pytest.raises(ValueError, match=r"keeps its parameters, received others: p0: 0\.6 -> 0\.5"):
        back.resumed(replace(pairs(0.6), p0=0.5))
    with pytest.raises(ValueError, match="is of a SprtDesign, received FixedDesign"):
        back.resumed(FixedDesign(n=100))  # type: ignore[arg-type]
