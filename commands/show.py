"""``show``: a task as it will run."""

from __future__ import annotations

from commands.flags import Place, Settings, TaskName
from commands.outcome import Outcome

EXAMPLE = "python cli.py show extraction"


def command(task: TaskName, settings: Settings, place: Place) -> Outcome:
    """Show a task: its data, splits, models, metric and the prompt in use. Runs a task's own ``module:Name``."""
    import contextlib

    from commands.production import told
    from programs.prompts import component_hashes, predictors
    from tasks.current import current_prompt
    from tasks.open_run import open_store, open_task

    where = place.find()
    found = open_task(where, task, settings.overrides())
    with contextlib.closing(open_store(where)) as store:
        current = current_prompt(store, found)
    info, prompts = found.splits.info, current.prompts
    names = [name for name, _ in predictors(found.program)]
    body = {
        "task": found.name,
        "description": found.config.description,
        "program": found.config.program,
        "corpus": str(found.corpus.path),
        "splits": {"train": info.train, "dev": info.dev, "holdout": info.holdout},
        "fingerprint": info.fingerprint,
        "notes": list(found.splits.notes),
        "models": {role: spec.model for role, spec in found.models.items()},
        "metric": found.metric.name,
        "optimizer": found.config.optimizer.model_dump(mode="json"),
        "predictors": names,
        "components": component_hashes(prompts),
        **told(current),
        "prompts": prompts.instructions(),
        "config": found.config.model_dump(mode="json"),
    }
    lines = [
        f"{found.name}: {found.config.description}",
        f"  program    {found.config.program} ({', '.join(names)})",
        f"  corpus     {found.corpus.path}",
        f"  splits     {info.train} train / {info.dev} dev / {info.holdout} holdout",
        f"  models     {', '.join(f'{role} {spec.alias}' for role, spec in found.models.items())}",
        f"  metric     {found.metric.name}",
        f"  optimizer  {found.config.optimizer.name}, budget {found.config.optimizer.budget}",
        f"  in use     {current.why}",
        *(f"  note       {note}" for note in found.splits.notes),
        *(f"\n{prompt.predictor}:\n{prompt.text}" for prompt in prompts.prompts),
    ]
    return Outcome(body, "\n".join(lines))
