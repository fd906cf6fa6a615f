"""Distilling a teacher into a prompt, for scripts: gold, agreement and the run itself, over the one main job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from calls.failures import Halt
from calls.lm import build_lm
from calls.models import find_model, load_models
from calls.wire import with_known_price
from core.economy import Distillation, Transfer
from core.errors import ProvenError
from core.optimization import Optimization
from core.verdict import Decision, Verdict
from core.workspace import Workspace
from optimizers.optimize import optimize, purpose_of
from programs.prompts import apply_prompts
from tasks.distill_task import (
    AgreementJudge,
    Comparator,
    DistillSpec,
    GoldSplit,
    build_agreement_judge,
    distillation_config,
    field_agreement,
    load_gold_scenarios,
    parse_gold_jsonl,
    split_gold,
)
from tasks.open_run import OpenRun, RunOptions, open_run
from tasks.task import Task, assemble, student_evaluator
from tasks.teaching import teacher_facts
from tracking.events import EventKind

__all__ = [
    "AgreementJudge",
    "DistillSpec",
    "Distilled",
    "GoldSplit",
    "build_agreement_judge",
    "conclude",
    "field_agreement",
    "load_gold_scenarios",
    "parse_gold_jsonl",
    "run_distillation",
    "split_gold",
]


@dataclass(frozen=True)
class Distilled:
    """The winning prompt and what it has shown; agreement is None where the holdout stayed closed."""

    winner: str
    before: float | None
    after: float | None
    verdict: Verdict
    outcome: Optimization
    study: Distillation

    @property
    def decision(self) -> Decision:
        """The gate's answer."""
        return self.verdict.decision


def run_distillation(
    gold: str | Path,
    spec: DistillSpec,
    *,
    workspace: Workspace,
    options: RunOptions | None = None,
    comparator: Comparator | None = None,
) -> Distilled:
    """Tune the student's prompt towards the gold verdicts and let the gate decide; nothing is exported.

    Labels are compared field by field, by ``spec.metric``, or by a ``comparator`` of one's own: (gold label, produced
    label) -> agreement in [0, 1]. A run with a comparator is never continued, because a function has no identity that
    could be compared with the interrupted run's.

    Raises:
        DataError: If the gold cannot be used.
        UsageError: If a flag cannot be kept.
        ModelError: If a model is unreachable.
    """
    path = Path(gold).resolve()
    config = distillation_config(load_gold_scenarios(path), spec, gold=path, corpus_path=str(path))
    task, options = assemble(config, workspace), options or RunOptions()
    if comparator is not None:
        task, options = compared_by(task, comparator), replace(options, new=True)
    with open_run(workspace, task, purpose_of(task), options) as run:
        done = optimize(run)
        study = conclude(run, done)
    return distilled(done, study)


def compared_by(task: Task, comparator: Comparator) -> Task:
    """The task, judged by a comparator of labels instead of its own metric."""
    return replace(task, metric=build_agreement_judge(comparator))


def distilled(done: Optimization, study: Distillation) -> Distilled:
    """The outcome of a distillation in short."""
    before, after = done.holdout_baseline, done.holdout_candidate
    return Distilled(
        winner="\n\n".join(prompt.instruction for prompt in done.winner.prompts),
        before=before.mean if before else None,
        after=after.mean if after else None,
        verdict=done.verdict,
        outcome=done,
        study=study,
    )


def conclude(run: OpenRun, done: Optimization) -> Distillation:
    """What the report of a distillation needs beside the outcome; stored with the run.

    The winner's prompt is evaluated on the holdout rows with each further model of ``distillation.transfer``, within
    the run's own budget. It decides nothing: a model that fails is reported as such. A holdout that the run left closed
    stays closed.
    """
    section = run.task.config.distillation
    transfers = tuple(_transfer(run, done, model) for model in (section.transfer if section else ()))
    study = Distillation(teacher_facts(run.task.corpus.rows), transfers)
    run.record.emit(EventKind.DISTILLATION, study)
    return study


def _transfer(run: OpenRun, done: Optimization, model: str) -> Transfer:
    task = run.task
    if done.holdout_candidate is None:
        return Transfer(model, None, "the run left the holdout closed, and so does this")
    try:
        spec = with_known_price(find_model(model, load_models(run.place.models)))
        lm = build_lm(spec, "transfer", run.account)
        evaluate = student_evaluator(task, run.account, lm, repeats=task.config.gate.repeats)
        program = apply_prompts(task.program, done.winner)
        found = evaluate(program, task.splits.holdout, split="holdout", program_hash=done.winner.hash)
        return Transfer(model, found)
    except Halt as halt:
        return Transfer(model, None, halt.cause.message)
    except ProvenError as error:
        return Transfer(model, None, error.message)
