"""The gate's input: everything that is known about champion and challenger once the holdout is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import dspy
from pydantic import ValidationError

from calls.failures import describe_error
from calls.meter import Meter
from core.candidate import ProgramPrompts
from core.errors import StoreError
from core.evaluation import Evaluation, RowResult, RowStatus, Usage, total
from core.verdict import Decision, Verdict
from data.corpus import Row
from gates.catalog import build_gate
from gates.constant import NoConstantError, best_constant, constant_evaluation
from gates.copying import corpus_texts
from gates.gate import GateInput, Reply
from gates.records import Record, row_records
from metrics.catalog import gold_agreement
from metrics.evaluate import Evaluator
from metrics.field_agreement import FieldAgreement
from metrics.metric import Metric, produced
from optimizers.plan import judging_runs
from programs.prompts import apply_prompts
from tasks.config import TaskConfig
from tasks.open_run import OpenRun
from tasks.task import Task
from tracking.events import EventKind
from tracking.store import OUTCOMES, Store


@dataclass(frozen=True)
class Examiner:
    """Runs a task's program with any prompts through one evaluator, and so through the ledger.

    Attributes:
        task: The task.
        evaluate: How rows are run and judged.
    """

    task: Task
    evaluate: Evaluator

    def holdout(self, prompts: ProgramPrompts) -> Evaluation:
        """Score prompts on the holdout rows, each run as often as the task's gate says.

        Raises:
            ModelError: If too many rows fail by the model's fault.
            BudgetError: If the budget is used up.
        """
        evaluate = replace(self.evaluate, repeats=self.task.config.gate.repeats)
        program = apply_prompts(self.task.program, prompts)
        return evaluate(program, self.task.splits.holdout, split="holdout", program_hash=prompts.hash)

    def ask(self, prompts: ProgramPrompts, inputs: Mapping[str, Any], repeat: int = 0) -> Reply:
        """What the program answers to any inputs; an answer that could not be parsed counts as it was written.

        Raises:
            Halt: If the run has to end.
        """
        program = apply_prompts(self.task.program, prompts)
        with (
            Meter.row("", repeat),
            dspy.context(lm=self.evaluate.lm, adapter=self.evaluate.adapter, trace=[], max_trace_size=0),
        ):
            try:
                values = produced(program(**inputs))
            except dspy.AdapterParseError as failure:
                return Reply(str(failure.lm_response or ""))
            except Exception as failure:  # noqa: BLE001 - a program is anybody's code; what it raised is stored
                return Reply("", error=f"{type(failure).__name__}: {describe_error(failure)}")
        return Reply(_text(values), tools_called(values))

    def gate_input(
        self,
        champion: tuple[ProgramPrompts, float | None],
        challenger: tuple[ProgramPrompts, float | None],
        *,
        opening: int,
        records: tuple[Record, ...] = (),
    ) -> GateInput:
        """Score both on the holdout and gather all evidence.

        Args:
            champion: The champion's prompts and its mean on the search's rows.
            challenger: The same of the challenger.
            opening: How many times the holdout has been opened, this one included.
            records: What was judged before, oldest first.
        """
        before, after = self.holdout(champion[0]), self.holdout(challenger[0])
        known = known_evidence(
            self.task, (before, *champion), (after, *challenger), opening=opening, records=records, spent=self._spent()
        )
        return replace(known, ask=self.ask, rescore=self.holdout, threads=self.evaluate.threads)

    def _spent(self) -> Usage:
        return total(self.evaluate.lm.account.spent().values())


Side = tuple[ProgramPrompts, float | None]
"""A prompt and its mean on the search's rows, where that is known."""


def decide(run: OpenRun, champion: Side, challenger: Side, *, owner: str | None = None) -> tuple[GateInput, Verdict]:
    """Open the holdout, score both prompts on it, and let the task's gate decide.

    Args:
        run: The run that asks; the opening and the calls are on its record.
        champion: The prompt in use.
        challenger: What may replace it.
        owner: The run whose prompt the challenger is, when not this one.

    Raises:
        ModelError: If too many rows fail by the model's fault.
        BudgetError: If the budget is used up.
    """
    task = run.task
    gate = build_gate(task.config.gate, task.root)
    run.progress.phase("holdout and gate", judging_runs(task) * len(champion[0].prompts), last=True)
    opening = run.open_holdout(challenger[0].hash, owner)
    watched = task.config.metric.name != "field_agreement"
    records = recent_records(run.store, task.name, without=run.id) if watched else ()
    evidence = Examiner(task, run.evaluate).gate_input(champion, challenger, opening=opening, records=records)
    return evidence, gate.decide(evidence)


def known_evidence(
    task: Task,
    champion: tuple[Evaluation, ProgramPrompts, float | None],
    challenger: tuple[Evaluation, ProgramPrompts, float | None],
    *,
    opening: int,
    records: tuple[Record, ...] = (),
    spent: Usage | None = None,
) -> GateInput:
    """The gate's input as far as it needs no model; the same from the rows of a stored run as from those just scored.

    Args:
        task: The task, with its rows.
        champion: The champion on the holdout rows, its prompts and its mean on the search's rows.
        challenger: The same of the challenger.
        opening: How many times the holdout had been opened.
        records: What was judged before, oldest first.
        spent: What the run had paid.
    """
    before, after = champion[0], challenger[0]
    splits = {"train": task.splits.train, "dev": task.splits.dev, "holdout": task.splits.holdout}
    constant = task.config.gate.beat_constant and not task.judges  # to a judge it is one more text to be paid for
    answer, no_constant = None, ""
    try:
        answer = best_constant(task.metric, task.splits.train) if constant else None
    except NoConstantError as error:
        no_constant = str(error)
    judged = not isinstance(task.metric, FieldAgreement)
    return GateInput(
        champion=before,
        challenger=after,
        champion_prompts=champion[1],
        challenger_prompts=challenger[1],
        search=(champion[2], challenger[2]),
        corpus=corpus_texts((r.id, name, r.inputs, r.gold) for name, rows in splits.items() for r in rows),
        constant=constant_evaluation(task.metric, answer, task.splits.holdout, "holdout") if answer else None,
        no_constant=no_constant,
        opening=opening,
        spent=spent,
        by_gold=not judged,
        truth=_truth(task, before, after) if judged else None,
        judged=judged,
        kind=_kind(task.config),
        records=records,
        example=dict(task.splits.train[0].inputs),
        text_input=text_input(task),
    )


def _truth(task: Task, before: Evaluation, after: Evaluation) -> tuple[Evaluation, Evaluation] | None:
    """Agreement with gold of what both have answered; calls no model. None when the task names no outputs."""
    if not task.config.outputs:
        return None
    metric = gold_agreement(task.config.outputs)
    return rejudged(metric, before), rejudged(metric, after)


def recent_records(
    store: Store, task: str, *, without: str = "", runs: int = 5, until: int | None = None
) -> tuple[Record, ...]:
    """What judge or own metric said of both prompts on the holdouts of a task's latest finished runs, oldest first.

    Args:
        store: Where the runs are.
        task: Its name.
        without: The run that is at work.
        runs: How many runs count.
        until: The event before which runs had to have their outcome, because clocks differ; now when None.
    """
    finished = [
        run
        for run in store.runs(task, limit=50 if until is None else None, kinds=OUTCOMES)
        if run.run_id != without and _decided(store, run.run_id, until)
    ][:50]
    records: list[Record] = []
    for run in reversed(finished[:runs]):
        try:
            outcome, config = store.optimization(run.run_id), _config(store, run.run_id)
        except StoreError:  # not a valid record any more, as `verify` tells: it says nothing about this prompt
            continue
        promoted = outcome.verdict.decision is Decision.PROMOTE
        for judged, counts in ((outcome.holdout_baseline, False), (outcome.holdout_candidate, promoted)):
            if judged is None:
                continue
            truth = rejudged(gold_agreement(config.outputs), judged) if config and config.outputs else None
            found = row_records(judged, truth, kind=_kind(config) if config else None)
            records += [replace(record, promoted=counts) for record in found]
    return tuple(records)


def _decided(store: Store, run_id: str, until: int | None) -> bool:
    """Whether a run has its outcome; before an event, where one is given."""
    if until is None:
        return store.has(run_id, EventKind.FINISHED)
    last = store.last(run_id, EventKind.FINISHED)
    return last is not None and last.seq < until


def _config(store: Store, run_id: str) -> TaskConfig | None:
    """What a run was started with; None when it is of an older form, and then nothing is known of its gold."""
    try:
        return TaskConfig.model_validate(store.started(run_id).config)
    except ValidationError:
        return None


def _kind(config: TaskConfig) -> str | None:
    """The output that says what kind of row it is: the first categorical one."""
    return next((name for name, spec in config.outputs.items() if spec.values is not None), None)


def rejudged(metric: Metric, evaluation: Evaluation) -> Evaluation:
    """The same predictions under another metric; a prediction it cannot judge keeps the error instead of a score."""
    return replace(evaluation, rows=tuple(_rejudge(metric, row) for row in evaluation.rows))


def _rejudge(metric: Metric, result: RowResult) -> RowResult:
    if result.status is not RowStatus.OK:
        return result
    try:
        judgement = metric.judge(Row(result.row_id, result.inputs, result.gold), dict(result.prediction))
    except Exception as error:  # noqa: BLE001 - what was raised is stored
        return RowResult(result.row_id, RowStatus.METRIC_ERROR, error=f"metric {metric.name}: {describe_error(error)}")
    return RowResult(result.row_id, RowStatus.OK, judgement.score, dict(judgement.fields))


def text_input(task: Task) -> str:
    """The input that carries the text: the one of type text whose values are longest, else the longest at all."""
    rows = task.splits.train
    lengths = {name: sum(len(str(row.inputs.get(name, ""))) for row in rows) for name in rows[0].inputs}
    texts = [name for name, spec in task.config.inputs.items() if spec.type == "text" and name in lengths]
    return max(texts or lengths, key=lambda name: lengths[name])


def tools_called(values: Any) -> tuple[str, ...]:
    """Names of tools in what a program produced: a ReAct trajectory, DSPy's tool calls, or an agent's steps."""
    found: list[str] = []
    if isinstance(values, Mapping):
        for key, value in values.items():
            step = key == "tool" and "arguments" in values
            if (step or str(key).startswith("tool_name")) and isinstance(value, str):
                found.append(value)
            elif key == "tool_calls" and isinstance(value, (list, tuple)):
                found += [str(call["name"]) for call in value if isinstance(call, Mapping) and "name" in call]
            else:
                found += tools_called(value)
    elif isinstance(values, (list, tuple)):
        for item in values:
            found += tools_called(item)
    return tuple(found)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(_text(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return "\n".join(_text(item) for item in value)
    return value if isinstance(value, str) else str(value)
