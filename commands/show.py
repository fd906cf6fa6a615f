"""``show``: a task as it will run."""

from __future__ import annotations

from commands.flags import Place, Settings, TaskName
from commands.outcome import Outcome

EXAMPLE = "python cli.py show extraction"


def command(task: TaskName, settings: Settings, place: Place) -> Outcome:
    """Show a task: its data, splits, models, metric and prompts. Runs a task's own code."""
    from programs.prompts import component_hashes, predictors, read_prompts
    from tasks.open_run import open_task

    found = open_task(place.find(), task, settings.overrides())
    info, prompts = found.splits.info, read_prompts(found.program)
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
        *(f"  note       {note}" for note in found.splits.notes),
        *(f"\n{prompt.predictor}:\n{prompt.instruction}" for prompt in prompts.prompts),
    ]
    return Outcome(body, "\n".join(lines))
