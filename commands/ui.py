"""``ui``: MLflow on the local store, and pages whose links lead into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import Place
from commands.outcome import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from core.workspace import Workspace
    from tracking.projection import Tracker
    from tracking.store import Store

EXAMPLE = "python cli.py ui --port 5001"
REFRESHED = 20
"""Pages of runs, newest first, whose links are brought up to date."""


def command(
    place: Place,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the newest task's page in a browser.")] = False,
) -> Outcome:
    """Open MLflow on the local store, and write a page with all runs of each task."""
    import contextlib
    import signal
    import webbrowser

    from core.files import write_text
    from tasks.open_run import open_store
    from tracking.projection import ADDRESS, Tracker
    from tracking.server import serve

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt  # not a signal of its own: a script's shell has it ignored in what runs beside it

    signal.signal(signal.SIGTERM, end)
    where = place.find()
    with contextlib.closing(open_store(where)) as store:
        print("bringing MLflow up to date ...", flush=True)
        tracker = Tracker(store, where.mlruns)
        tracker.catch_up()
        server = serve(where.mlruns, port=port)
        write_text(where.mlruns / ADDRESS, f"{server.url}\n")
        pages = _pages(where, store, tracker, place.quoted)
        print(f"MLflow is up at {server.url}")
        for task in dict.fromkeys(run.task for run in store.runs()):
            print(f"  {task}")
            if task in pages:
                print(f"    all runs     {pages[task]}")
            for name, link in _links(store, tracker, task).items():
                print(f"    {name:12} {link}")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            print("Ctrl-C ends it", flush=True)
            if open_browser:
                webbrowser.open(next(iter(pages.values())).resolve().as_uri() if pages else server.url)
            server.wait()
    finally:
        server.stop()
    return Outcome({"url": server.url, "pages": {task: str(path) for task, path in pages.items()}})


def _links(store: Store, tracker: Tracker, task: str) -> dict[str, str]:
    """Where to look first: the task's leaderboard, and both prompts of its newest run row by row."""
    newest = next((run.run_id for run in store.runs(task) if store.comparison(run.run_id)), None)
    return {name: link for name, link in tracker.links(task, newest).items() if name != "run"}


def _pages(where: Workspace, store: Store, tracker: Tracker, workspace: str | None) -> dict[str, Path]:
    """Write the page of each task, newest run first, and again those pages of runs whose links lead elsewhere."""
    from html import escape

    from commands.report import run_page, task_page
    from core.files import write_text
    from reports import render_html
    from tracking.store import OUTCOMES

    folder, runs = where.mlruns / "reports", store.runs(kinds=OUTCOMES)
    for run in runs[:REFRESHED]:
        path = folder / f"{run.run_id}.html"
        if run.state == "finished" and path.is_file():
            text = path.read_text("utf-8")
            if not all(escape(link) in text for link in tracker.links(run.task, run.run_id).values()):
                write_text(path, render_html(run_page(store, run.run_id, tracker, workspace)))
    pages: dict[str, Path] = {}
    for task in dict.fromkeys(run.task for run in runs):
        page = task_page(where, store, task, tracker, workspace)
        if page is not None:
            pages[task] = folder / f"{task}.html"
            write_text(pages[task], render_html(page))
    return pages
