"""``report``: all runs of a task on one page, or one run's report once more; from the record and without any call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import Place, Settings
from commands.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.workspace import Workspace
    from reports.blocks import Report
    from tracking.projection import Tracker
    from tracking.store import Store

EXAMPLE = "python cli.py report condensation --format markdown --out -"
ENDINGS = {"html": ".html", "markdown": ".md"}
MOST_RUNS = 50
"""Runs of a task, newest first, that one page shows."""


def command(
    target: Annotated[
        str,
        typer.Argument(help="A task for all its runs, or a run id or its beginning (see `runs`).", show_default=False),
    ],
    settings: Settings,
    place: Place,
    form: Annotated[str, typer.Option("--format", help="html or markdown.")] = "html",
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="File to write, - for stdout; mlruns/reports/ when omitted.")
    ] = None,
) -> Outcome:
    """All runs of a task on one page, the judged outputs of its matrix, or one run's report; calls no model."""
    from commands.matrix_steps import matrix_of
    from core.errors import UsageError
    from core.files import write_text
    from reports import render_html, render_markdown
    from tasks.files import list_tasks

    if form not in ENDINGS:
        raise UsageError(f"--format: received {form!r}; allowed: {', '.join(ENDINGS)}")
    where = place.find()
    of_task = target in list_tasks(where.root) or target.endswith((".yaml", ".yml", ".json"))
    name = Path(target).stem if target.endswith((".yaml", ".yml", ".json")) else target
    has_matrix = (where.mlruns / "matrix" / name).is_dir()
    made = _of_runs(where, name, place, linked=form == "html") if of_task and not has_matrix else None
    if of_task and made is None and form == "html" and out is None:
        return matrix_of(where, target, place, settings)
    run_id, page = made or _page(where, target, place, linked=form == "html")
    text = render_html(page) if form == "html" else render_markdown(page)
    if out == "-":
        return Outcome({"run_id": run_id, "format": form, "text": text}, text.rstrip("\n"))
    path = Path(out) if out else where.mlruns / "reports" / f"{run_id}{ENDINGS[form]}"
    write_text(path, text)
    body = {"run_id": run_id, "format": form, "path": str(path), "bytes": len(text.encode())}
    return Outcome(body, f"report  {path}")


def _of_runs(where: Workspace, task: str, place: Place, *, linked: bool) -> tuple[str, Report] | None:
    """The page of a task's searches under the task's name; None where none has finished."""
    import contextlib

    from tasks.open_run import open_store
    from tracking.projection import Tracker

    with contextlib.closing(open_store(where)) as store:
        tracker = None
        if linked:
            tracker = Tracker(store, where.mlruns)
            if store.unsynced():
                tracker.catch_up()
        page = task_page(where, store, task, tracker, place.quoted)
    return None if page is None else (task, page)


def task_page(
    where: Workspace, store: Store, task: str, tracker: Tracker | None, workspace: str | None
) -> Report | None:
    """All finished searches of a task as a page, with links where there is a tracker; None where there is none."""
    from reports import Reigning, task_report
    from tracking.store import OUTCOMES

    summaries = [run for run in store.runs(task, kinds=OUTCOMES) if run.state == "finished"][:MOST_RUNS]
    if not summaries:
        return None
    champion = store.champion(task)
    reigning = champion and Reigning(champion.run_id, champion.at, champion.forced, champion.prompts)
    links: dict[str, str] = {}
    if tracker is not None:
        links = tracker.links(task, None)
        for run in summaries:
            own = tracker.links(task, run.run_id)
            if "row by row" in own:
                links[f"{run.run_id}: both prompts row by row"] = own["row by row"]
            if (where.mlruns / "reports" / f"{run.run_id}.html").is_file():
                links[f"{run.run_id}: its page"] = f"{run.run_id}.html"
    runs = [store.optimization(run.run_id) for run in summaries]
    return task_report(task, runs, reigning, links=links, workspace=workspace)


def _page(where: Workspace, target: str, place: Place, *, linked: bool) -> tuple[str, Report]:
    """The report of a stored run; with links into MLflow where they are wanted."""
    import contextlib

    from tasks.open_run import open_store
    from tracking.projection import Tracker

    with contextlib.closing(open_store(where)) as store:
        run_id = store.run(_of_matrix(where, target)).run_id
        tracker = None
        if linked:
            tracker = Tracker(store, where.mlruns)
            if store.unsynced():
                tracker.catch_up()  # so that the links lead somewhere
        return run_id, run_page(store, run_id, tracker, place.quoted)


def run_page(store: Store, run_id: str, tracker: Tracker | None, workspace: str | None) -> Report:
    """The report of a stored run, with links where there is a tracker."""
    from core.economy import Distillation
    from core.plain import from_json
    from reports import matrix_report, optimization_report
    from tracking.events import EventKind

    links = tracker.links(store.run(run_id).task, run_id) if tracker is not None else {}
    if store.has(run_id, EventKind.MATRIX):
        return matrix_report(store.matrix(run_id), links=links)
    if store.has(run_id, EventKind.JUDGE_CARD):
        return card_page(store, run_id, workspace, links)
    event = store.last(run_id, EventKind.DISTILLATION)
    study = from_json(Distillation, event.payload) if event is not None else None
    return optimization_report(store.optimization(run_id), links=links, distillation=study, workspace=workspace)


def card_page(store: Store, run_id: str, workspace: str | None, links: Mapping[str, str]) -> Report:
    """The page of an examined judge, for what its task seeks with it."""
    from core.cells import JudgeCard
    from core.plain import from_json
    from metrics.calibration import too_noisy
    from reports import JudgeUse, judge_report
    from tracking.events import EventKind

    start, event = store.started(run_id), store.last(run_id, EventKind.JUDGE_CARD)
    assert event is not None  # whoever asks has looked
    card = from_json(JudgeCard, event.payload)
    sought = float((start.config.get("judge") or {}).get("sought", 0.05))
    margin = float((start.config.get("matrix") or {}).get("margin", 0.05))
    use = JudgeUse(sought, margin, too_noisy(card, sought), start.tags.get("offline") == "true")
    return judge_report(card, start.task, use, links=links, workspace=workspace)


def _of_matrix(where: Workspace, target: str) -> str:
    """The run that a name means: the latest matrix where it is a task."""
    import json
    import re

    from tasks.files import NAME

    path = where.mlruns / "matrix" / target / "matrix.json"
    if re.fullmatch(NAME, target) and path.is_file():
        return str(json.loads(path.read_text("utf-8"))["run_id"])
    return target
