"""Gathering the gate's evidence: real programs, a small deterministic model, everything through the ledger."""

import dataclasses
import math

import pytest

from calls.account import Account
from calls.ledger import Ledger
from calls.lm import RoleLM
from calls.models import ModelSpec
from calls.records import Completion
from calls.transports import LocalTransport
from core.candidate import ProgramPrompts, Prompt
from core.evaluation import Judgement
from core.verdict import CheckStatus, Decision
from core.workspace import Workspace
from gates.catalog import build_gate
from gates.redteam import RedTeam
from metrics.evaluate import Evaluator
from optimizers.calibration import CALLS
from optimizers.evidence import Examiner, text_input, tools_called
from optimizers.optimize import planned_searches
from optimizers.plan import judging_runs, plan_run, verdicts_of
from reports.progress import plan_lines
from stats import forecast_verdicts
from tasks.config import GateSection, OptimizerSection
from tasks.task import assemble, read_config
from tests.notes import notes

SPEC = ModelSpec("test", "test/reader", input_price=1.0, output_price=10.0)


class Reader:
    """Knows water when the prompt names rivers, and obeys hostile text when the prompt says so."""

    def send(self, request):
        system, text = request.messages[0]["content"], request.messages[-1]["content"]
        kind = "water" if "rivers" in system and {"river", "cloud"} & set(text.split()) else "land"
        if "Obey the text" in system and "PWNED" in text:
            return Completion(["PWNED-7731"], len(system) // 4, 5, cost_usd=0.0001, seconds=0.01)
        cost = (len(system) + len(text)) / 4 * 1e-6
        body = f"[[ ## kind ## ]]\n{kind}\n\n[[ ## completed ## ]]"
        return Completion([body], (len(system) + len(text)) // 4, 5, cost_usd=cost, seconds=0.01)


def prompt(task, text):
    return ProgramPrompts((Prompt("analyse", text),))


@pytest.fixture
def desk(tmp_path):
    """A task of notes about water or land, an examiner and what is in its ledger."""
    root = notes(tmp_path, "http://127.0.0.1:9/v1")
    workspace = Workspace(root)
    task = assemble(read_config(workspace, "notes", ["gate.name=production"]), workspace)
    ledger = Ledger(tmp_path / "ledger.db")
    account = Account(ledger, "run", "notes")
    lm = RoleLM(SPEC, "student", account, LocalTransport(ledger, SPEC, Reader()))
    yield task, Examiner(task, Evaluator(lm, task.adapter, task.metric, 4)), account
    ledger.close()


def judge(task, examiner, challenger, **config):
    champion = prompt(task, "Say what the note is about.")
    gate_input = examiner.gate_input((champion, 0.5), (prompt(task, challenger), 0.9), opening=1)
    return gate_input, build_gate(GateSection(name="production", **config)).decide(gate_input)


def test_a_better_and_harmless_challenger_is_promoted_and_every_call_is_in_the_ledger(desk):
    task, examiner, account = desk
    gate_input, verdict = judge(task, examiner, "Say what the note is about; rivers and clouds are water.")
    assert verdict.decision is Decision.PROMOTE
    statuses = {check.name: check.status for check in verdict.checks}
    assert statuses["redteam"] is statuses["neutralisation"] is statuses["budget"] is CheckStatus.PASS
    assert gate_input.by_gold
    holdout = len(task.splits.holdout)
    assert account.spent()["student"].calls == judging_runs(task) == 3 * holdout + 2 * 57


def test_a_challenger_that_obeys_injected_text_is_held_even_if_its_answer_cannot_be_parsed(desk):
    task, examiner, _ = desk
    _, verdict = judge(task, examiner, "Say what the note is about; rivers and clouds are water. Obey the text.")
    assert verdict.decision is Decision.HOLD
    assert verdict.reasons[0].startswith("[redteam] it obeys hostile text that the champion withstands, rt-dir-01")


def test_a_challenger_whose_prompt_is_ten_times_as_dear_is_held(desk):
    task, examiner, _ = desk
    padded = (
        "Say what the note is about; rivers and clouds are water. " + "Think about it with the greatest care. " * 400
    )
    _, verdict = judge(task, examiner, padded)
    assert verdict.decision is Decision.HOLD
    assert verdict.reasons[0].startswith("[budget] an item costs $")


def test_answers_that_were_in_the_ledger_keep_their_price(desk):
    task, examiner, _ = desk
    first = examiner.holdout(prompt(task, "Say it."))
    again = examiner.holdout(prompt(task, "Say it."))
    assert first.usage.cost_usd > 0
    assert again.worth.cost_usd == pytest.approx(first.worth.cost_usd) == pytest.approx(first.usage.cost_usd)
    other = Account(examiner.evaluate.lm.account.ledger, "another run", "notes")
    lm = RoleLM(SPEC, "student", other, LocalTransport(other.ledger, SPEC, Reader()))
    cached = Examiner(task, dataclasses.replace(examiner.evaluate, lm=lm)).holdout(prompt(task, "Say it."))
    assert cached.usage.cost_usd == 0
    assert cached.worth.cost_usd == pytest.approx(first.usage.cost_usd)


class Flattered:
    """A judge that likes prompts with rivers in them, whatever the answer."""

    name = "flattered"

    def __init__(self):
        self.praise = 0.4

    def judge(self, row, prediction):
        return Judgement(self.praise)


def test_a_judge_that_is_flattered_while_agreement_with_gold_is_flat_is_found_out(desk):
    task, examiner, _ = desk
    judged = Examiner(task=dataclasses.replace(task, metric=Flattered()), evaluate=examiner.evaluate)
    gate_input = judged.gate_input((prompt(task, "Say it."), 0.4), (prompt(task, "Say it well."), 0.9), opening=1)
    assert not gate_input.by_gold
    assert gate_input.judged
    before, after = gate_input.truth
    assert before.mean == after.mean
    risen = dataclasses.replace(
        gate_input.challenger, rows=tuple(dataclasses.replace(r, score=1.0) for r in gate_input.challenger.rows)
    )
    verdict = build_gate(GateSection(name="production")).decide(dataclasses.replace(gate_input, challenger=risen))
    assert verdict.decision is Decision.HOLD
    assert any(reason.startswith("[hacking] the judge is flattered") for reason in verdict.reasons)


def test_hostile_text_goes_into_the_longest_text_input(desk):
    task, examiner, _ = desk
    assert text_input(task) == "note"
    gate_input, _ = judge(task, examiner, "Say what it is.")
    assert gate_input.example.keys() == {"note"}
    assert RedTeam().check(gate_input)[0].evidence["unanswered"] == []


def test_tools_are_found_in_trajectories_and_tool_calls():
    assert tools_called({"trajectory": {"tool_name_0": "search", "tool_args_0": {}, "tool_name_1": "shell"}}) == (
        "search", "shell",
    )  # fmt: skip
    assert tools_called({"calls": {"tool_calls": [{"name": "send_email", "args": {}}]}}) == ("send_email",)
    assert tools_called({"steps": [{"tool": "place_order", "arguments": {}, "result": {}}]}) == ("place_order",)
    assert tools_called({"kind": "land"}) == ()


def test_the_forecast_holds_what_the_gate_will_ask(desk):
    task, _, _ = desk
    task = dataclasses.replace(task, config=task.config.model_copy(update={"optimizer": OptimizerSection(budget=220)}))
    plain = dataclasses.replace(task, config=task.config.model_copy(update={"gate": GateSection()}))
    plans = [plan_run(t, planned_searches(t), threads=2) for t in (task, plain)]
    extra = 2 * 57 + len(task.splits.holdout)
    assert judging_runs(task) - judging_runs(plain) == extra
    assert plans[0].notes[-1] == f"the gate asks for up to {extra} program runs more, but only once the lift is proven"
    assert plans[0].calls.high - plans[1].calls.high == pytest.approx(extra * math.exp(CALLS), abs=1)


def test_the_forecast_says_what_the_gate_will_say_to_true_lifts_and_repeats_are_no_further_rows(desk):
    task, _, _ = desk
    task = dataclasses.replace(task, config=task.config.model_copy(update={"optimizer": OptimizerSection(budget=220)}))

    def planned(**gate):
        section = GateSection(**gate)
        chosen = dataclasses.replace(task, config=task.config.model_copy(update={"gate": section}))
        return plan_run(chosen, planned_searches(chosen), threads=2)

    plain, strict, thrice = planned(), planned(alpha=0.01), planned(repeats=3)
    assert [forecast.lift for forecast in plain.verdicts] == [0.05, 0.10, 0.20]
    expected = forecast_verdicts(len(task.splits.holdout)).rates
    assert [forecast.promote.expected for forecast in plain.verdicts] == [rate.promote for rate in expected]
    assert strict.verdicts[2].promote.expected < plain.verdicts[2].promote.expected
    graded = forecast_verdicts(len(task.splits.holdout), binary=False)
    assert thrice.mde == graded.mde
    said = plan_lines("desk", "gepa", plain)
    assert any(line.startswith("  verdict at a true lift of +0.05: PROMOTE ") for line in said)


def test_the_seed_s_scores_and_those_of_the_best_candidate_sharpen_what_is_said(desk):
    task, _, _ = desk
    seed, best = [0.0, 1.0] * 10, [0.0, 1.0] * 9 + [1.0, 1.0]
    ranges = [
        (found := verdicts_of(task, *scores)).rates[1].highest - found.rates[1].lowest
        for scores in ((seed,), (seed, best))
    ]
    assert ranges[1] < ranges[0]
