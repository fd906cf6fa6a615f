"""``diff``: what changed between two prompts."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.flags import Place, TaskName
from commands.outcome import Outcome

EXAMPLE = "python cli.py diff extraction seed champion"


def command(
    task: TaskName,
    place: Place,
    before: Annotated[str, typer.Argument(help="seed, champion, or a run id.")] = "seed",
    after: Annotated[str | None, typer.Argument(help="The same; the latest run by default.")] = None,
) -> Outcome:
    """Show what changed between two prompts."""
    import contextlib

    from commands.job import find_prompts
    from commands.production import find_run
    from programs.prompts import diff_prompts
    from tasks.open_run import open_store, open_task

    where = place.find()
    found = open_task(where, task, [])
    with contextlib.closing(open_store(where)) as store:
        newest = after or find_run(store, found, None).run_id
        text = diff_prompts(find_prompts(store, found, before), find_prompts(store, found, newest))
    body = {"task": found.name, "before": before, "after": newest, "diff": text}
    return Outcome(body, text or f"no difference between {before} and {newest}")
