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
    before: Annotated[str, typer.Argument(help="seed, champion, production, or a run id.")] = "seed",
    after: Annotated[str | None, typer.Argument(help="The same; the prompt in use by default.")] = None,
) -> Outcome:
    """Show what changed between two prompts; by default from the seed to the prompt in use (see `show`)."""
    import contextlib

    from commands.job import find_prompts
    from commands.production import told
    from programs.prompts import diff_prompts
    from tasks.current import current_prompt
    from tasks.open_run import open_store, open_task

    where = place.find()
    found = open_task(where, task, [])
    with contextlib.closing(open_store(where)) as store:
        first = find_prompts(store, found, before)
        current = current_prompt(store, found) if after is None else None
        second = current.prompts if current else find_prompts(store, found, after or "")
    name = current.run_id or current.source if current else after
    text = diff_prompts(first, second)
    body = {"task": found.name, "before": before, "after": name, "diff": text, **(told(current) if current else {})}
    head = f"{found.name}: {current.why}\n" if current else ""
    return Outcome(body, head + (text or f"no difference between {before} and {name}"))
