"""``sync``: replay into MLflow what it has missed."""

from __future__ import annotations

from commands.flags import Place
from commands.outcome import Outcome

EXAMPLE = "python cli.py sync"


def command(place: Place) -> Outcome:
    """Replay into MLflow whatever it has missed."""
    import contextlib

    from tasks.open_run import open_store
    from tracking.projection import Tracker

    where = place.find()
    with contextlib.closing(open_store(where)) as store:
        tracker = Tracker(store, where.mlruns)
        tracker.catch_up()
        waiting, problems = len(store.unsynced()), list(tracker.problems)
    text = "MLflow has everything" if not waiting else f"{waiting} runs are still waiting: {'; '.join(problems)}"
    return Outcome({"waiting": waiting, "problems": problems}, text, code=1 if waiting else 0)
