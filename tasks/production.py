"""The prompt that production uses: what a task file's ``production`` says, which a new prompt has to beat."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from core.candidate import ProgramPrompts, Prompt
from core.own_code import mistake, own_code
from core.workspace import Workspace
from programs.prompts import read_prompts
from tasks.task import Task
from tracking.store import Store

ReadPrompt = Callable[[str, str], str]
"""Reads a registered prompt's text from MLflow by name and alias."""


def production_prompts(
    task: Task, workspace: Workspace, store: Store, read_prompt: ReadPrompt, notes: list[str]
) -> ProgramPrompts:
    """The prompt that production uses, from where the task file says it is; the seed where it says nothing.

    Raises:
        ConfigError: If it is not there.
    """
    source = task.config.production
    seed = read_prompts(task.program)
    champion = store.champion(task.name)
    if source in (None, "champion"):
        if champion is not None and champion.seed:
            return seed
        if champion is not None:
            notes.append(f"the production prompt is the champion of run {champion.run_id}, tuned on rows like these")
            return champion.prompts
        if source is None:
            return seed
        raise mistake("production", f"{task.name} has no champion yet; python cli.py promote {task.name}")
    assert source is not None
    if source.startswith("mlflow:"):
        name, _, alias = source.removeprefix("mlflow:").partition("@")
        return variant(seed, read_prompt(name, alias or "production"))
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", source):
        return variant(seed, _constant(source, workspace))
    path = Path(source) if Path(source).is_absolute() else workspace.root / source
    try:
        return variant(seed, path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise mistake(
            "production", f"{source}: not a readable text file, champion, mlflow:NAME or module:NAME: {error}"
        ) from None


def _constant(source: str, workspace: Workspace) -> str:
    text = own_code(source, "production", workspace.root)
    if not isinstance(text, str):
        raise mistake("production", f"{source} is a {type(text).__name__}, not a text")
    return text


def variant(base: ProgramPrompts, text: str | None) -> ProgramPrompts:
    """The base with another instruction and no demos; the base itself for None."""
    if text is None:
        return base
    if len(base.prompts) != 1:
        names = ", ".join(p.predictor for p in base.prompts)
        raise mistake("prompts", f"one text cannot replace the prompts of several predictors: {names}")
    return ProgramPrompts((Prompt(base.prompts[0].predictor, text.strip()),))
