"""``report``: a run's report once more, from the record and without any call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import Place, Settings
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.workspace import Workspace
    from reports.blocks import Report

EXAMPLE = "python cli.py report condensation --format markdown --out -"
ENDINGS = {"html": ".html", "markdown": ".md"}


def command(
    target: Annotated[
        str,
        typer.Argument(help="A run id or its beginning (see `runs`), or a task for its matrix.", show_default=False),
    ],
    settings: Settings,
    place: Place,
    form: Annotated[str, typer.Option("--format", help="html or markdown.")] = "html",
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="File to write, - for stdout; mlruns/reports/ when omitted.")
    ] = None,
) -> Outcome:
    """Write a report again, as a page or as Markdown, or compare the judged outputs of a matrix; calls no model."""
    from commands.matrix_steps import matrix_of
    from core.errors import UsageError
    from core.files import write_text
    from reports import render_html, render_markdown
    from tasks.files import list_tasks

    if form not in ENDINGS:
        raise UsageError(f"--format: received {form!r}; allowed: {', '.join(ENDINGS)}")
    where = place.find()
    of_task = target in list_tasks(where.root) or target.endswith((".yaml", ".yml", ".json"))
    if of_task and form == "html" and out is None:
        return matrix_of(where, target, place, settings)
    run_id, page = _page(where, target, place, linked=form == "html")
    text = render_html(page) if form == "html" else render_markdown(page)
    if out == "-":
        return Outcome({"run_id": run_id, "format": form, "text": text}, text.rstrip("\n"))
    path = Path(out) if out else where.mlruns / "reports" / f"{run_id}{ENDINGS[form]}"
    write_text(path, text)
    body = {"run_id": run_id, "format": form, "path": str(path), "bytes": len(text.encode())}
    return Outcome(body, f"report  {path}")


def _page(where: Workspace, target: str, place: Place, *, linked: bool) -> tuple[str, Report]:
    """The report of a stored run; with links into MLflow where they are wanted."""
    import contextlib

    from core.economy import Distillation
    from core.plain import from_json
    from reports import matrix_report, optimization_report
    from tasks.open_run import open_store
    from tracking.events import EventKind
    from tracking.projection import Tracker

    with contextlib.closing(open_store(where)) as store:
        summary = store.run(_of_matrix(where, target))
        links = {}
        if linked:
            tracker = Tracker(store, where.mlruns)
            if store.unsynced():
                tracker.catch_up()  # so that the links lead somewhere
            links = tracker.links(summary.task, summary.run_id)
        if store.has(summary.run_id, EventKind.MATRIX):
            return summary.run_id, matrix_report(store.matrix(summary.run_id), links=links)
        event = store.last(summary.run_id, EventKind.DISTILLATION)
        study = from_json(Distillation, event.payload) if event is not None else None
        outcome = store.optimization(summary.run_id)
        return summary.run_id, optimization_report(outcome, links=links, distillation=study, workspace=place.quoted)


def _of_matrix(where: Workspace, target: str) -> str:
    """The run that a name means: the latest matrix where it is a task."""
    import json
    import re

    from tasks.files import NAME

    path = where.mlruns / "matrix" / target / "matrix.json"
    if re.fullmatch(NAME, target) and path.is_file():
        return str(json.loads(path.read_text("utf-8"))["run_id"])
    return target
