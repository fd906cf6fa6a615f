"""``prepare``, ``run``, ``judge``, ``matrix`` and the report of a matrix."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from calls.account import Account
from calls.models import load_models
from commands.optimize import OutputOptions
from commands.session import Finish, as_sets, calls, code_version, may_spend, open_store, open_task, tracking
from core.cells import Matrix
from core.errors import BudgetError
from core.files import write_text
from core.optimization import RunStart
from core.plain import to_json
from core.workspace import Workspace
from experiments.analysis import content_mark
from experiments.forecast import plan_matrix
from experiments.grid import make_grid
from experiments.lines import Folder
from experiments.steps import Bench, judge, prepare, race, report, run, run_and_judge
from reports import matrix_report, print_report, render_html
from reports.progress import LiveProgress, plan_lines
from tasks.loading import list_tasks
from tasks.task import check_caps, policy_of
from tracking.client import store_uri
from tracking.events import EventKind
from tracking.registry import prompt_text
from tracking.run import Run, new_run_id
from tracking.store import Store, now

STEPS = ("prepare", "run", "judge", "report")


@dataclass(frozen=True)
class Desk:
    """An open bench with the store and the workspace around it."""

    bench: Bench
    store: Store
    workspace: Workspace
    manner: OutputOptions
    progress: LiveProgress
    started: float
    run_id: str


@contextlib.contextmanager
def desk(
    workspace: Workspace, name: str, flags: Mapping[str, Any], sets: Sequence[str], manner: OutputOptions
) -> Iterator[Desk]:
    """Open a task's matrix with its ledger and its progress, and close everything at the end."""
    task = open_task(workspace, name, [*sets, *as_sets(flags)])
    store = open_store(workspace, task)
    uri = store_uri(workspace.mlruns)
    grid = make_grid(task, workspace, store, lambda registered, alias: prompt_text(uri, registered, alias))
    check_caps(task, [cell.spec for cell in grid.cells])
    folder = Folder.of(workspace, task.name, store.redact.json)
    with calls(workspace, task) as ledger, LiveProgress(Console(stderr=True), task.name) as progress:
        policy = policy_of(task, isolate=True)
        run_id = new_run_id(f"{task.name}-matrix")
        account = Account(ledger, run_id, task.name, policy)
        account.meter.listener = progress.call
        try:
            bench = Bench(task, grid, folder, account, load_models(workspace.models), progress.phase)
            yield Desk(bench, store, workspace, manner, progress, time.perf_counter(), run_id)
        finally:
            account.meter.listener = None
            account.close()


def is_task(workspace: Workspace, name: str) -> bool:
    """Whether a name is a task of the workspace rather than a run."""
    return name in list_tasks(workspace.root) or name.endswith((".yaml", ".yml", ".json"))


def run_step(
    workspace: Workspace,
    name: str,
    step: str,
    *,
    flags: Mapping[str, Any],
    sets: Sequence[str],
    manner: OutputOptions,
    finish: Finish,
) -> None:
    """Take one of the four steps."""
    with desk(workspace, name, flags, sets, manner) as opened:
        if step == "report":
            _finish_matrix(opened, finish, again=True)
        _confirm(opened, (step,))
        lines = {"prepare": prepare, "run": run, "judge": judge}[step](opened.bench)
        failed = sum(getattr(line, "error", None) is not None for line in lines)
        usage = opened.bench.account.spent()
    nxt = STEPS[STEPS.index(step) + 1]
    calls_made, hits = sum(u.calls for u in usage.values()), sum(u.hits for u in usage.values())
    text = (
        f"{name}: {step}: {len(lines)} lines, {failed} failed; {calls_made} calls, {hits} from the ledger\n"
        f"next: python cli.py {nxt} {name}"
    )
    body = {
        "task": name,
        "step": step,
        "lines": len(lines),
        "failed": failed,
        "calls": calls_made,
        "hits": hits,
        "folder": str(opened.bench.folder.path),
    }
    finish(body, text, as_json=manner.as_json)


def run_matrix(
    workspace: Workspace,
    name: str,
    *,
    racing: bool,
    dry_run: bool,
    flags: Mapping[str, Any],
    sets: Sequence[str],
    manner: OutputOptions,
    finish: Finish,
) -> None:
    """All four steps."""
    with desk(workspace, name, flags, sets, manner) as opened:
        if dry_run:
            plan = plan_matrix(opened.bench, STEPS[:3])
            cost = plan.cost_usd
            body = {
                "task": name,
                "dry_run": True,
                "cells": len(opened.bench.grid.cells),
                "calls": round(plan.calls.expected),
                "cost_usd": cost.expected if cost else None,
                "cost_low": cost.low if cost else None,
                "cost_high": cost.high if cost else None,
                "minutes": plan.minutes.expected,
            }
            finish(body, "\n".join(plan_lines(name, "matrix", plan)), as_json=manner.as_json)
        _confirm(opened, STEPS[:3])
        prepare(opened.bench)
        if racing:
            race(opened.bench, opened.bench.task.config.matrix.alpha)
        else:
            run_and_judge(opened.bench)
        _finish_matrix(opened, finish)


def _confirm(desk: Desk, steps: Sequence[str]) -> None:
    """Say what it will cost, and ask where that may be more than a person wants to spend without thinking."""
    task, manner = desk.bench.task, desk.manner
    plan = plan_matrix(desk.bench, steps)
    desk.progress.plan(plan)
    free = manner.yes or all(cell.spec.offline for cell in desk.bench.grid.cells)
    if not may_spend(task, plan.cost_usd, desk.progress, free=free, hint="add -y, or --max-cost DOLLARS"):
        raise BudgetError("the forecast was not accepted; nothing was spent")


def _finish_matrix(desk: Desk, finish: Finish, *, again: bool = False) -> None:
    """Compare, store, project into MLflow, write the page, end the command.

    A report that says what is recorded already is rendered ``again`` and makes no second run.
    """
    bench, store, manner = desk.bench, desk.store, desk.manner
    matrix = report(bench, desk.run_id, bench.account.spent(), time.perf_counter() - desk.started)
    mark = content_mark(matrix)
    recorded = _recorded(desk, mark) if again else None
    run_id = recorded or desk.run_id
    with tracking(desk.workspace, store) as tracker:
        record = None if recorded else Run(store, _start(desk, matrix), tracker)
        if record is not None:
            record.emit(EventKind.MATRIX, matrix)
        matrix = store.matrix(run_id)  # as it was stored: without secrets
        page = matrix_report(matrix, links=tracker.links(bench.task.name, run_id))
        path = desk.workspace.mlruns / "reports" / f"{run_id}.html"
        write_text(path, render_html(page))
        if record is not None:
            store.append(run_id, EventKind.REPORT, json.dumps({"path": str(path)}))
            record.finish("finished")
    recommended = matrix.cheapest or matrix.reference
    summary = {"run_id": run_id, "recommended": recommended, "report": str(path), "content": mark}
    write_text(bench.folder.path / "matrix.json", json.dumps(summary, indent=1) + "\n")
    if not manner.as_json:
        print_report(page, Console())
        Console(soft_wrap=True).print(f"\nreport  {path}\nmlflow  python cli.py ui", highlight=False)
    finish(_body(matrix, str(path)), None, as_json=manner.as_json)


def _recorded(desk: Desk, mark: str) -> str | None:
    """The run that has recorded exactly this outcome, as the last report of the task noted it."""
    try:
        noted = json.loads((desk.bench.folder.path / "matrix.json").read_text("utf-8"))
        run_id = str(noted["run_id"]) if noted["content"] == mark else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    known = {run.run_id for run in desk.store.runs(desk.bench.task.name)}
    return run_id if run_id in known else None


def _start(desk: Desk, matrix: Matrix) -> RunStart:
    task = desk.bench.task
    params = {
        "kind": "matrix",
        "cells": str(len(matrix.cells)),
        "rows": str(max(len(cell.evaluation.rows) for cell in matrix.cells)),
        "prompts": ", ".join(dict.fromkeys(cell.prompt for cell in matrix.cells)),
        "models": ", ".join(dict.fromkeys(cell.model for cell in matrix.cells)),
        "reference": matrix.reference,
        "metric": matrix.metric,
        "config_hash": task.config_hash,
    }
    return RunStart(
        run_id=matrix.run_id,
        task=task.name,
        command=desk.manner.command,
        started_at=now(),
        params=params,
        tags={"kind": "matrix", "code_version": code_version(), "offline": str(matrix.offline).lower()},
        splits=task.splits.info,
        config=task.config.model_dump(mode="json"),
        identity={"matrix": matrix.run_id},
    )


def _body(matrix: Matrix, path: str) -> dict[str, Any]:
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
