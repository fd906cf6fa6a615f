"""``show``: a task as it will run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commands.flags import NoCode, Place, Settings, TaskName
from commands.outcome import Outcome

if TYPE_CHECKING:
    from tasks.task import Outline, Task

EXAMPLE = "python cli.py show extraction"


def command(task: TaskName, settings: Settings, place: Place, no_code: NoCode = False) -> Outcome:
    """Show a task: its data, splits, models, metric and the prompt in use.

    Runs what the task names as ``module:Name``, unless ``--no-code`` is given; without its program there is no prompt
    to show.
    """
    import contextlib

    from commands.production import told
    from programs.prompts import component_hashes, predictors
    from tasks.config import own_code_of
    from tasks.current import current_prompt
    from tasks.open_run import open_store, open_task, outline_task
    from tasks.task import read_config

    where = place.find()
    unrun = own_code_of(read_config(where, task, settings.overrides())) if no_code else {}
    if unrun:
        known = outline_task(where, task, settings.overrides())
        lines = [*_lines(known), *(f"  not run    {key}: {name}" for key, name in unrun.items())]
        return Outcome(_body(known) | {"not_run": unrun}, "\n".join(lines))
    found = open_task(where, task, settings.overrides())
    with contextlib.closing(open_store(where)) as store:
        current = current_prompt(store, found)
    prompts = current.prompts
    body = _body(found) | {
        "predictors": [name for name, _ in predictors(found.program)],
        "components": component_hashes(prompts),
        **told(current),
        "prompts": prompts.instructions(),
    }
    lines = [
        *_lines(found),
        f"  in use     {current.why}",
        *(f"\n{prompt.predictor}:\n{prompt.text}" for prompt in prompts.prompts),
    ]
    return Outcome(body, "\n".join(lines))


def _body(found: Task | Outline) -> dict[str, Any]:
    info, config = found.splits.info, found.config
    return {
        "task": found.name,
        "description": config.description,
        "program": config.program,
        "corpus": str(found.corpus.path),
        "splits": {"train": info.train, "dev": info.dev, "holdout": info.holdout},
        "fingerprint": info.fingerprint,
        "notes": list(found.splits.notes),
        "models": {role: spec.model for role, spec in found.models.items()},
        "metric": config.metric.name,
        "optimizer": config.optimizer.model_dump(mode="json"),
        "config": config.model_dump(mode="json"),
    }


def _lines(found: Task | Outline) -> list[str]:
    info, config = found.splits.info, found.config
    return [
        f"{found.name}: {config.description}",
        f"  program    {config.program}",
        f"  corpus     {found.corpus.path}",
        f"  splits     {info.train} train / {info.dev} dev / {info.holdout} holdout",
        f"  models     {', '.join(f'{role} {spec.alias}' for role, spec in found.models.items())}",
        f"  metric     {config.metric.name}",
        f"  optimizer  {config.optimizer.name}, budget {config.optimizer.budget}",
        *(f"  note       {note}" for note in found.splits.notes),
    ]
