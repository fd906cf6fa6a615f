"""``rollback``: the champion before this one."""

from __future__ import annotations

from commands.flags import Place, TaskName
from commands.outcome import Outcome

EXAMPLE = "python cli.py rollback extraction"


def command(task: TaskName, place: Place) -> Outcome:
    """Return to the champion before this one."""
    import contextlib

    from commands.production import write_champion
    from tasks.open_run import open_store, open_task, tracking

    where = place.find()
    found = open_task(where, task, [])
    with contextlib.closing(open_store(where)) as store, tracking(where, store) as tracker:
        champion = store.rollback(found.name)
        tracker.nudge()
    path = write_champion(where, found, champion.prompts, dict(champion.provenance))
    text = f"{found.name}: champion is {champion.prompts.hash} from {champion.run_id} again\nwrote {path}"
    return Outcome({"task": found.name, "run_id": champion.run_id, "prompt_hash": champion.prompts.hash}, text)
