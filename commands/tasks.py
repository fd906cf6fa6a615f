"""``tasks``: what the workspace has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commands.flags import Place
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.workspace import Workspace

EXAMPLE = "python cli.py tasks"


def command(place: Place) -> Outcome:
    """List the tasks of the workspace, with the first mistake of those whose file has any."""
    from tasks.files import list_tasks

    where = place.find()
    rows = [_row(where, name) for name in list_tasks(where.root)]
    text = "\n".join(f"{row['task']:<24} {row['description']}" for row in rows)
    return Outcome({"tasks": rows}, text or "no task yet; python cli.py init NAME --from-gold rows.jsonl")


def _row(where: Workspace, name: str) -> dict[str, Any]:
    from core.errors import ConfigError, ProvenError
    from tasks.loading import load_task

    try:
        config = load_task(name, workspace=where.root)
    except ProvenError as error:
        first = str(error.problems[0]) if isinstance(error, ConfigError) else error.message
        return {"task": name, "program": None, "description": first, "valid": False}
    return {"task": name, "program": config.program, "description": config.description, "valid": True}
