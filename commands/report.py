"""``report``: a finished run's report once more, from the record and without any call."""

from __future__ import annotations

import json
import re
from pathlib import Path

from commands.session import Finish, open_store
from core.economy import Distillation
from core.errors import UsageError
from core.files import write_text
from core.plain import from_json
from core.workspace import Workspace
from reports import matrix_report, optimization_report, render_html, render_markdown
from tasks.config import NAME
from tracking.events import EventKind
from tracking.projection import Tracker

ENDINGS = {"html": ".html", "markdown": ".md"}


def run_report(
    workspace: Workspace,
    run: str,
    *,
    form: str,
    out: str | None,
    as_json: bool,
    finish: Finish,
    named: str | None = None,
) -> None:
    """Render the report of a finished run into a file; ``out`` as ``-`` prints it.

    ``named`` is the workspace as it was typed, for the commands that the report shows.
    """
    if form not in ENDINGS:
        raise UsageError(f"--format: received {form!r}; allowed: {', '.join(ENDINGS)}")
    if out == "-" and as_json:
        raise UsageError("--out - and --json both want the whole of stdout", hint="choose one of them")
    store = open_store(workspace)
    summary = store.run(_of_matrix(workspace, run))
    links = {}
    if form == "html":
        tracker = Tracker(store, workspace.mlruns)
        if store.unsynced():
            tracker.catch_up()  # so that the links lead somewhere
        links = tracker.links(summary.task, summary.run_id)
    if store.has(summary.run_id, EventKind.MATRIX):
        page = matrix_report(store.matrix(summary.run_id), links=links)
    else:
        event = store.last(summary.run_id, EventKind.DISTILLATION)
        study = from_json(Distillation, event.payload) if event is not None else None
        page = optimization_report(store.optimization(summary.run_id), links=links, distillation=study, workspace=named)
    text = render_html(page) if form == "html" else render_markdown(page)
    if out == "-":
        finish({}, text.rstrip("\n"), as_json=False)
    path = Path(out) if out else workspace.mlruns / "reports" / f"{summary.run_id}{ENDINGS[form]}"
    write_text(path, text)
    body = {"run_id": summary.run_id, "format": form, "path": str(path), "bytes": len(text.encode())}
    finish(body, f"report  {path}", as_json=as_json)


def _of_matrix(workspace: Workspace, target: str) -> str:
    """The run that a name means: the latest matrix where it is a task."""
    path = workspace.mlruns / "matrix" / target / "matrix.json"
    if re.fullmatch(NAME, target) and path.is_file():
        return str(json.loads(path.read_text("utf-8"))["run_id"])
    return target
