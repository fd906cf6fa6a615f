"""The holdout gate: what it promotes, what it refuses, and what it says."""

import pytest

from core.candidate import ProgramPrompts, Prompt
from core.evaluation import Evaluation, RowResult, RowStatus
from core.verdict import CheckStatus, Decision
from gates.copying import corpus_texts
from gates.holdout import Guard, HoldoutGate

SEED = ProgramPrompts((Prompt("p", "Seed."),))
TUNED = ProgramPrompts((Prompt("p", "Tuned."),))


def evaluation(scores, prompts=SEED, fields=None):
    rows = []
    for index, score in enumerate(scores):
        if score is None:
            rows.append(RowResult(f"r{index}", RowStatus.LM_ERROR, error="timeout"))
        else:
            breakdown = {name: values[index] for name, values in (fields or {}).items()}
            rows.append(RowResult(f"r{index}", RowStatus.OK, score, breakdown))
    return Evaluation("holdout", prompts.hash, tuple(rows))


def decide(before, after, gate=None, **options):
    return (gate or HoldoutGate()).decide(evaluation(before), evaluation(after, TUNED), SEED, TUNED, **options)


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
    assert "lift +0.200" in verdict.reasons[0]


def test_the_same_prompt_is_held_without_any_evidence():
    verdict = HoldoutGate().decide(evaluation(BASE), evaluation(BETTER), SEED, SEED)
    assert verdict.decision is Decision.HOLD
    assert verdict.evidence is None
    assert "holdout stays closed" in verdict.reasons[0]


def test_a_worse_prompt_is_held():
    assert decide(BETTER, BASE).decision is Decision.HOLD


def test_a_small_positive_lift_with_much_noise_is_inconclusive_and_says_how_many_rows_would_settle_it():
    after = [b + d for b, d in zip(BASE, [0.4, -0.3, 0.3, -0.2, 0.0] * 12, strict=True)]
    verdict = decide(BASE, after)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "rows would settle" in verdict.reasons[-1]


def test_a_lift_of_next_to_nothing_is_inconclusive_and_is_not_worth_more_rows():
    after = [b + d for b, d in zip(BASE, [0.2, -0.2, 0.1, -0.1, 0.00001] * 12, strict=True)]
    verdict = decide(BASE, after)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "no number of rows worth paying for would settle a lift as small as +2e-06" in verdict.reasons[-1]


def test_identical_scores_on_every_row_are_held():
    verdict = decide(BASE, BASE)
    assert verdict.decision is Decision.HOLD


def test_identical_lifts_have_no_width_and_are_not_promoted():
    verdict = decide([0.25] * 20, [0.5] * 20)
    assert verdict.decision is not Decision.PROMOTE


def test_a_failed_row_makes_the_evidence_unequal():
    verdict = decide([*BASE[:-1], None], BETTER)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.checks[0].status is CheckStatus.NOT_EVALUATED
    assert "r59" in verdict.reasons[0]
    assert "timeout" in verdict.reasons[0]


def test_unpaired_rows_are_refused():
    with pytest.raises(ValueError, match="unpaired"):
        HoldoutGate().decide(evaluation(BASE), evaluation(BETTER[:-1]), SEED, TUNED)


def test_three_rows_cannot_decide():
    verdict = decide([0.1, 0.2, 0.3], [0.9, 0.8, 0.7])
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "needed" in verdict.reasons[0]


def test_the_lift_must_exceed_the_margin():
    assert decide(BASE, BETTER, HoldoutGate(margin=0.1)).decision is Decision.PROMOTE
    assert decide(BASE, BETTER, HoldoutGate(margin=0.2)).decision is not Decision.PROMOTE


def test_every_further_opening_asks_for_more():
    before, after = [0.5] * 24, [0.6, 0.7, 0.5, 0.6, 0.8, 0.5, 0.7, 0.6, 0.5, 0.55, 0.7, 0.6] * 2
    first, tenth = decide(before, after, opening=1), decide(before, after, opening=10)
    assert first.evidence.alpha == pytest.approx(0.05)
    assert tenth.evidence.alpha == pytest.approx(0.0005)
    assert tenth.evidence.low < first.evidence.low


def test_a_guarded_field_may_not_drop():
    before = evaluation(BASE, fields={"leak": [1.0, 0.9] * 30, "style": [0.2] * 60})
    after = evaluation(BETTER, TUNED, {"leak": [0.5, 0.9] * 30, "style": [0.9] * 60})
    free = HoldoutGate().decide(before, after, SEED, TUNED)
    guarded = HoldoutGate(guards=(Guard("leak"),)).decide(before, after, SEED, TUNED)
    assert free.decision is Decision.PROMOTE
    assert guarded.decision is Decision.HOLD
    assert "leak changed by -0.250" in guarded.reasons[0]
    assert free.evidence.fields["leak"][:2] == (pytest.approx(0.95), pytest.approx(0.7))


def test_a_guard_on_a_field_that_is_not_reported_blocks():
    verdict = decide(BASE, BETTER, HoldoutGate(guards=(Guard("nowhere"),)))
    assert verdict.decision is Decision.HOLD
    assert "nowhere" in verdict.reasons[0]


ROW_TEXT = "the courier left the parcel with the neighbour at number nine because nobody answered the bell twice"


def test_an_instruction_that_copies_a_row_is_rejected_and_a_train_row_as_demo_is_not():
    corpus = corpus_texts([("t1", "train", {"text": ROW_TEXT}, {"label": "x"})])
    copied = ProgramPrompts((Prompt("p", f"Like: {ROW_TEXT}"),))
    verdict = HoldoutGate().decide(evaluation(BASE), evaluation(BETTER, copied), SEED, copied, corpus=corpus)
    assert verdict.decision is Decision.HOLD
    assert "copies 1 corpus rows" in verdict.reasons[0]
    demo = ProgramPrompts((Prompt("p", "Tuned.", ({"text": ROW_TEXT, "label": "x"},)),))
    verdict = HoldoutGate().decide(evaluation(BASE), evaluation(BETTER, demo), SEED, demo, corpus=corpus)
    assert verdict.decision is Decision.PROMOTE


def test_a_demo_from_the_holdout_is_rejected():
    corpus = corpus_texts([("h1", "holdout", {"text": ROW_TEXT}, {"label": "x"})])
    demo = ProgramPrompts((Prompt("p", "Tuned.", ({"text": ROW_TEXT, "label": "x"},)),))
    verdict = HoldoutGate().decide(evaluation(BASE), evaluation(BETTER, demo), SEED, demo, corpus=corpus)
    assert verdict.decision is Decision.HOLD


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
