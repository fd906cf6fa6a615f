"""``optimize`` and ``eval``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from rich.console import Console

from calls.ledger import Ledger
from commands.session import (
    Finish,
    as_sets,
    calls,
    code_version,
    may_spend,
    open_store,
    open_task,
    opened_account,
    provenance_path,
    read_provenance,
    tracking,
)
from core.candidate import Candidate, ProgramPrompts
from core.economy import Distillation
from core.errors import BudgetError, UsageError
from core.evaluation import Evaluation, RowStatus
from core.files import write_text
from core.optimization import Optimization, Plan
from core.plain import from_json, to_json
from core.verdict import Decision
from core.workspace import Workspace
from optimizers import OPTIMIZERS
from optimizers.distill import conclude
from optimizers.judge_check import check_references
from optimizers.optimize import Environment, forecast, identity, optimize, options_of
from programs.prompts import apply_prompts, read_prompts
from reports import optimization_report, print_report, render_html
from reports.distillation_page import closing_commands, closing_lines, economy
from reports.progress import LiveProgress, plan_lines
from tasks.config import TaskConfig
from tasks.task import Task, assemble, check_caps, student_evaluator
from tracking.events import EventKind
from tracking.run import new_run_id
from tracking.store import UNFINISHED, Store

STRICT_CODES = {Decision.PROMOTE: 0, Decision.HOLD: 1, Decision.INCONCLUSIVE: 2}


@dataclass(frozen=True)
class OutputOptions:
    """How a person wants a run to behave; none of it changes the result."""

    command: str
    as_json: bool = False
    strict: bool = False
    yes: bool = False
    new: bool = False
    workspace: str | None = None
    """The folder that was named, for commands that are shown."""


def run_optimize(
    workspace: Workspace,
    name: str,
    *,
    flags: Mapping[str, Any],
    sets: Sequence[str],
    baseline: str | None,
    dry_run: bool,
    manner: OutputOptions,
    finish: Finish,
) -> None:
    """Run the main job and show its report."""
    task = open_task(workspace, name, [*sets, *as_sets(flags)])
    check_references(task)
    store = open_store(workspace, task)
    task = task.starting_from(baseline_of(store, task, baseline))
    if dry_run:
        _dry_run(workspace, task, manner, finish)
    run_task(workspace, task, store, manner, finish)


def run_resume(
    workspace: Workspace, run: str, *, flags: Mapping[str, Any], manner: OutputOptions, finish: Finish
) -> None:
    """Continue a run that did not finish, with the configuration it was started with."""
    found = open_store(workspace)
    summary = found.run(run)
    if summary.state not in UNFINISHED:
        raise UsageError(f"run {summary.run_id} is {summary.state}; there is nothing to continue")
    start = found.started(summary.run_id)
    caps = {key.removeprefix("run."): value for key, value in flags.items() if value is not None}
    config = TaskConfig.model_validate(start.config)
    config = config.model_copy(update={"run": config.run.model_copy(update=caps)})
    load_dotenv(workspace.root / ".env", override=False)
    task = assemble(config, workspace)
    found.close()
    store = open_store(workspace, task)
    optimizer = OPTIMIZERS.get(task.config.optimizer.name)
    now = identity(task, optimizer)
    seed = next((from_json(Candidate, e.payload) for e in store.events(summary.run_id, kind=EventKind.CANDIDATE)), None)
    if now != dict(start.identity) and seed is not None:  # it may have started from a champion
        task = task.starting_from(seed.prompts)
        now = identity(task, optimizer)
    if now != dict(start.identity):
        changed = [
            f"{part}: {start.identity.get(part)} -> {now.get(part)}"
            for part in sorted({*now, *start.identity})
            if now.get(part) != start.identity.get(part)
        ]
        raise UsageError(
            f"run {summary.run_id} cannot be continued, something has changed since: {'; '.join(changed)}",
            hint=f"undo the change, or start a new run: python cli.py optimize {start.task}",
        )
    run_task(workspace, task, store, manner, finish)


def run_task(workspace: Workspace, task: Task, store: Store, manner: OutputOptions, finish: Finish) -> None:
    """Optimise an assembled task, write its report and end the command."""
    optimizer, options = OPTIMIZERS.get(task.config.optimizer.name), options_of(task)
    console = Console(stderr=True)
    with (
        calls(workspace, task) as ledger,
        tracking(workspace, store) as tracker,
        LiveProgress(console, task.name) as progress,
    ):
        environment = Environment(
            store=store,
            ledger=ledger,
            command=manner.command,
            code_version=code_version(),
            projection=tracker,
            progress=progress,
            new=manner.new,
            confirm=lambda plan: may_spend(
                task,
                plan.cost_usd,
                progress,
                free=manner.yes or task.offline_only,
                hint="add -y, or --max-cost DOLLARS, or --confirm-above DOLLARS",
            ),
        )
        done = optimize(task, optimizer, options, environment)
        result = store.optimization(done.run_id)  # as it was stored: without secrets
        links = tracker.links(task.name, result.run_id)
        study = _study(workspace, task, done, ledger, store)
        report = optimization_report(result, links=links, distillation=study, workspace=manner.workspace)
        path = workspace.mlruns / "reports" / f"{result.run_id}.html"
        write_text(path, render_html(report))
        write_text(provenance_path(workspace, result.run_id), read_provenance(store, result.run_id).payload + "\n")
        store.append(result.run_id, EventKind.REPORT, json.dumps({"path": str(path)}))
        tracker.nudge()
    if not manner.as_json:
        print_report(report, Console())
        if study is not None:
            print("\n" + "\n".join(closing_lines(result, manner.workspace)))
        place = f" --workspace {manner.workspace}" if manner.workspace else ""
        Console(soft_wrap=True).print(f"\nreport  {path}\nmlflow  python cli.py ui{place}", highlight=False)
        if result.ended != "finished":
            print(f"continue  python cli.py resume {result.run_id}{place}")
    code = STRICT_CODES[result.verdict.decision] if manner.strict else 0
    if result.ended != "finished":
        code = BudgetError.exit_code
    body = _body(result, path)
    if study is not None:
        body |= _study_body(result, study, manner)
    finish(body, None, as_json=manner.as_json, code=code)


def _study(workspace: Workspace, task: Task, done: Optimization, ledger: Ledger, store: Store) -> Distillation | None:
    """What the report of a distillation needs beside the outcome, as it is stored: without secrets."""
    if task.config.distillation is None:
        return None
    text = store.redact.json(to_json(conclude(workspace, task, done, ledger)))
    store.append(done.run_id, EventKind.DISTILLATION, text)
    return from_json(Distillation, text)


def _study_body(result: Optimization, study: Distillation, manner: OutputOptions) -> dict[str, Any]:
    before, after = result.holdout_baseline, result.holdout_candidate
    money = economy(result, study)
    export, promote = closing_commands(result, manner.workspace)
    return {
        "winner": result.winner.instructions(),
        "agreement_before": before.mean if before else None,
        "agreement_after": after.mean if after else None,
        "teacher_cost": money.teacher_cost,
        "student_cost": money.student_cost,
        "tuning_cost": money.tuning_cost,
        "break_even": None if money.break_even is None or isinf(money.break_even) else money.break_even,
        "transfer": {t.model: t.evaluation.mean if t.evaluation else None for t in study.transfers},
        "export": export,
        "promote": promote,
    }


def _dry_run(workspace: Workspace, task: Task, manner: OutputOptions, finish: Finish) -> None:
    """Forecast a run; the pilot's answers stay in the ledger, so that the run does not pay them again."""
    optimizer, options = OPTIMIZERS.get(task.config.optimizer.name), options_of(task)
    with (
        calls(workspace, task) as ledger,
        LiveProgress(Console(stderr=True), task.name) as progress,
        opened_account(ledger, task, "forecast") as account,
    ):
        plan = forecast(task, optimizer, options, account, progress)
    text = "\n".join(plan_lines(task.name, optimizer.name, plan))
    finish(_plan_body(task, plan), text, as_json=manner.as_json)


def baseline_of(store: Store, task: Task, wanted: str | None) -> ProgramPrompts | None:
    """What has to be beaten: the champion when there is one, unless the seed is asked for."""
    if wanted not in (None, "seed", "champion"):
        raise UsageError(f"--baseline: received {wanted!r}; allowed: seed, champion")
    champion = store.champion(task.name)
    if wanted == "champion" and champion is None:
        raise UsageError(f"{task.name} has no champion yet", hint=f"python cli.py promote {task.name}")
    return champion.prompts if champion is not None and wanted != "seed" else None


def _plan_body(task: Task, plan: Plan) -> dict[str, Any]:
    return {
        "task": task.name,
        "optimizer": task.config.optimizer.name,
        "dry_run": True,
        "trials": plan.trials,
        "calls": {role: round(forecast.calls.expected) for role, forecast in plan.roles.items()},
        "input_tokens": round(plan.input_tokens.expected),
        "output_tokens": round(plan.output_tokens.expected),
        "cost_usd": plan.cost_usd.expected if plan.cost_usd else None,
        "cost_low": plan.cost_usd.low if plan.cost_usd else None,
        "cost_high": plan.cost_usd.high if plan.cost_usd else None,
        "minutes": plan.minutes.expected,
        "minutes_high": plan.minutes.high,
        "mde": plan.mde,
        "pilot_rows": plan.pilot_rows,
    }


def _body(result: Optimization, report: Path) -> dict[str, Any]:
    evidence, usage = result.verdict.evidence, result.total_usage
    return {
        "task": result.task,
        "optimizer": result.optimizer,
        "verdict": result.verdict.decision.value,
        "reasons": list(result.verdict.reasons),
        "baseline": evidence.baseline if evidence else None,
        "candidate": evidence.candidate if evidence else None,
        "delta": evidence.delta if evidence else None,
        "ci_low": evidence.low if evidence else None,
        "ci_high": evidence.high if evidence else None,
        "p_value": evidence.p_value if evidence else None,
        "n": evidence.n if evidence else result.splits.holdout,
        "mde": evidence.mde if evidence else result.plan.mde,
        "opening": evidence.opening if evidence else None,
        "dev_baseline": result.dev_baseline.mean,
        "dev_candidate": result.candidates[result.winner_index].dev_score,
        "candidates": len(result.candidates),
        "calls": usage.calls,
        "hits": usage.hits,
        "cost_usd": usage.cost_usd,
        "forecast_usd": result.plan.cost_usd.expected if result.plan.cost_usd else None,
        "seconds": round(result.seconds, 3),
        "ended": result.ended,
        "seed": result.seed,
        "prompt_hash": result.winner.hash,
        "offline": result.offline,
        "warnings": list(result.warnings),
        "run_id": result.run_id,
        "report": str(report),
    }


def find_prompts(store: Store, task: Task, which: str) -> ProgramPrompts:
    """Prompts by name: ``seed``, ``champion``, or the winner of a run."""
    if which == "seed":
        return read_prompts(task.program)
    if which == "champion":
        champion = store.champion(task.name)
        if champion is None:
            raise UsageError(f"{task.name} has no champion yet", hint=f"python cli.py promote {task.name}")
        return champion.prompts
    return store.optimization(which).winner


def run_eval(
    workspace: Workspace,
    name: str,
    *,
    prompts: str,
    split: str,
    flags: Mapping[str, Any],
    sets: Sequence[str],
    open_holdout: bool,
    repeat: int,
    as_json: bool,
    finish: Finish,
) -> None:
    """Score one prompt on one split."""
    task = open_task(workspace, name, [*sets, *as_sets(flags)])
    check_references(task)
    store = open_store(workspace, task)
    if split not in ("train", "dev", "holdout"):
        raise UsageError(f"--split: received {split!r}; allowed: train, dev, holdout")
    chosen = find_prompts(store, task, prompts)
    if split == "holdout":
        if not open_holdout:
            raise UsageError(
                "looking at the holdout uses it up", hint="add --open-holdout; the gate will count the opening"
            )
        store.open_holdout(task.name, task.splits.holdout_identity, new_run_id(task.name), chosen.hash)
    rows = getattr(task.splits, split)
    check_caps(task)
    with (
        calls(workspace, task) as ledger,
        LiveProgress(Console(stderr=True), task.name) as progress,
        opened_account(ledger, task, "eval", progress) as account,
    ):
        evaluate = student_evaluator(task, account, repeats=repeat)
        progress.phase(f"{prompts} on {split}", len(rows) * repeat)
        program = apply_prompts(task.program, chosen)
        evaluation = evaluate(program, rows, split=split, program_hash=chosen.hash)
    finish(_eval_body(task, prompts, evaluation), _eval_text(task, prompts, evaluation), as_json=as_json)


def _eval_body(task: Task, prompts: str, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "task": task.name,
        "prompts": prompts,
        "split": evaluation.split,
        "n": len(evaluation.rows),
        "score": evaluation.mean,
        "fields": evaluation.field_means(),
        "status": {s.value: evaluation.count(s) for s in RowStatus if evaluation.count(s)},
        "calls": evaluation.usage.calls,
        "hits": evaluation.usage.hits,
        "cost_usd": evaluation.usage.cost_usd,
        "prompt_hash": evaluation.program_hash,
        "offline": task.offline,
    }


def _eval_text(task: Task, prompts: str, evaluation: Evaluation) -> str:
    score = "no row was scored" if evaluation.mean is None else f"{evaluation.mean:.3f}"
    lines = [
        f"{task.name}: {prompts} on {evaluation.split} ({len(evaluation.scored)} of {len(evaluation.rows)}): {score}"
    ]
    lines += [f"  {name:<24} {value:.3f}" for name, value in evaluation.field_means().items()]
    failed = [row for row in evaluation.rows if row.status is not RowStatus.OK]
    lines += [f"  {row.row_id}: {row.status}: {row.error}" for row in failed[:5]]
    if task.offline:
        print("offline: the embedded stand-in answered, not a language model", file=sys.stderr)
    return "\n".join(lines)
