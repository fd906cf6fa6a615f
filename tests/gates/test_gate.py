"""From checks to a verdict: one rule."""

from dataclasses import dataclass, field

import pytest

from core.errors import BudgetError
from core.verdict import Check, CheckStatus, Decision
from gates.coverage import Coverage
from gates.gate import decide
from gates.heldout import Heldout
from tests.gates.dossiers import CHALLENGER, CHAMPION, dossier, evaluation, lifted


@dataclass(frozen=True)
class Says:
    """A check that always says the same."""

    status: CheckStatus
    name: str = "says"
    summary: str = "says the same"
    required: bool = True
    asks: bool = False

    def check(self, evidence):
        return (Check(self.name, self.status, "because"),)


@dataclass(frozen=True)
class Raises(Says):
    """A check that has a bug, or meets the end of the budget."""

    error: Exception = field(default_factory=lambda: ZeroDivisionError("division by zero"))

    def check(self, evidence):
        raise self.error


PASS, FAIL, OPEN = CheckStatus.PASS, CheckStatus.FAIL, CheckStatus.NOT_EVALUATED


def test_all_required_checks_must_pass():
    assert decide([Heldout(), Says(PASS)], dossier()).decision is Decision.PROMOTE
    verdict = decide([Heldout(), Says(FAIL)], dossier())
    assert verdict.decision is Decision.HOLD
    assert verdict.reasons == ("[says] because",)
    assert verdict.evidence.delta == pytest.approx(0.2, abs=0.02)


def test_a_required_check_that_was_not_evaluated_holds_and_another_does_not():
    assert decide([Heldout(), Says(OPEN)], dossier()).decision is Decision.HOLD
    assert decide([Heldout(), Says(OPEN, required=False)], dossier()).decision is Decision.PROMOTE
    assert decide([Heldout(), Says(FAIL, required=False)], dossier()).decision is Decision.PROMOTE


def test_no_checks_at_all_is_a_mistake():
    with pytest.raises(ValueError, match="at least one"):
        decide([], dossier())


def test_a_check_that_raises_is_kept_as_not_evaluated_with_its_error():
    verdict = decide([Heldout(), Raises(PASS)], dossier())
    assert verdict.decision is Decision.HOLD
    assert verdict.checks[-1].status is OPEN
    assert verdict.reasons == ("[says] ZeroDivisionError: division by zero",)


def test_a_budget_that_ends_is_no_verdict():
    with pytest.raises(BudgetError):
        decide([Heldout(), Raises(PASS, error=BudgetError("used up"))], dossier())


def test_the_same_prompt_is_held_whatever_the_scores():
    verdict = decide([Says(PASS)], dossier(candidate_prompts=CHAMPION))
    assert verdict.decision is Decision.HOLD
    assert verdict.reasons[0].startswith("[no-op]")


def test_only_an_open_lift_that_points_upward_is_inconclusive():
    before, _ = lifted()
    noisy = [b + d for b, d in zip(before, [0.4, -0.3, 0.3, -0.2, 0.0] * 12, strict=True)]
    unclear = dossier(candidate=evaluation(noisy, CHALLENGER))
    verdict = decide([Heldout(), Says(PASS)], unclear)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.reasons[0].startswith("[lift] lift +")
    assert decide([Heldout(), Says(FAIL)], unclear).decision is Decision.HOLD


def test_a_row_without_a_score_holds():
    after = lifted()[1]
    verdict = decide([Heldout(), Coverage()], dossier(candidate=evaluation([*after[:-1], None], CHALLENGER)))
    assert verdict.decision is Decision.HOLD
    assert [r.split("]")[0] for r in verdict.reasons] == ["[complete evidence", "[coverage"]
    assert "59 of 60 rows are scored for the challenger; needed are 100 %" in verdict.reasons[1]


def test_checks_that_cost_calls_come_last_and_only_when_they_matter():
    asked = Raises(PASS, name="asks", asks=True)
    verdict = decide([asked, Heldout(), Says(FAIL)], dossier())
    assert verdict.checks[-1].name == "asks"
    assert not verdict.checks[-1].required
    assert verdict.reasons == ("[says] because",)


def test_the_means_of_two_rows_show_a_lift_and_are_no_proof():
    verdict = decide(
        [Heldout()],
        dossier(baseline=evaluation([0.5, 0.4]), candidate=evaluation([0.9, 0.8], CHALLENGER)),
    )
    assert verdict.evidence.delta == pytest.approx(0.4)  # (9, 8) against (5, 4) on a scale to ten
    assert verdict.decision is Decision.INCONCLUSIVE
    level = dossier(baseline=evaluation([0.6, 0.6]), candidate=evaluation([0.6, 0.6], CHALLENGER))
    assert decide([Heldout()], level).decision is Decision.HOLD


def test_a_marker_that_solves_every_row_is_promoted():
    solved = dossier(baseline=evaluation([0.0] * 20), candidate=evaluation([1.0] * 20, CHALLENGER))
    verdict = decide([Heldout()], solved)
    assert verdict.decision is Decision.PROMOTE
    assert verdict.evidence.delta == 1.0
