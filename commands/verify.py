"""``verify``: does what a run claims follow from what is stored?"""

from __future__ import annotations

from commands.flags import Place, RunName
from commands.outcome import Outcome

EXAMPLE = "python cli.py verify extraction-20260102"
DIFFERENT = 1


def command(run: RunName, place: Place) -> Outcome:
    """Recompute a run's hashes, means, lift, interval and verdict from its stored rows; exit 1 on any difference."""
    import contextlib

    from optimizers.verification import verify_run
    from tasks.open_run import open_store

    where = place.find()
    with contextlib.closing(open_store(where)) as store:
        run_id, differences, notes = verify_run(where, store, run)
    head = f"{run_id}: {'differs from its record' if differences else 'verified'}"
    lines = [head, *(f"  {d}" for d in differences), *(f"  note: {n}" for n in notes)]
    body = {"run_id": run_id, "verified": not differences, "differences": differences, "notes": notes}
    return Outcome(body, "\n".join(lines), code=DIFFERENT if differences else 0)
