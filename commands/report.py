"""``report``: a finished run's report once more, from the record and without any call."""

from __future__ import annotations

from pathlib import Path

from commands.session import Finish, open_store
from core.errors import UsageError
from core.tracking import Tracker
from core.workspace import Workspace
from programs.export import write_text
from reports import optimization_report, render_html, render_markdown

ENDINGS = {"html": ".html", "markdown": ".md"}


def run_report(workspace: Workspace, run: str, *, form: str, out: str | None, as_json: bool, finish: Finish) -> None:
    """Render the report of a finished run into a file; ``out`` as ``-`` prints it."""
    if form not in ENDINGS:
        raise UsageError(f"--format: received {form!r}; allowed: {', '.join(ENDINGS)}")
    if out == "-" and as_json:
        raise UsageError("--out - and --json both want the whole of stdout", hint="choose one of them")
    store = open_store(workspace)
    result = store.optimization(run)
    if form == "html":
        tracker = Tracker(store, workspace.mlruns)
        tracker.close()  # it takes what MLflow has missed, so that the links lead somewhere
        text = render_html(optimization_report(result, links=tracker.links(result.task, result.run_id)))
    else:
        text = render_markdown(optimization_report(result))
    if out == "-":
        finish({}, text.rstrip("\n"), as_json=False)
    path = Path(out) if out else workspace.mlruns / "reports" / f"{result.run_id}{ENDINGS[form]}"
    write_text(path, text)
    body = {"run_id": result.run_id, "format": form, "path": str(path), "bytes": len(text.encode())}
    finish(body, f"report  {path}", as_json=as_json)
