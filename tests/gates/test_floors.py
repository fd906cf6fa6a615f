"""Coverage, overfitting, and fields that got worse behind a better total."""

import pytest

from core.evaluation import Evaluation
from core.verdict import CheckStatus
from gates.coverage import Coverage
from gates.dimensions import Dimensions, movement
from gates.overfit import Overfit
from tests.gates.inputs import CHALLENGER, evaluation, gate_input


def test_every_row_must_be_scored_unless_fewer_are_asked_for():
    patchy = gate_input(champion=evaluation([0.5] * 9 + [None]), challenger=evaluation([0.6] * 10, CHALLENGER))
    found = Coverage().check(patchy)[0]
    assert found.status is CheckStatus.NOT_EVALUATED
    assert "9 of 10 rows have an outcome for both prompts, needed are 100 %" in found.message
    assert Coverage(share=0.9).check(patchy)[0].status is CheckStatus.PASS
    empty = Evaluation("holdout", "h", ())
    assert Coverage().check(gate_input(champion=empty, challenger=empty))[0].status is CheckStatus.NOT_EVALUATED


@pytest.mark.parametrize(
    ("search", "status"),
    [
        ((0.5, 0.75), CheckStatus.PASS),
        ((0.5, 0.76), CheckStatus.FAIL),
        ((0.6, 0.85), CheckStatus.PASS),
        ((None, 0.75), CheckStatus.NOT_EVALUATED),
        ((0.5, None), CheckStatus.NOT_EVALUATED),
    ],
)
def test_the_gap_from_search_to_holdout_may_be_fifteen_points_beyond_the_champion_s(search, status):
    level = gate_input(champion=evaluation([0.5] * 30), challenger=evaluation([0.6] * 30, CHALLENGER), search=search)
    assert Overfit().check(level)[0].status is status


def binary(wins, losses, ties, scale=1.0):
    before = [0.0] * wins + [scale] * losses + [scale] * ties
    after = [scale] * wins + [0.0] * losses + [scale] * ties
    return before, after


def test_more_losses_than_wins_is_a_regression_and_the_mirror_is_not():
    moved = movement(*binary(5, 15, 56))
    assert moved.mean == pytest.approx(-0.131579, abs=1e-6)
    assert moved.tolerance == 0.05
    assert moved.regressed
    assert not movement(*binary(15, 5, 56)).regressed


def test_the_tolerance_follows_the_scale():
    moved = movement(*binary(5, 15, 56, scale=100.0))
    assert (moved.tolerance, moved.regressed) == (5.0, True)
    assert moved.mean == pytest.approx(-13.158, abs=1e-3)


def fields(leak, style):
    before, after = zip(leak, style, strict=True)
    return gate_input(
        champion=evaluation([0.5] * 40, fields={"leak": before[0], "style": before[1]}),
        challenger=evaluation([0.7] * 40, CHALLENGER, fields={"leak": after[0], "style": after[1]}),
    )


RISEN = ([0.2] * 40, [0.9] * 40)
SLIGHTLY_LOWER = ([0.9, 0.5] * 20, [0.5, 0.8] * 20)


def test_a_field_that_may_have_dropped_blocks_where_it_is_critical():
    evidence = fields(SLIGHTLY_LOWER, RISEN)
    assert {c.status for c in Dimensions().check(evidence)} == {CheckStatus.PASS}
    found = Dimensions(critical=("leak",)).check(evidence)[0]
    assert found.status is CheckStatus.FAIL
    assert "leak changed by -0.050" in found.message


def test_a_field_that_is_proven_worse_blocks_even_if_nobody_named_it():
    found = Dimensions().check(fields(([0.9, 0.8] * 20, [0.5, 0.6] * 20), RISEN))[0]
    assert found.status is CheckStatus.FAIL
    assert "proven worse behind the total: leak by -0.300" in found.message


def test_a_critical_field_that_is_not_reported_stays_open():
    assert Dimensions(critical=("nowhere",)).check(fields(RISEN, RISEN))[0].status is CheckStatus.NOT_EVALUATED
