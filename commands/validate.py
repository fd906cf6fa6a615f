"""``validate``: every mistake in task files, corpora and splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import NoCode, Place, Settings
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.workspace import Workspace
    from tasks.task import Task

EXAMPLE = "python cli.py validate extraction"


def command(
    settings: Settings,
    place: Place,
    task: Annotated[str | None, typer.Argument(help="One task; all of them when omitted.")] = None,
    no_code: NoCode = False,
) -> Outcome:
    """Check task files, corpora and splits; report every mistake with file and line.

    Runs what a task names as ``module:Name``, unless ``--no-code`` is given.
    """
    from core.errors import ProvenError
    from optimizers.settings import chosen_optimizers, without_effect
    from tasks.config import own_code_of
    from tasks.files import list_tasks
    from tasks.open_run import open_task, outline_task
    from tasks.task import read_config

    where, worst = place.find(), 0
    results: list[dict[str, Any]] = []
    for name in [task] if task else list_tasks(where.root):
        try:
            unchecked = own_code_of(read_config(where, name, settings.overrides())) if no_code else {}
            if unchecked:
                loaded = outline_task(where, name, settings.overrides())
            else:
                loaded = open_task(where, name, settings.overrides())
                check_prompts(where, loaded)
            optimizers = () if "optimizer.name" in unchecked else chosen_optimizers(loaded)
        except ProvenError as error:
            worst = max(worst, error.exit_code)
            results.append({"task": name, "valid": False, "error": str(error)})
            continue
        info = loaded.splits.info
        warned = [f"{key}: {said} is not checked, because it was not run" for key, said in unchecked.items()]
        notes = [*warned, *loaded.splits.notes, *without_effect(optimizers, loaded.config.optimizer)]
        rows = {"train": info.train, "dev": info.dev, "holdout": info.holdout}
        results.append({"task": name, "valid": True, **rows, "notes": notes})
    return Outcome({"tasks": results}, "\n".join(_line(result) for result in results), code=worst)


def check_prompts(where: Workspace, task: Task) -> None:
    """See that the prompts that a task file names are there, and are for predictors that the program has.

    Raises:
        ConfigError: If not.
    """
    import contextlib

    from programs.prompts import read_prompts
    from tasks.open_run import open_store
    from tasks.production import production_prompts, read_registered, variant

    for name, text in task.config.prompts.items():
        variant(read_prompts(task.program), text, f"prompts.{name}")
    if task.config.production is not None:
        with contextlib.closing(open_store(where)) as store:
            production_prompts(task, where, store, read_registered(where), [])


def _line(result: dict[str, Any]) -> str:
    if not result["valid"]:
        return f"{result['task']}: {result['error']}"
    head = f"{result['task']}: ok, {result['train']} train / {result['dev']} dev / {result['holdout']} holdout"
    return "\n".join([head, *(f"  note: {note}" for note in result["notes"])])
