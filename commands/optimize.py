"""``optimize`` and ``eval``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from commands.session import Finish, as_sets, code_version, open_store, open_task, tracking
from core.errors import UsageError
from core.lm import build_lm
from core.results import Decision, Evaluation, Optimization, Plan, ProgramPrompts, RowStatus
from core.run import new_run_id
from core.store import Store
from core.workspace import Workspace
from metrics.evaluate import Evaluator
from optimizers import OPTIMIZERS
from optimizers.optimize import Options, optimize, shape_of
from optimizers.plan import plan_run
from programs.export import write_text
from programs.prompts import apply_prompts, read_prompts
from reports import optimization_report, print_report, render_html
from reports.progress import LiveProgress, plan_lines
from tasks.task import Task

STRICT_CODES = {Decision.PROMOTE: 0, Decision.HOLD: 1, Decision.INCONCLUSIVE: 2}


def run_optimize(
    workspace: Workspace,
    name: str,
    *,
    flags: Mapping[str, Any],
    sets: Sequence[str],
    baseline: str | None,
    dry_run: bool,
    command: str,
    as_json: bool,
    strict: bool,
    finish: Finish,
) -> None:
    """Run the main job and show its report."""
    task = open_task(workspace, name, [*sets, *as_sets(flags)])
    optimizer = OPTIMIZERS.get(task.config.optimizer.name)
    options = _options(task)
    if dry_run:
        plan = plan_run(task, optimizer, shape_of(task, options), threads=options.threads)
        finish(_plan_body(task, plan), "\n".join(plan_lines(task.name, optimizer.name, plan)), as_json=as_json)
    store = open_store(workspace)
    task = task.starting_from(_baseline(store, task, baseline))
    with tracking(workspace, store) as tracker, LiveProgress(Console(stderr=True), task.name) as progress:
        result = optimize(
            task,
            optimizer,
            options,
            store=store,
            command=command,
            code_version=code_version(),
            projection=tracker,
            progress=progress,
        )
        links = tracker.links(task.name, result.run_id)
        report = optimization_report(result, links=links)
        path = workspace.mlruns / "reports" / f"{result.run_id}.html"
        write_text(path, render_html(report))
        store.append(result.run_id, "report", json.dumps({"path": str(path)}))
        tracker.nudge()
    if not as_json:
        print_report(report, Console())
        Console(soft_wrap=True).print(f"\nreport  {path}\nmlflow  python cli.py ui", highlight=False)
    code = STRICT_CODES[result.verdict.decision] if strict else 0
    finish(_body(result, path), None, as_json=as_json, code=code)


def _options(task: Task) -> Options:
    settings = task.config.optimizer
    return Options(
        budget=settings.budget,
        seed=settings.seed,
        threads=task.config.run.threads,
        minibatch=settings.minibatch,
        max_demos=settings.max_demos,
        threshold=task.config.metric.threshold,
    )


def _baseline(store: Store, task: Task, wanted: str | None) -> ProgramPrompts | None:
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
        "calls": dict(plan.calls),
        "input_tokens": plan.input_tokens,
        "output_tokens": plan.output_tokens,
        "cost_usd": plan.cost_usd,
        "minutes": plan.minutes,
        "mde": plan.mde,
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
        "cost_usd": usage.cost_usd,
        "seconds": round(result.seconds, 3),
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
    as_json: bool,
    finish: Finish,
) -> None:
    """Score one prompt on one split."""
    task = open_task(workspace, name, [*sets, *as_sets(flags)])
    store = open_store(workspace)
    if split not in ("train", "dev", "holdout"):
        raise UsageError(f"--split: received {split!r}; allowed: train, dev, holdout")
    chosen = find_prompts(store, task, prompts)
    if split == "holdout":
        if not open_holdout:
            raise UsageError(
                "looking at the holdout uses it up", hint="add --open-holdout; the gate will count the opening"
            )
        store.open_holdout(task.name, task.splits.info.holdout_fingerprint, new_run_id(task.name), chosen.hash)
    rows = getattr(task.splits, split)
    lm = build_lm(task.models["student"], "student", task.meter)
    evaluator = Evaluator(lm, task.adapter, task.metric, task.config.run.threads, task.config.run.max_error_share)
    with LiveProgress(Console(stderr=True), task.name) as progress:
        task.meter.listener = progress.call
        progress.phase(f"{prompts} on {split}", len(rows))
        program = apply_prompts(task.program, chosen)
        evaluation = evaluator(program, rows, split=split, program_hash=chosen.hash)
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
