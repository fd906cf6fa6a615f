"""``matrix``: prompts x models, answered, judged, compared and reported."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place, Settings, Starting, TaskName
from commands.matrix_steps import STEPS, Compared, compared, matrix_outcome
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.optimization import Plan
    from core.workspace import Workspace
    from tasks.open_run import RunOptions
    from tasks.task import Task

EXAMPLE = "python cli.py matrix condensation --race"


def command(
    task: TaskName,
    spending: Starting,
    settings: Settings,
    place: Place,
    racing: Annotated[
        bool, typer.Option("--race", help="Stop spending on cells that another cell clearly dominates.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Calls in flight per model.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would cost.")] = False,
) -> Outcome:
    """Would a tighter prompt or a lighter model do as well? Prompts x models, judged, compared, reported."""
    from rich.console import Console

    from reports.progress import LiveProgress
    from tasks.open_run import open_task

    where = place.find()
    found = open_task(where, task, settings.overrides(spending.keys(), {"run.threads": threads}))
    with LiveProgress(Console(stderr=True), found.name) as progress:
        options = spending.options(progress)
        if dry_run:
            return _dry_run(where, found, options)
        done = filled(where, found, options, racing=racing)
    return matrix_outcome(done, place)


def filled(where: Workspace, task: Task, options: RunOptions, *, racing: bool = False) -> Compared:
    """Fill, judge and compare the cells of a task's matrix; stored as a run of its own."""
    from experiments.bench import open_bench
    from experiments.forecast import plan_matrix
    from experiments.steps import prepare, race, run_and_judge

    started = time.perf_counter()
    with open_bench(where, task, "matrix", options, {"race": str(racing).lower()}) as bench:
        bench.run.forecast(plan_matrix(bench, STEPS[:3]))
        prepare(bench)
        if racing:
            race(bench, task.config.matrix.alpha)
        else:
            run_and_judge(bench)
        return compared(bench, started)


def _dry_run(where: Workspace, task: Task, options: RunOptions) -> Outcome:
    """Only say what it would cost."""
    from experiments.bench import open_bench
    from experiments.forecast import plan_matrix
    from reports.progress import plan_lines
    from tracking.events import EventKind

    with open_bench(where, task, "forecast", options, {"steps": "matrix"}) as bench:
        plan = bench.run.priced(plan_matrix(bench, STEPS[:3]))
        bench.run.record.emit(EventKind.FORECAST, plan)
    body = _plan_body(task.name, len(bench.grid.cells), plan)
    return Outcome(body, "\n".join(plan_lines(task.name, "matrix", plan)))


def _plan_body(task: str, cells: int, plan: Plan) -> dict[str, Any]:
    cost = plan.cost_usd
    return {
        "task": task,
        "dry_run": True,
        "cells": cells,
        "calls": round(plan.calls.expected),
        "cost_usd": cost.expected if cost else None,
        "cost_low": cost.low if cost else None,
        "cost_high": cost.high if cost else None,
        "minutes": plan.minutes.expected,
    }
