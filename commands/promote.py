"""``promote``: a run's prompt becomes the champion."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.flags import Place, TaskName
from commands.outcome import Outcome

EXAMPLE = "python cli.py promote extraction"


def command(
    task: TaskName,
    place: Place,
    run: Annotated[str | None, typer.Option(help="Run id; the latest promoted one by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote without an accepting verdict; recorded.")] = False,
) -> Outcome:
    """Make a run's prompt the champion of its task: in the store, in ``prompts/`` and as MLflow's alias."""
    import contextlib

    from commands.production import check, find_run, provenance_of, write_champion
    from core.verdict import Decision
    from tasks.open_run import open_store, open_task, tracking

    where = place.find()
    found = open_task(where, task, [])
    with contextlib.closing(open_store(where)) as store:
        outcome = find_run(store, found, run)
        check(outcome, found, force=force)
        forced = outcome.verdict.decision is not Decision.PROMOTE
        provenance = provenance_of(outcome, forced=forced)
        with tracking(where, store) as tracker:
            reason = "; ".join(outcome.verdict.reasons)
            store.promote(found.name, outcome.run_id, outcome.winner, provenance, forced, reason)
            tracker.nudge()
    path = write_champion(where, found, outcome.winner, provenance)
    text = f"{found.name}: champion is now {outcome.winner.hash} from {outcome.run_id}\nwrote {path}"
    return Outcome({"task": found.name, "path": str(path), "provenance": provenance}, text)
