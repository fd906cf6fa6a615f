"""``rollback``: the champion before this one, or the seed."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.flags import Place, TaskName
from commands.outcome import Outcome

EXAMPLE = "python cli.py rollback extraction"


def command(
    task: TaskName,
    place: Place,
    to_seed: Annotated[
        bool, typer.Option("--to-seed", help="Return to the task's seed, whatever has been proven.")
    ] = False,
) -> Outcome:
    """Return to the champion before this one, or to the seed; a rollback to the seed can itself be rolled back.

    The record of the champion that it returns to is verified first.
    """
    import contextlib

    from commands.production import check_return, seed_provenance, told, write_champion
    from programs.prompts import read_prompts
    from tasks.current import current_prompt
    from tasks.open_run import open_store, open_task
    from tracking.projection import following

    where = place.find()
    found = open_task(where, task, [])
    with contextlib.closing(open_store(where)) as store, following(store, where.mlruns) as tracker:
        if to_seed:
            seed = read_prompts(found.program)
            champion = store.rollback_to_seed(found.name, seed, seed_provenance(found, seed))
        else:
            check_return(where, store, found)
            champion = store.rollback(found.name)
        tracker.nudge()
        current = current_prompt(store, found)
    path = write_champion(where, found, current.prompts, dict(champion.provenance))
    text = f"{found.name}: in use is {current.prompts.hash} again: {current.why}\nwrote {path}"
    return Outcome({"task": found.name, **told(current), "path": str(path)}, text)
