"""``stop``: ask a running run to end in order."""

from __future__ import annotations

from commands.flags import Place, RunName
from commands.outcome import Outcome

EXAMPLE = "python cli.py stop extraction-20260102"


def command(run: RunName, place: Place) -> Outcome:
    """Ask a running run to end in order; it can be continued later."""
    import contextlib

    from core.errors import UsageError
    from tracking.store import Store

    where = place.find()
    with contextlib.closing(Store(where.mlruns / "proven.db")) as store:
        found = store.run(run)
        if not store.alive(found):
            raise UsageError(f"run {found.run_id} is {store.state(found)}; there is nothing to stop")
        store.request_stop(found.run_id)
    text = f"asked {found.run_id} to stop; it ends with its best prompt so far and can be continued"
    return Outcome({"run_id": found.run_id, "stopping": True}, text)
