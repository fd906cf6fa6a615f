"""``sweep``: one task under several patches, each a whole search, ranked on the holdout."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import DryRun, Place, Settings, Starting, TaskName
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.evaluation import Usage
    from core.optimization import Optimization, Plan
    from core.workspace import Workspace
    from experiments.sweep import Entry, Patch, Sweep
    from tasks.open_run import OpenRun, RunOptions
    from tasks.task import Task

EXAMPLE = "python cli.py sweep extraction --patches patches.jsonl"
TAG = "sweep"
"""The tag by which a search says to which sweep it belongs."""


def command(
    task: TaskName,
    spending: Starting,
    settings: Settings,
    place: Place,
    patches: Annotated[
        Path,
        typer.Option(metavar="FILE.jsonl", help="A JSON patch of the task file per line; DROP deletes a key."),
    ],
    dry_run: DryRun = False,
) -> Outcome:
    """Try a task under several patches - data, metric, models, optimiser - and rank them on the holdout."""
    from rich.console import Console

    from experiments.sweep import read_patches
    from reports.progress import LiveProgress
    from tasks.open_run import open_task

    where = place.find()
    overrides = settings.overrides(spending.keys())
    base = open_task(where, task, overrides)
    found = read_patches(patches)
    tasks = [_patched(where, task, overrides, patch) for patch in found]
    with LiveProgress(Console(stderr=True), base.name) as progress:
        return _swept(where, base, tuple(zip(found, tasks, strict=True)), spending.options(progress), dry_run=dry_run)


def _patched(where: Workspace, name: str, overrides: Sequence[str], patch: Patch) -> Task:
    """The whole task under a patch, assembled anew, so that nothing of it is left as it was.

    Raises:
        ConfigError: If the patched task file is wrong, with the line of the patch.
    """
    from core.errors import ConfigError, Problem
    from tasks.task import assemble, read_config

    try:
        return assemble(read_config(where, name, overrides, patch.values), where)
    except ConfigError as error:
        raise ConfigError(
            [Problem(f"patch of line {patch.line}", None, p.key, p.message, p.hint) for p in error.problems]
        ) from None


def _swept(
    where: Workspace, base: Task, patched: Sequence[tuple[Patch, Task]], options: RunOptions, *, dry_run: bool
) -> Outcome:
    from core.plain import digest
    from experiments.sweep import ranked
    from reports.sweep_page import sweep_report
    from tasks.open_run import open_run
    from tasks.purpose import Purpose
    from tracking.events import EventKind

    plan = _forecast(where, patched, options)
    identity = {"patches": digest([task.config.model_dump(mode="json", exclude={"run"}) for _, task in patched])}
    purpose = Purpose("forecast" if dry_run else "sweep", {"patches": str(len(patched))}, identity)
    with open_run(where, base, purpose, options) as run:
        if dry_run:
            from reports.progress import plan_lines

            plan = run.priced(plan)
            run.record.emit(EventKind.FORECAST, plan)
            return Outcome(_plan_body(base.name, plan), "\n".join(plan_lines(base.name, "sweep", plan)))
        run.forecast(plan)
        entries = [_entry(where, run, number, *each) for number, each in enumerate(patched)]
        sweep = ranked(base.name, entries)
        run.record.emit(EventKind.SWEEP, sweep)
        return Outcome(_body(run.id, sweep), f"run  {run.id}", sweep_report(sweep))


def _forecast(where: Workspace, patched: Sequence[tuple[Patch, Task]], options: RunOptions) -> Plan:
    """What all searches together are going to cost; what the pilots asked is in the ledger for them."""
    from optimizers.optimize import forecast, purpose_of
    from optimizers.plan import added
    from tasks.open_run import open_run
    from tracking.events import EventKind

    plans: list[Plan] = []
    for _, task in patched:
        with open_run(where, task, purpose_of(task, dry=True), options) as run:
            plans.append(forecast(run))
            run.record.emit(EventKind.FORECAST, plans[-1])
    return added(plans, "patches")


def _entry(where: Workspace, parent: OpenRun, number: int, patch: Patch, task: Task) -> Entry:
    """The search of one patch; one that this sweep has finished before is taken from the record.

    Raises:
        BudgetError: If a cap ended it.
    """
    from commands.job import run_job
    from core.errors import BudgetError
    from experiments.sweep import entry_of
    from tracking.events import EventKind

    for event in parent.store.events(parent.id, kind=EventKind.SWEPT):
        known = json.loads(event.payload)
        if known["patch"] == number:
            earlier = parent.store.optimization(known["run_id"])
            return entry_of(patch.text, parent.store.started(earlier.run_id).config, earlier)
    parent.progress.note(f"patch of line {patch.line}: {patch.text}")
    capped = _within(task, parent.task, _spent(parent))
    options = dataclasses.replace(parent.options, yes=True)
    done = run_job(where, capped, options, tags={TAG: parent.id, "patch": patch.text})
    result: Optimization = done.result
    if result.ended != "finished":
        raise BudgetError(
            f"the search for the patch of line {patch.line} is {result.ended}: {'; '.join(result.verdict.reasons)}",
            hint="call the sweep again: it continues, and nothing that was answered is paid twice",
        )
    parent.record.emit(EventKind.SWEPT, {"patch": number, "run_id": result.run_id})
    done.told()
    return entry_of(patch.text, parent.store.started(result.run_id).config, result)


def _spent(parent: OpenRun) -> Usage:
    """What the searches of this sweep have spent."""
    from core.evaluation import total
    from tracking.events import EventKind

    done = [json.loads(event.payload)["run_id"] for event in parent.store.events(parent.id, kind=EventKind.SWEPT)]
    return total(parent.store.optimization(run).total_usage for run in done)


def _within(task: Task, base: Task, spent: Usage) -> Task:
    """The task with what is left of the sweep's caps on money, calls and tokens.

    Raises:
        BudgetError: If nothing is left.
    """
    from core.errors import BudgetError

    caps, used = base.config.run, {"max_cost": spent.cost_usd, "max_calls": spent.calls}
    used["max_tokens"] = spent.input_tokens + spent.output_tokens
    left = {name: cap - (used[name] or 0) for name in used if (cap := getattr(caps, name)) is not None}
    for name, value in left.items():
        if value <= 0:
            raise BudgetError(f"the sweep has used up its {name.replace('_', ' ')}", hint="raise it, and call again")
    run = task.config.run.model_copy(update=left)
    return dataclasses.replace(task, config=task.config.model_copy(update={"run": run}))


def _plan_body(task: str, plan: Plan) -> dict[str, Any]:
    cost = plan.cost_usd
    return {
        "task": task,
        "dry_run": True,
        "patches": plan.trials,
        "calls": round(plan.calls.expected),
        "cost_usd": cost.expected if cost else None,
        "cost_low": cost.low if cost else None,
        "cost_high": cost.high if cost else None,
        "minutes": plan.minutes.expected,
    }


def _body(run_id: str, sweep: Sweep) -> dict[str, Any]:
    return {
        "task": sweep.task,
        "run_id": run_id,
        "leaderboard": [
            {
                "patch": s.entry.patch,
                "run_id": s.entry.run_id,
                "verdict": s.entry.verdict,
                "score": s.entry.score,
                "low": s.entry.interval.low if s.entry.interval else None,
                "high": s.entry.interval.high if s.entry.interval else None,
                "n": len(s.entry.scores),
                "dev": s.entry.dev,
                "behind": s.behind,
                "p_value": s.p_value,
                "note": s.note,
                "calls": s.entry.usage.calls,
                "cost_usd": s.entry.usage.cost_usd,
            }
            for s in sweep.standings
        ],
        "notes": list(sweep.notes),
    }
