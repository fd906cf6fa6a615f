"""What the commands of a matrix share: one step, its forecast, and the comparison at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.outcome import Outcome

if TYPE_CHECKING:
    from commands.flags import Place, Settings, Starting
    from core.cells import Matrix
    from core.workspace import Workspace
    from experiments.bench import Bench, Layout
    from reports.blocks import Report
    from tracking.store import Store

STEPS = ("prepare", "run", "judge", "report")


@dataclass(frozen=True)
class Compared:
    """A comparison as it was stored, without secrets, with its page."""

    matrix: Matrix
    page: Report
    path: Path


def step_outcome(step: str, task: str, spending: Starting, settings: Settings, place: Place) -> Outcome:
    """Take one of the first three steps, after saying what it will cost."""
    from rich.console import Console

    from experiments.bench import open_bench
    from experiments.forecast import plan_matrix
    from experiments.steps import judge, prepare, run
    from reports.progress import LiveProgress
    from tasks.open_run import open_task
    from tracking.events import EventKind

    where = place.find()
    found = open_task(where, task, settings.overrides(spending.keys()))
    with (
        LiveProgress(Console(stderr=True), found.name) as progress,
        open_bench(where, found, step, spending.options(progress)) as bench,
    ):
        bench.run.forecast(plan_matrix(bench, (step,)))
        lines = {"prepare": prepare, "run": run, "judge": judge}[step](bench)
        failed = sum(getattr(line, "error", None) is not None for line in lines)
        bench.run.record.emit(EventKind.STEP, {"step": step, "lines": len(lines), "failed": failed})
        usage, folder, run_id = bench.run.account.spent(), bench.folder.path, bench.run.id
    calls, hits = sum(u.calls for u in usage.values()), sum(u.hits for u in usage.values())
    text = (
        f"{task}: {step}: {len(lines)} lines, {failed} failed; {calls} calls, {hits} from the ledger\n"
        f"next: python cli.py {STEPS[STEPS.index(step) + 1]} {task}{place.suffix}"
    )
    body = {
        "task": task,
        "step": step,
        "lines": len(lines),
        "failed": failed,
        "calls": calls,
        "hits": hits,
        "folder": str(folder),
        "run_id": run_id,
    }
    return Outcome(body, text)


def compared(bench: Bench, started: float) -> Compared:
    """Compare the cells by what is stored, store the comparison and write its page."""
    from experiments.steps import report
    from tracking.events import EventKind

    run = bench.run
    run.record.emit(EventKind.MATRIX, report(bench, run.id, run.account.spent(), time.perf_counter() - started))
    done = _written(bench, run.place, run.store, run.id, run.tracker.links(run.task.name, run.id))
    run.record.emit(EventKind.REPORT, {"path": str(done.path)})
    return done


def matrix_of(where: Workspace, name: str, place: Place, settings: Settings) -> Outcome:
    """The comparison of what a task's matrix has stored; calls no model.

    One that says what is recorded already is rendered again and makes no second run.
    """
    import contextlib

    from commands.flags import typed
    from experiments.analysis import content_mark
    from experiments.bench import lay_out, open_bench
    from experiments.steps import report
    from tasks.open_run import RunOptions, open_store, open_task, redactor
    from tracking.projection import Tracker

    task = open_task(where, name, settings.overrides())
    layout = lay_out(where, task)
    with contextlib.closing(open_store(where, redactor(where, task))) as store:
        run_id = _recorded(layout, store, content_mark(report(layout, "", {}, 0.0)))
        if run_id is not None:
            links = Tracker(store, where.mlruns).links(task.name, run_id)
            return matrix_outcome(_written(layout, where, store, run_id, links), place)
    with open_bench(where, task, "matrix", RunOptions(typed(), new=True)) as bench:
        return matrix_outcome(compared(bench, time.perf_counter()), place)


def _written(layout: Layout, where: Workspace, store: Store, run_id: str, links: Mapping[str, str]) -> Compared:
    """Write the page of a recorded comparison, which is read back from the store, where secrets are masked."""
    from core.files import write_text
    from experiments.analysis import content_mark
    from reports import matrix_report, render_html

    matrix = store.matrix(run_id)
    page = matrix_report(matrix, links=links)
    path = where.mlruns / "reports" / f"{run_id}.html"
    write_text(path, render_html(page))
    summary = {
        "run_id": run_id,
        "recommended": matrix.cheapest or matrix.reference,
        "report": str(path),
        "content": content_mark(matrix),
    }
    write_text(layout.folder.path / "matrix.json", json.dumps(summary, indent=1) + "\n")
    return Compared(matrix, page, path)


def matrix_outcome(done: Compared, place: Place) -> Outcome:
    """What a comparison says at its end, to programs and to people."""
    text = f"\nreport  {done.path}\nmlflow  python cli.py ui{place.suffix}"
    return Outcome(_body(done.matrix, str(done.path)), text, done.page)


def _recorded(layout: Layout, store: Store, mark: str) -> str | None:
    """The run that has recorded exactly this outcome, as the last report of the task noted it."""
    try:
        noted = json.loads((layout.folder.path / "matrix.json").read_text("utf-8"))
        run_id = str(noted["run_id"]) if noted["content"] == mark else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    known = {run.run_id for run in store.runs(layout.task.name)}
    return run_id if run_id in known else None


def _body(matrix: Matrix, path: str) -> dict[str, Any]:
    from core.plain import to_json

    cells = [
        {
            "prompt": cell.prompt,
            "model": cell.model,
            "prompt_hash": cell.prompt_hash,
            "score": cell.score.value if cell.score else None,
            "low": cell.score.low if cell.score else None,
            "high": cell.score.high if cell.score else None,
            "n": len(cell.evaluation.scored),
            "failed": len(cell.evaluation.rows) - len(cell.evaluation.scored),
            "standing": cell.comparison.outcome.value,
            "delta": cell.comparison.delta,
            "delta_low": cell.comparison.low,
            "delta_high": cell.comparison.high,
            "needed": cell.comparison.needed,
            "likely": cell.comparison.likely,
            "defects": list(cell.defects),
            "stale": cell.stale,
            "cost_per_1000": cell.cost_per_1000,
            "latency": cell.latency,
            "criteria": cell.evaluation.field_means(),
            "on_front": cell.on_front,
            "stopped": cell.stopped,
        }
        for cell in matrix.cells
    ]
    return {
        "task": matrix.task,
        "cells": cells,
        "outputs": sum(len(cell.evaluation.rows) for cell in matrix.cells),
        "reference": matrix.reference,
        "cheapest": matrix.cheapest,
        "front": [cell.name for cell in matrix.cells if cell.on_front],
        "race": json.loads(to_json(matrix.race)) if matrix.race else None,
        "calls": sum(usage.calls for usage in matrix.usage.values()),
        "hits": sum(usage.hits for usage in matrix.usage.values()),
        "offline": matrix.offline,
        "warnings": list(matrix.warnings),
        "run_id": matrix.run_id,
        "report": path,
    }
