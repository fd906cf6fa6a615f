"""``init``, ``tasks``, ``validate`` and ``show``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from commands.session import Finish, open_task
from core.errors import ConfigError, OutputError, ProvenError
from core.workspace import HOME, Workspace, find_workspace
from optimizers.settings import chosen_optimizer, without_effect
from programs.prompts import component_hashes, predictors, read_prompts
from tasks.loading import list_tasks
from tasks.scaffold import scaffold
from tasks.task import read_config


def run_init(
    name: str, from_gold: str | None, *, force: bool, workspace: str | None, as_json: bool, finish: Finish
) -> None:
    """Scaffold a task from gold rows, or a workspace folder."""
    if from_gold is None:
        _init_workspace(Path(name), as_json=as_json, finish=finish)
        return
    place = find_workspace(workspace)
    made = scaffold(name, Path(from_gold), place.root, force=force)
    command = f"python cli.py optimize {name}" + (f" --workspace {workspace}" if workspace else "")
    lines = [f"wrote {made.path}", *(f"note: {note}" for note in made.notes), f"next: {command}"]
    finish(
        {"task": name, "path": str(made.path), "notes": list(made.notes), "next": command},
        "\n".join(lines),
        as_json=as_json,
    )


def _init_workspace(root: Path, *, as_json: bool, finish: Finish) -> None:
    try:
        for folder in ("configs", "corpora", "prompts", "mlruns"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        models = root / "configs" / "models.yaml"
        if not models.exists():
            shutil.copyfile(HOME / "configs" / "models.yaml", models)
    except OSError as error:
        raise OutputError(f"cannot make a workspace at {root}: {error.strerror}") from None
    hint = f"python cli.py init NAME --from-gold rows.jsonl --workspace {root}"
    finish({"workspace": str(root), "next": hint}, f"made {root}\nnext: {hint}", as_json=as_json)


def run_tasks(workspace: Workspace, *, as_json: bool, finish: Finish) -> None:
    """List the tasks of the workspace."""
    rows = []
    for name in list_tasks(workspace.root):
        try:
            config = read_config(workspace, name, [])
            rows.append({"task": name, "program": config.program, "description": config.description, "valid": True})
        except ProvenError as error:
            rows.append({"task": name, "program": None, "description": _first(error), "valid": False})
    text = "\n".join(f"{row['task']:<24} {row['description']}" for row in rows)
    finish({"tasks": rows}, text or "no task yet; python cli.py init NAME --from-gold rows.jsonl", as_json=as_json)


def _first(error: ProvenError) -> str:
    return str(error.problems[0]) if isinstance(error, ConfigError) else error.message


def run_validate(workspace: Workspace, name: str | None, sets: Sequence[str], *, as_json: bool, finish: Finish) -> None:
    """Check task files, corpora and splits."""
    results, worst = [], 0
    for task in [name] if name else list_tasks(workspace.root):
        try:
            loaded = open_task(workspace, task, sets)
            info = loaded.splits.info
            results.append(
                {"task": task, "valid": True, "train": info.train, "dev": info.dev, "holdout": info.holdout,
                 "notes": [*loaded.splits.notes, *without_effect(chosen_optimizer(loaded), loaded.config.optimizer)]}
            )  # fmt: skip
        except ProvenError as error:
            worst = max(worst, error.exit_code)
            results.append({"task": task, "valid": False, "error": str(error)})
    lines = []
    for r in results:
        if r["valid"]:
            lines.append(f"{r['task']}: ok, {r['train']} train / {r['dev']} dev / {r['holdout']} holdout")
            lines += [f"  note: {note}" for note in r["notes"]]
        else:
            lines.append(f"{r['task']}: {r['error']}")
    finish({"tasks": results}, "\n".join(lines), as_json=as_json, code=worst)


def run_show(workspace: Workspace, name: str, sets: Sequence[str], *, as_json: bool, finish: Finish) -> None:
    """Show a task: data, splits, models, metric and prompts."""
    task = open_task(workspace, name, sets)
    info, prompts = task.splits.info, read_prompts(task.program)
    body = {
        "task": task.name,
        "description": task.config.description,
        "program": task.config.program,
        "corpus": str(task.corpus.path),
        "splits": {"train": info.train, "dev": info.dev, "holdout": info.holdout},
        "fingerprint": info.fingerprint,
        "notes": list(task.splits.notes),
        "models": {role: spec.model for role, spec in task.models.items()},
        "metric": task.metric.name,
        "optimizer": task.config.optimizer.model_dump(mode="json"),
        "predictors": [n for n, _ in predictors(task.program)],
        "components": component_hashes(prompts),
        "prompts": prompts.instructions(),
        "config": task.config.model_dump(mode="json"),
    }
    lines = [
        f"{task.name}: {task.config.description}",
        f"  program    {task.config.program} ({', '.join(body['predictors'])})",
        f"  corpus     {task.corpus.path}",
        f"  splits     {info.train} train / {info.dev} dev / {info.holdout} holdout",
        f"  models     {', '.join(f'{role} {spec.alias}' for role, spec in task.models.items())}",
        f"  metric     {task.metric.name}",
        f"  optimizer  {task.config.optimizer.name}, budget {task.config.optimizer.budget}",
        *(f"  note       {note}" for note in task.splits.notes),
        *(f"\n{prompt.predictor}:\n{prompt.instruction}" for prompt in prompts.prompts),
    ]
    finish(body, "\n".join(lines), as_json=as_json)
