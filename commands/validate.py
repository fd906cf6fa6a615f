"""``validate``: every mistake in task files, corpora and splits."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from commands.flags import Place, Settings
from commands.outcome import Outcome

EXAMPLE = "python cli.py validate extraction"


def command(
    settings: Settings,
    place: Place,
    task: Annotated[str | None, typer.Argument(help="One task; all of them when omitted.")] = None,
) -> Outcome:
    """Check task files, corpora and splits; report every mistake with file and line. Runs a task's own code."""
    from core.errors import ProvenError
    from optimizers.settings import chosen_optimizers, without_effect
    from tasks.files import list_tasks
    from tasks.open_run import open_task

    where, worst = place.find(), 0
    results: list[dict[str, Any]] = []
    for name in [task] if task else list_tasks(where.root):
        try:
            loaded = open_task(where, name, settings.overrides())
            optimizers = chosen_optimizers(loaded)
        except ProvenError as error:
            worst = max(worst, error.exit_code)
            results.append({"task": name, "valid": False, "error": str(error)})
            continue
        info = loaded.splits.info
        notes = [*loaded.splits.notes, *without_effect(optimizers, loaded.config.optimizer)]
        rows = {"train": info.train, "dev": info.dev, "holdout": info.holdout}
        results.append({"task": name, "valid": True, **rows, "notes": notes})
    return Outcome({"tasks": results}, "\n".join(_line(result) for result in results), code=worst)


def _line(result: dict[str, Any]) -> str:
    if not result["valid"]:
        return f"{result['task']}: {result['error']}"
    head = f"{result['task']}: ok, {result['train']} train / {result['dev']} dev / {result['holdout']} holdout"
    return "\n".join([head, *(f"  note: {note}" for note in result["notes"])])
