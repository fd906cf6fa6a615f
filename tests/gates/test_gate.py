"""From checks to a verdict: one rule."""

from dataclasses import dataclass, field

import pytest

from core.errors import BudgetError
from core.verdict import Check, CheckStatus, Decision
from gates.catalog import CHECKS, PRODUCTION
from gates.coverage import Coverage
from gates.gate import decide
from gates.heldout import Heldout
from tests.gates.inputs import CHALLENGER, CHAMPION, evaluation, gate_input, lifted


@dataclass(frozen=True)
class Says:
    """A check that always says the same."""

    status: CheckStatus
    name: str = "says"
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
    assert decide([Heldout(), Says(PASS)], gate_input()).decision is Decision.PROMOTE
    verdict = decide([Heldout(), Says(FAIL)], gate_input())
    assert verdict.decision is Decision.HOLD
    assert verdict.reasons == ("[says] because",)
    assert verdict.evidence.delta == pytest.approx(0.2, abs=0.02)


def test_a_required_check_that_was_not_evaluated_holds_and_another_does_not():
    assert decide([Heldout(), Says(OPEN)], gate_input()).decision is Decision.HOLD
    assert decide([Heldout(), Says(OPEN, required=False)], gate_input()).decision is Decision.PROMOTE
    assert decide([Heldout(), Says(FAIL, required=False)], gate_input()).decision is Decision.PROMOTE


def test_no_checks_at_all_is_a_mistake():
    with pytest.raises(ValueError, match="at least one"):
        decide([], gate_input())


def test_a_check_that_raises_is_kept_as_not_evaluated_with_its_error():
    verdict = decide([Heldout(), Raises(PASS)], gate_input())
    assert verdict.decision is Decision.HOLD
    assert verdict.checks[-1].status is OPEN
    assert verdict.reasons == ("[says] ZeroDivisionError: division by zero",)


def test_a_budget_that_ends_is_no_verdict():
    with pytest.raises(BudgetError):
        decide([Heldout(), Raises(PASS, error=BudgetError("used up"))], gate_input())


def test_the_same_prompt_is_held_whatever_the_scores():
    verdict = decide([Says(PASS)], gate_input(challenger_prompts=CHAMPION))
    assert verdict.decision is Decision.HOLD
    assert verdict.reasons[0].startswith("[no-op]")


def test_only_an_open_lift_that_points_upward_is_inconclusive():
    before, _ = lifted()
    noisy = [b + d for b, d in zip(before, [0.4, -0.3, 0.3, -0.2, 0.0] * 12, strict=True)]
    unclear = gate_input(challenger=evaluation(noisy, CHALLENGER))
    verdict = decide([Heldout(), Says(PASS)], unclear)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.reasons[0].startswith("[lift] lift +")
    assert decide([Heldout(), Says(FAIL)], unclear).decision is Decision.HOLD


def test_a_row_without_an_outcome_is_inconclusive_whatever_else_is_asked_unless_a_check_fails():
    incomplete = gate_input(challenger=evaluation([*lifted()[1][:-1], None], CHALLENGER))
    assert decide([Heldout()], incomplete).decision is Decision.INCONCLUSIVE
    assert decide([Heldout(), Says(PASS)], incomplete).decision is Decision.INCONCLUSIVE
    assert PRODUCTION.decide(incomplete).decision is Decision.INCONCLUSIVE
    verdict = decide([Heldout(), Says(FAIL)], incomplete)
    assert verdict.decision is Decision.HOLD
    assert [r.split("]")[0] for r in verdict.reasons] == ["[coverage", "[says"]


BEFORE, AFTER = lifted()
NOISY = [b + d for b, d in zip(BEFORE, [0.4, -0.3, 0.3, -0.2, 0.0] * 12, strict=True)]
CASES = {
    "a clear lift": (AFTER, Decision.PROMOTE),
    "an open one": (NOISY, Decision.INCONCLUSIVE),
    "a loss": ([b - 0.1 for b in BEFORE], Decision.HOLD),
    "a failed row": ([*AFTER[:-1], None], Decision.INCONCLUSIVE),
    "no rows": ([], Decision.INCONCLUSIVE),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("status", CheckStatus)
@pytest.mark.parametrize("asks", [False, True])
def test_an_optional_check_never_changes_the_decision_nor_does_one_that_passes(case, status, asks):
    scores, decision = CASES[case]
    known = gate_input(champion=evaluation(BEFORE[: len(scores)]), challenger=evaluation(scores, CHALLENGER))
    plain = decide([Heldout()], known)
    assert plain.decision is decision
    for extra in (Says(status, required=False, asks=asks), Says(PASS, asks=asks)):
        verdict = decide([Heldout(), extra], known)
        assert (verdict.decision, verdict.reasons, verdict.evidence) == (decision, plain.reasons, plain.evidence)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.name)
def test_no_check_of_the_catalog_changes_the_decision_where_it_is_optional(check):
    if not isinstance(check, Coverage):  # which is no option
        optional = check.model_copy(update={"required": False})
        for scores, decision in CASES.values():
            known = gate_input(champion=evaluation(BEFORE[: len(scores)]), challenger=evaluation(scores, CHALLENGER))
            assert decide([Heldout(), optional], known).decision is decision


def test_checks_that_cost_calls_come_last_and_only_when_they_matter():
    asked = Raises(PASS, name="asks", asks=True)
    verdict = decide([asked, Heldout(), Says(FAIL)], gate_input())
    assert verdict.checks[-1].name == "asks"
    assert not verdict.checks[-1].required
    assert verdict.reasons == ("[says] because",)


def test_the_means_of_two_rows_show_a_lift_and_are_no_proof():
    verdict = decide(
        [Heldout()],
        gate_input(champion=evaluation([0.5, 0.4]), challenger=evaluation([0.9, 0.8], CHALLENGER)),
    )
    assert verdict.evidence.delta == pytest.approx(0.4)  # (9, 8) against (5, 4) on a scale to ten
    assert verdict.decision is Decision.INCONCLUSIVE
    level = gate_input(champion=evaluation([0.6, 0.6]), challenger=evaluation([0.6, 0.6], CHALLENGER))
    assert decide([Heldout()], level).decision is Decision.HOLD


def test_a_marker_that_solves_every_row_is_promoted():
    solved = gate_input(champion=evaluation([0.0] * 20), challenger=evaluation([1.0] * 20, CHALLENGER))
    verdict = decide([Heldout()], solved)
    assert verdict.decision is Decision.PROMOTE
    assert verdict.evidence.delta == 1.0
