"""``ui``: MLflow on the local store."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.flags import Place
from commands.outcome import Outcome

EXAMPLE = "python cli.py ui --port 5001"


def command(
    place: Place,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the leaderboard in a browser.")] = False,
) -> Outcome:
    """Open MLflow on the local store, with a leaderboard of runs."""
    import contextlib
    import signal
    import webbrowser

    from tasks.open_run import open_store
    from tracking.projection import Tracker
    from tracking.server import serve

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt  # not a signal of its own: a script's shell has it ignored in what runs beside it

    signal.signal(signal.SIGTERM, end)
    where = place.find()
    with contextlib.closing(open_store(where)) as store:
        tracker = Tracker(store, where.mlruns)
        tracker.catch_up()
        server = serve(where.mlruns, port=port)
        print(f"MLflow is up at {server.url}")
        for task in sorted({run.task for run in store.runs()}):
            for name, link in tracker.links(task, None, server.url).items():
                print(f"  {task}, {name}: {link}")
    print("Ctrl-C ends it", flush=True)
    if open_browser:
        webbrowser.open(server.url)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()
    finally:
        server.stop()
    return Outcome({"url": server.url})
