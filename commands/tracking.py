"""``ui`` and ``sync``."""

from __future__ import annotations

import contextlib
import signal
import webbrowser

from commands.session import Finish, open_store
from core.workspace import Workspace
from tracking.projection import Tracker
from tracking.server import serve


def run_ui(workspace: Workspace, *, port: int, open_browser: bool) -> None:
    """Serve MLflow on the local store until Ctrl-C."""
    store = open_store(workspace)
    tracker = Tracker(store, workspace.mlruns)
    tracker.catch_up()
    server = serve(workspace.mlruns, port=port)
    print(f"MLflow is up at {server.url}")
    for task in sorted({run.task for run in store.runs()}):
        for name, link in tracker.links(task, None, server.url).items():
            print(f"  {task}, {name}: {link}")
    print("Ctrl-C ends it")
    if open_browser:
        webbrowser.open(server.url)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))  # it ends like Ctrl-C
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()
    finally:
        server.stop()


def run_sync(workspace: Workspace, *, as_json: bool, finish: Finish) -> None:
    """Replay into MLflow whatever it has missed."""
    store = open_store(workspace)
    tracker = Tracker(store, workspace.mlruns)
    tracker.catch_up()
    waiting = len(store.unsynced())
    text = (
        "MLflow has everything" if not waiting else f"{waiting} runs are still waiting: {'; '.join(tracker.problems)}"
    )
    finish({"waiting": waiting, "problems": list(tracker.problems)}, text, as_json=as_json, code=1 if waiting else 0)
