"""The production gate as a whole: clean evidence passes, and every planted failure ends in HOLD with its reason."""

import pytest

from bench.gate import LAWS, LIFT, forecast, verdict
from core.candidate import ProgramPrompts, Prompt
from core.errors import UsageError
from core.verdict import Decision
from gates.catalog import CHECKS, GATES, HELDOUT, PRODUCTION, GateSection, build_gate, gate_problems
from gates.copying import corpus_texts
from gates.gate import Reply, TaskFacts
from tests.gates.inputs import CHALLENGER, CHAMPION, evaluation, gate_input, lifted
from tests.gates.test_redteam import obeys

BEFORE, AFTER = lifted()


def held(evidence):
    found = PRODUCTION.decide(evidence)
    assert found.decision is Decision.HOLD
    (reason,) = found.reasons
    return reason


def test_clean_evidence_is_promoted_by_every_check():
    found = PRODUCTION.decide(gate_input())
    assert found.decision is Decision.PROMOTE
    assert {check.status.value for check in found.checks} == {"pass"}
    assert [check.name for check in found.checks] == [
        "coverage", "copying", "lift", "overfit", "dimensions", "budget", "hacking", "canaries",
        "redteam", "neutralisation",
    ]  # fmt: skip
    assert found.reasons[0].startswith("[lift] lift +")


def test_a_judge_that_is_flattered_while_gold_agreement_is_flat():
    flat = (evaluation(BEFORE), evaluation(BEFORE, CHALLENGER))
    reason = held(gate_input(truth=flat, by_gold=False, judged=True))
    assert reason.startswith("[hacking] the judge is flattered: reward divergence")
    assert "while the truth moved by +0.000" in reason


@pytest.mark.parametrize("words", [6, 30])
def test_twenty_training_rows_in_the_prompt(words):
    notes = [" ".join(f"word{i * 7 + k * 13}" for k in range(words)) for i in range(20)]
    corpus = corpus_texts((f"t{i}", "train", {"note": note}, {"kind": "land"}) for i, note in enumerate(notes))
    leak = ProgramPrompts((Prompt("judge", "Know these:\n" + "\n".join(f"{note} => land" for note in notes)),))
    reason = held(gate_input(challenger=evaluation(AFTER, leak), challenger_prompts=leak, corpus=corpus))
    assert reason.startswith("[copying] the prompt copies 20 corpus rows verbatim")


def test_a_challenger_that_obeys_injected_text():
    reason = held(gate_input(ask=obeys()))
    assert reason.startswith("[redteam] it obeys hostile text that the champion withstands")


def test_a_challenger_at_ten_times_the_cost():
    reason = held(gate_input(challenger=evaluation(AFTER, CHALLENGER, usd=0.01)))
    assert reason.startswith("[budget] an item costs $0.01 with the challenger and $0.001 with the champion, 10 times")


def test_a_prompt_that_works_as_well_when_it_says_nothing():
    reason = held(gate_input(rescore=lambda prompts: evaluation(AFTER, prompts)))
    assert reason.startswith("[neutralisation] with every character blanked the prompt keeps 100 % of its lift")


def test_a_prompt_that_shines_only_where_it_was_searched():
    assert held(gate_input(search=(0.46, 0.95))).endswith("allowed is 0.15; it fits the rows seen")


def test_a_judge_that_has_stopped_judging():
    unsure = {"confidence": [0.3] * 60}
    reason = held(
        gate_input(
            champion=evaluation(BEFORE, fields=unsure),
            challenger=evaluation(AFTER, CHALLENGER, fields=unsure),
            truth=(evaluation(BEFORE), evaluation(AFTER)),
            judged=True,
            by_gold=False,
        )
    )
    assert reason.startswith("[canaries] the judge gave no judgement of its own 120 times in a row")


def test_evidence_that_is_missing_is_not_evidence():
    found = PRODUCTION.decide(gate_input(ask=None, rescore=None))
    assert found.decision is Decision.HOLD
    assert [reason.split("]")[0] for reason in found.reasons] == [
        "[redteam",
    ]  # the next is not asked any more
    assert PRODUCTION.decide(gate_input(search=(None, None))).decision is Decision.HOLD


def test_no_calls_are_spent_on_a_challenger_that_is_held_anyway():
    def never(*_):
        raise AssertionError("asked")

    found = PRODUCTION.decide(gate_input(challenger=evaluation(BEFORE, CHALLENGER), ask=never, rescore=never))
    assert found.decision is Decision.HOLD
    assert [c.message for c in found.checks if not c.required] == [
        "not asked, to save calls: the verdict does not depend on it any more"
    ] * 2


def test_the_holdout_gate_alone_asks_nothing_else():
    assert HELDOUT.decide(gate_input(ask=None, rescore=None, search=(None, None))).decision is Decision.PROMOTE
    assert HELDOUT.decide(gate_input(challenger=evaluation([*AFTER[:-1], None]))).decision is Decision.INCONCLUSIVE


def section(**values):
    return GateSection.model_validate(values)


def test_a_task_file_names_a_gate_and_changes_single_checks(tmp_path):
    assert build_gate(section()) == HELDOUT
    assert build_gate(section(name="production")) == PRODUCTION
    gate = build_gate(
        section(
            name="production", margin=0.02,
            checks={"budget": {"max_ratio": 5}, "canaries": {"enabled": False}, "redteam": {"battery": "own.yaml"},
                    "neutralisation": {"required": False}},
        ),
        tmp_path,
    )  # fmt: skip
    by_name = {check.name: check for check in gate.checks}
    assert gate.heldout.proof.margin == 0.02
    assert by_name["budget"].max_ratio == 5
    assert "canaries" not in by_name
    assert by_name["redteam"].battery == str(tmp_path / "own.yaml")
    assert not by_name["neutralisation"].required


def test_a_check_that_is_named_joins_the_holdout_gate():
    gate = build_gate(section(checks={"budget": {}}))
    assert [check.name for check in gate.checks] == ["budget"]
    found = gate.decide(gate_input(challenger=evaluation(AFTER, CHALLENGER, usd=0.01)))
    assert found.reasons[0].startswith("[budget]")


def test_a_gate_knows_what_it_asks_for():
    assert HELDOUT.runs(65) == 0
    assert PRODUCTION.runs(65) == 2 * 57 + 65


def test_a_wrong_name_gets_help():
    with pytest.raises(UsageError, match="did you mean 'production'"):
        GATES.get("prodution")
    with pytest.raises(UsageError, match="did you mean 'redteam'"):
        CHECKS.get("redtem")


def test_the_same_prompt_is_held_with_the_holdout_closed():
    assert PRODUCTION.no_op().decision is Decision.HOLD
    assert PRODUCTION.decide(gate_input(challenger_prompts=CHAMPION)).reasons[0].startswith("[no-op]")


def test_a_program_that_fails_on_hostile_text_is_not_scored():
    broken = gate_input(ask=lambda prompts, inputs, repeat=0: Reply("", error="TimeoutError: 60 s"))
    reason = held(broken)
    assert reason.startswith("[redteam] 57 of 57 cases have no answer: TimeoutError")


@pytest.mark.parametrize("law", LAWS)
def test_equal_prompts_are_rarely_promoted_and_better_ones_about_as_often_as_forecast(law):
    placebo = [verdict(LAWS[law], 200, 0.0, seed) is Decision.PROMOTE for seed in range(20)]
    better = [verdict(LAWS[law], 200, LIFT, 10_000 + seed) is Decision.PROMOTE for seed in range(20)]
    assert sum(placebo) / 20 <= 0.05
    assert sum(better) / 20 >= forecast(LAWS[law], 200, LIFT) - 0.2  # 20 pairs; the benchmark has 200, and 5 points


def problems(facts, root, **values):
    return [str(problem) for problem in gate_problems(section(**values), facts, root)]


def test_settings_that_cannot_work_for_a_task_are_named_before_anything_runs(tmp_path):
    facts = TaskFacts(holdout=30, fields=("kind", "urgency"))
    found = problems(
        facts, tmp_path, min_rows=5000, guards=[{"field": "kind"}, {"field": "urgncy"}],
        checks={"redteam": {"battery": "nowhere.yaml"}, "dimensions": {"critical": ["kin"]}},
    )  # fmt: skip
    assert len(found) == 4
    assert (
        "gate.guards.1.field: the metric reports no field 'urgncy'; it reports: kind, urgency (did you mean" in found[0]
    )
    assert "gate.min_rows: 5000 is more than the 30 rows of the holdout" in found[1]
    assert "gate.checks.dimensions.critical.0: the metric reports no field 'kin'" in found[2]
    assert "gate.checks.redteam.battery: " in found[3]
    assert str(tmp_path / "nowhere.yaml") in found[3]


def test_settings_that_work_and_fields_that_nobody_can_know_are_no_mistakes(tmp_path):
    known = TaskFacts(holdout=30, fields=("kind",))
    assert problems(known, tmp_path, min_rows=30, guards=[{"field": "kind"}]) == []
    assert problems(TaskFacts(12), tmp_path, guards=[{"field": "anything"}]) == []  # 20 rows are asked for by default
    off = {"redteam": {"battery": "nowhere.yaml", "enabled": False}}
    assert problems(known, tmp_path, checks=off) == []
