"""``matrix``: prompts x models, answered, judged, compared and reported."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place, Settings, Spending, TaskName
from commands.matrix_steps import STEPS, compared
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.optimization import Plan

EXAMPLE = "python cli.py matrix condensation --race"


def command(
    task: TaskName,
    spending: Spending,
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

    from experiments.bench import open_bench
    from experiments.forecast import plan_matrix
    from experiments.steps import prepare, race, run_and_judge
    from reports.progress import LiveProgress, plan_lines
    from tasks.open_run import open_task
    from tracking.events import EventKind

    started, where = time.perf_counter(), place.find()
    found = open_task(where, task, settings.overrides(spending.keys(), {"run.threads": threads}))
    with LiveProgress(Console(stderr=True), found.name) as progress:
        options = spending.options(progress)
        kind, params = ("forecast", {"steps": "matrix"}) if dry_run else ("matrix", {"race": str(racing).lower()})
        with open_bench(where, found, kind, options, params) as bench:
            plan = plan_matrix(bench, STEPS[:3])
            if dry_run:
                bench.run.record.emit(EventKind.FORECAST, plan)
                text = "\n".join(plan_lines(found.name, "matrix", plan))
                return Outcome(_plan_body(found.name, len(bench.grid.cells), plan), text)
            bench.run.forecast(plan)
            prepare(bench)
            if racing:
                race(bench, found.config.matrix.alpha)
            else:
                run_and_judge(bench)
            return compared(bench, place, started)


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
