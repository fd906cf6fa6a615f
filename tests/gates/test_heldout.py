"""The comparison on the holdout: what it promotes, what it refuses, and what it says."""

import pytest
from pydantic import ValidationError

from core.candidate import ProgramPrompts, Prompt
from core.evaluation import Evaluation, RowResult, RowStatus
from core.verdict import CheckStatus, Decision
from gates.catalog import Gate
from gates.copying import corpus_texts
from gates.coverage import Coverage
from gates.gate import GateInput
from gates.heldout import Guard, Heldout, Proof
from stats import forecast_verdicts, mde, rows_to_promote, rows_to_show

SEED = ProgramPrompts((Prompt("p", "Seed."),))
TUNED = ProgramPrompts((Prompt("p", "Tuned."),))
UNREADABLE, FAILED = RowStatus.PARSE_ERROR, RowStatus.LM_ERROR


def evaluation(scores, prompts=SEED, fields=None):
    """Rows r0, r1 ... with these scores; a status instead of a score is a row without one."""
    rows = []
    for index, score in enumerate(scores):
        if isinstance(score, RowStatus):
            rows.append(RowResult(f"r{index}", score, error="timeout"))
        else:
            breakdown = {name: values[index] for name, values in (fields or {}).items()}
            rows.append(RowResult(f"r{index}", RowStatus.OK, score, breakdown))
    return Evaluation("holdout", prompts.hash, tuple(rows))


def gate(share=1.0, unreadable="bound", **proof):
    heldout = Heldout(proof=Proof(**proof), coverage=Coverage(share=share, unreadable=unreadable))
    return Gate("heldout", "is it better?", heldout)


def decide(before, after, asked=None, prompts=(SEED, TUNED), **known):
    sides = [
        e if isinstance(e, Evaluation) else evaluation(e, p) for e, p in zip((before, after), prompts, strict=True)
    ]
    return (asked or gate()).decide(GateInput(*sides, *prompts, **known))


LIFT = [0.2, 0.3, 0.1, 0.25, 0.15] * 12
BASE = [0.4, 0.5, 0.6, 0.3, 0.5] * 12
BETTER = [b + d for b, d in zip(BASE, LIFT, strict=True)]


def test_a_clear_lift_on_sixty_rows_is_promoted_with_its_evidence():
    verdict = decide(BASE, BETTER)
    assert verdict.decision is Decision.PROMOTE
    assert verdict.evidence.n == 60
    assert verdict.evidence.delta == pytest.approx(0.2)
    assert verdict.evidence.low > 0
    assert verdict.evidence.wins == 60
    assert (verdict.evidence.claim, verdict.evidence.bounded) == ("better", None)
    assert "lift +0.200" in verdict.reasons[0]


def test_the_same_prompt_is_held_without_any_evidence():
    verdict = decide(BASE, BETTER, prompts=(SEED, SEED))
    assert verdict.decision is Decision.HOLD
    assert verdict.evidence is None
    assert "holdout stays closed" in gate().no_op().reasons[0]


def test_a_worse_prompt_is_held():
    assert decide(BETTER, BASE).decision is Decision.HOLD


def test_a_small_positive_lift_with_much_noise_is_inconclusive_and_says_how_many_rows_would_settle_it():
    after = [b + d for b, d in zip(BASE, [0.4, -0.3, 0.3, -0.2, 0.0] * 12, strict=True)]
    verdict = decide(BASE, after)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "rows would settle" in verdict.reasons[-1]


def test_of_right_or_wrong_scores_it_is_said_what_the_exact_test_shows_not_what_t_would():
    before = [1.0] * 30 + [0.0] * 30
    after = [1.0] * 24 + [0.0] * 6 + [1.0] * 13 + [0.0] * 17
    verdict = decide(before, after)
    evidence, reason = verdict.evidence, verdict.reasons[-1]
    assert (verdict.decision, evidence.wins, evidence.losses) == (Decision.INCONCLUSIVE, 13, 6)
    by_t = mde(60, evidence.sd)
    assert evidence.mde == forecast_verdicts(60, before, after).mde > by_t
    assert f"60 rows can show a lift of {evidence.mde:.3f} with 80 % power" in reason
    by_t = rows_to_show(evidence.delta, 1 + evidence.delta, evidence.sd, evidence.alpha)
    rows = rows_to_promote(13 / 60, 6 / 60, by_t)
    assert f"about {rows} rows would settle" in reason
    assert rows > by_t


def test_a_lift_of_next_to_nothing_is_inconclusive_and_is_not_worth_more_rows():
    after = [b + d for b, d in zip(BASE, [0.2, -0.2, 0.1, -0.1, 0.00001] * 12, strict=True)]
    verdict = decide(BASE, after)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "no number of rows worth paying for would settle a lift as small as +2e-06" in verdict.reasons[-1]


def test_identical_scores_on_every_row_are_held():
    assert decide(BASE, BASE).decision is Decision.HOLD


def test_identical_lifts_have_no_width_and_are_not_promoted():
    assert decide([0.25] * 20, [0.5] * 20).decision is not Decision.PROMOTE


def test_unpaired_rows_are_refused():
    with pytest.raises(ValueError, match="unpaired"):
        decide(BASE, BETTER[:-1])


def test_three_rows_cannot_decide():
    verdict = decide([0.1, 0.2, 0.3], [0.9, 0.8, 0.7])
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "needed" in verdict.reasons[0]


def test_fewer_rows_than_asked_for_are_too_few():
    assert decide(BASE, BETTER, gate(min_rows=60)).decision is Decision.PROMOTE
    assert decide(BASE, BETTER, gate(min_rows=61)).decision is Decision.INCONCLUSIVE


def test_the_lift_must_exceed_the_margin():
    assert decide(BASE, BETTER, gate(margin=0.1)).decision is Decision.PROMOTE
    assert decide(BASE, BETTER, gate(margin=0.2)).decision is not Decision.PROMOTE


def test_every_further_opening_asks_for_more():
    before, after = [0.5] * 24, [0.6, 0.7, 0.5, 0.6, 0.8, 0.5, 0.7, 0.6, 0.5, 0.55, 0.7, 0.6] * 2
    first, tenth = decide(before, after, opening=1), decide(before, after, opening=10)
    assert first.evidence.alpha == pytest.approx(0.05)
    assert tenth.evidence.alpha == pytest.approx(0.0005)
    assert tenth.evidence.low < first.evidence.low


# Not worse: another question, for those who ask it


TWICE = BASE * 2  # 60 rows could hide a rare disaster that costs more than 0.02
NO_CHANGE = [b + d for b, d in zip(TWICE, [0.01, -0.01, 0.02, -0.02, 0.0] * 24, strict=True)]


def test_a_negative_margin_is_refused_with_what_to_set_instead():
    with pytest.raises(ValidationError, match=r"let a worse prompt pass as better; .* gate.non_inferiority: 0.02"):
        Proof(margin=-1)
    with pytest.raises(ValidationError, match="set one"):
        Proof(margin=0.01, non_inferiority=0.02)


def test_a_prompt_that_loses_next_to_nothing_is_promoted_as_not_worse_and_never_as_better():
    verdict = decide(TWICE, NO_CHANGE, gate(non_inferiority=0.02))
    assert verdict.decision is Decision.PROMOTE
    assert (verdict.evidence.claim, verdict.evidence.margin) == ("not worse", -0.02)
    assert verdict.reasons[0].startswith("[not worse] change +0.000, 95 % interval")
    assert verdict.reasons[0].endswith("proven not worse than the current prompt by more than 0.02")
    assert "lift" not in {check.name for check in verdict.checks}


def test_a_pipeline_that_did_not_ask_gets_no_such_answer():
    verdict = decide(TWICE, NO_CHANGE)
    assert verdict.decision is not Decision.PROMOTE
    assert verdict.evidence.claim == "better"


def test_a_loss_beyond_the_bound_is_not_not_worse():
    verdict = decide(TWICE, [after - 0.05 for after in NO_CHANGE], gate(non_inferiority=0.02))
    assert verdict.decision is Decision.HOLD
    assert "not proven not worse than the current prompt by more than 0.02" in verdict.reasons[0]


# Rows without a score


def test_an_unreadable_answer_of_the_challenger_counts_as_little_as_can_be_and_shows_no_score():
    verdict = decide(BASE, [UNREADABLE, *BETTER[1:]])
    assert verdict.decision is Decision.PROMOTE
    evidence = verdict.evidence
    assert evidence.n == 60
    assert evidence.delta == pytest.approx((sum(BETTER[1:]) - sum(BASE)) / 60)
    assert evidence.candidate == pytest.approx(sum(BETTER[1:]) / 59)  # a mean of scores, without the bound
    assert (evidence.bounded.unreadable, evidence.bounded.errors) == ((0, 1), (0, 0))
    assert (evidence.bounded.n, evidence.bounded.delta) == (59, pytest.approx(0.2))
    assert "with 1 of the challenger's unreadable answers as 0; +0.200 (" in verdict.reasons[0]
    assert verdict.checks[0].message == "59 of 60 rows are scored for both prompts; bounded: 1 unreadable"


def test_an_unreadable_answer_of_the_champion_counts_as_much_as_can_be():
    evidence = decide([UNREADABLE, *BASE[1:]], BETTER).evidence
    assert evidence.delta == pytest.approx((sum(BETTER) - sum(BASE[1:]) - 1) / 60)
    assert evidence.bounded.unreadable == (1, 0)


def test_a_lift_that_does_not_survive_the_bound_is_no_lift():
    broken = [UNREADABLE if i < 20 else b for i, b in enumerate(BETTER)]
    verdict = decide(BASE, broken)
    assert verdict.decision is Decision.HOLD
    assert verdict.evidence.bounded.delta > 0.19 > verdict.evidence.high


def test_unreadable_answers_may_be_refused_like_errors():
    verdict = decide(BASE, [UNREADABLE, *BETTER[1:]], gate(unreadable="refuse"))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.evidence is None


def test_a_failed_row_leaves_the_evidence_incomplete():
    verdict = decide([*BASE[:-1], FAILED], BETTER)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.checks[0].status is CheckStatus.NOT_EVALUATED
    assert (
        "[coverage] 59 of 60 rows have an outcome for both prompts, needed are 100 %: r59 (champion: "
        in (verdict.reasons[0])
    )
    assert "timeout" in verdict.reasons[0]


@pytest.mark.parametrize(("failed", "share", "decision"), [
    (1, 1.0, Decision.INCONCLUSIVE), (1, 0.99, Decision.INCONCLUSIVE), (1, 0.98, Decision.PROMOTE),
    (3, 0.95, Decision.PROMOTE), (4, 0.95, Decision.INCONCLUSIVE), (30, 0.5, Decision.HOLD),
])  # fmt: skip
def test_the_share_says_how_many_rows_errors_may_touch_and_those_are_bounded_as_well(failed, share, decision):
    verdict = decide(BASE, [FAILED] * failed + BETTER[failed:], gate(share=share))
    assert verdict.decision is decision
    if verdict.evidence is not None:
        assert verdict.evidence.bounded.errors == (0, failed)


def test_without_any_scored_pair_there_is_nothing_to_compare():
    verdict = decide(BASE, [UNREADABLE] * 60)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "no holdout row has a score of both prompts" in verdict.reasons[0]
    assert decide([], []).reasons == ("[coverage] the holdout has no rows",)


def test_coverage_is_part_of_every_gate():
    with pytest.raises(ValidationError, match="lower its share"):
        Coverage(enabled=False)


# Guards and copying


def test_a_guarded_field_may_not_drop():
    before = evaluation(BASE, fields={"leak": [1.0, 0.9] * 30, "style": [0.2] * 60})
    after = evaluation(BETTER, TUNED, {"leak": [0.5, 0.9] * 30, "style": [0.9] * 60})
    free = decide(before, after)
    guarded = decide(before, after, gate(guards=(Guard(field="leak"),)))
    assert free.decision is Decision.PROMOTE
    assert guarded.decision is Decision.HOLD
    assert "leak changed by -0.250" in guarded.reasons[0]
    assert free.evidence.fields["leak"][:2] == (pytest.approx(0.95), pytest.approx(0.7))


def test_a_guarded_field_is_bounded_where_its_row_is():
    level = {"leak": [0.9] * 60}
    kept = decide(evaluation(BASE, fields=level), evaluation(BETTER, TUNED, level), gate(guards=(Guard(field="leak"),)))
    assert kept.decision is Decision.PROMOTE
    broken = evaluation([UNREADABLE] * 5 + BETTER[5:], TUNED, level)
    verdict = decide(evaluation(BASE, fields=level), broken, gate(guards=(Guard(field="leak"),)))
    assert "leak changed by -0.075" in verdict.reasons[0]


def test_a_guard_on_a_field_that_is_not_reported_blocks():
    verdict = decide(BASE, BETTER, gate(guards=(Guard(field="nowhere"),)))
    assert verdict.decision is Decision.HOLD
    assert "nowhere" in verdict.reasons[0]


ROW_TEXT = "the courier left the parcel with the neighbour at number nine because nobody answered the bell twice"


def test_an_instruction_that_copies_a_row_is_rejected_and_a_train_row_as_demo_is_not():
    corpus = corpus_texts([("t1", "train", {"text": ROW_TEXT}, {"label": "x"})])
    copied = ProgramPrompts((Prompt("p", f"Like: {ROW_TEXT}"),))
    verdict = decide(BASE, BETTER, prompts=(SEED, copied), corpus=corpus)
    assert verdict.decision is Decision.HOLD
    assert "copies 1 corpus rows" in verdict.reasons[0]
    demo = ProgramPrompts((Prompt("p", "Tuned.", ({"text": ROW_TEXT, "label": "x"},)),))
    assert decide(BASE, BETTER, prompts=(SEED, demo), corpus=corpus).decision is Decision.PROMOTE


def test_a_demo_from_the_holdout_is_rejected():
    corpus = corpus_texts([("h1", "holdout", {"text": ROW_TEXT}, {"label": "x"})])
    demo = ProgramPrompts((Prompt("p", "Tuned.", ({"text": ROW_TEXT, "label": "x"},)),))
    assert decide(BASE, BETTER, prompts=(SEED, demo), corpus=corpus).decision is Decision.HOLD


def binary(wins, losses, ties):
    return [0.0] * wins + [1.0] * losses + [1.0] * ties, [1.0] * wins + [0.0] * losses + [1.0] * ties


@pytest.mark.parametrize(
    ("wins", "losses", "ties", "said"),
    [
        (19, 7, 74, "proven above +0.000, its size is not: 0 to +0.221"),
        (25, 5, 70, "proven above +0.000, allowing for the selection it is worth +0.196 (+0.051 to +0.303)"),
        (12, 1, 27, "proven above +0.000, allowing for the selection it is worth +0.000 to +0.437"),
    ],
)
def test_a_promotion_says_what_the_lift_is_worth_after_the_selection(wins, losses, ties, said):
    verdict = decide(*binary(wins, losses, ties))
    assert verdict.decision is Decision.PROMOTE
    assert verdict.reasons[0].endswith(said)
    evidence = verdict.evidence
    assert evidence.adjusted_low <= evidence.low < evidence.delta < evidence.adjusted_high == evidence.high
    assert (evidence.delta_adjusted is None) == (evidence.n < 60)
    assert evidence.delta_adjusted is None or evidence.delta_adjusted < evidence.delta


@pytest.mark.parametrize("rows", [binary(12, 8, 80), ([0.0] * 10 + [1.0] * 2, [1.0] * 12)])
def test_a_lift_that_is_not_proven_has_no_size(rows):
    evidence = decide(*rows).evidence
    assert (evidence.delta_adjusted, evidence.adjusted_low, evidence.adjusted_high) == (None, None, None)
