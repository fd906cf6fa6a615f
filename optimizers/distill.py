"""Distilling a teacher into a prompt, for scripts: gold, agreement and the run itself, over the one main job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from calls.account import Account, Halt
from calls.ledger import Ledger
from calls.lm import build_lm
from calls.models import find_model, load_models
from calls.wire import with_known_price
from core.economy import Distillation, Transfer
from core.errors import ProvenError
from core.optimization import Optimization
from core.verdict import Decision, Verdict
from core.workspace import Workspace
from optimizers import OPTIMIZERS
from optimizers.optimize import Environment, optimize, options_of
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
from tasks.task import Task, assemble, policy_of, student_evaluator
from tasks.teaching import teacher_facts

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
    environment: Environment,
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
    task = assemble(config, workspace)
    if comparator is not None:
        task, environment = replace(task, metric=build_agreement_judge(comparator)), replace(environment, new=True)
    done = optimize(task, OPTIMIZERS.get(config.optimizer.name), options_of(task), environment)
    before, after = done.holdout_baseline, done.holdout_candidate
    return Distilled(
        winner="\n\n".join(prompt.instruction for prompt in done.winner.prompts),
        before=before.mean if before else None,
        after=after.mean if after else None,
        verdict=done.verdict,
        outcome=done,
        study=conclude(workspace, task, done, environment.ledger),
    )


def conclude(workspace: Workspace, task: Task, done: Optimization, ledger: Ledger) -> Distillation:
    """What the report of a distillation needs beside the outcome.

    The winner's prompt is evaluated on the holdout rows with each further model of ``distillation.transfer``, within
    the run's own budget. It decides nothing: a model that fails is reported as such. A holdout that the run left closed
    stays closed.
    """
    wanted = task.config.distillation.transfer if task.config.distillation else ()
    transfers = tuple(_transfer(workspace, task, done, model, ledger) for model in wanted)
    return Distillation(teacher_facts(task.corpus.rows), transfers)


def _transfer(workspace: Workspace, task: Task, done: Optimization, model: str, ledger: Ledger) -> Transfer:
    if done.holdout_candidate is None:
        return Transfer(model, None, "the run left the holdout closed, and so does this")
    account = Account(ledger, done.run_id, task.name, policy_of(task))
    try:
        spec = with_known_price(find_model(model, load_models(workspace.models)))
        lm = build_lm(spec, "transfer", account)
        evaluate = student_evaluator(task, account, lm, repeats=task.config.gate.repeats)
        program = apply_prompts(task.program, done.winner)
        found = evaluate(program, task.splits.holdout, split="holdout", program_hash=done.winner.hash)
        return Transfer(model, found)
    except Halt as halt:
        return Transfer(model, None, halt.cause.message)
    except ProvenError as error:
        return Transfer(model, None, error.message)
    finally:
        account.close()
