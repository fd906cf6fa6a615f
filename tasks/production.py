"""The prompt that production uses: what a task file's ``production`` says, which a new prompt has to beat."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.candidate import ProgramPrompts, Prompt
from core.catalog import did_you_mean
from core.errors import ConfigError, Problem, StoreError
from core.own_code import OWN_CODE, mistake, own_code
from core.workspace import Workspace
from programs.prompts import read_prompts
from tasks.loading import place_of
from tasks.task import Task
from tracking.client import store_uri
from tracking.registry import prompt_text
from tracking.store import Store

ReadPrompt = Callable[[str, str], str]
"""Reads a registered prompt's text from MLflow by name and alias."""


def read_registered(place: Workspace) -> ReadPrompt:
    """Reads from the workspace's MLflow."""
    return lambda name, alias: prompt_text(store_uri(place.mlruns), name, alias)


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
        how = f"python cli.py optimize {task.name} --baseline seed, then promote {task.name}"
        raise _missing(task, f"{task.name} has no champion yet", how)
    assert source is not None
    text = _text(task, source, workspace, read_prompt)
    if not text.strip():
        raise _missing(task, f"{source} is empty")
    return variant(seed, text, "production")


def _text(task: Task, source: str, workspace: Workspace, read_prompt: ReadPrompt) -> str:
    if source.startswith("mlflow:"):
        name, _, alias = source.removeprefix("mlflow:").partition("@")
        try:
            return read_prompt(name, alias or "production")
        except StoreError as error:
            raise _missing(task, f"{source}: {error.message}", error.hint) from None
    if re.fullmatch(OWN_CODE, source):
        text = own_code(source, "production", workspace.root)
        if not isinstance(text, str):
            raise _missing(task, f"{source} is a {type(text).__name__}, not a text")
        return text
    path = workspace.root / source
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"{source}: not a readable text file, champion, mlflow:NAME or module:NAME: {reason}"
        raise _missing(task, message, _near(source, workspace)) from None


def _near(source: str, workspace: Workspace) -> str | None:
    """The file that was perhaps meant: one beside it, or of its name in the folder of prompts."""
    folders = {(workspace.root / source).parent: Path(source).parent, workspace.prompts: Path("prompts")}
    try:
        known = [str(shown / p.name) for folder, shown in folders.items() if folder.is_dir() for p in folder.iterdir()]
    except (OSError, ValueError):
        return None
    return did_you_mean(source, sorted({"champion", *known}))


def _missing(task: Task, message: str, hint: str | None = None) -> ConfigError:
    file, line = place_of(task.name, task.root, ("production",))
    return ConfigError([Problem(file, line, "production", message, hint)])


def variant(base: ProgramPrompts, text: str | Mapping[str, str] | None, key: str = "prompts") -> ProgramPrompts:
    """The base with another instruction and no demos; the base itself for None.

    Args:
        base: The prompts of every predictor.
        text: The instruction of the only predictor, or instructions by predictor; the others keep what they have.
        key: The key of the task file, for the mistake.

    Raises:
        ConfigError: If one text is meant for several predictors, or a predictor is named that is not there.
    """
    if text is None:
        return base
    names = [prompt.predictor for prompt in base.prompts]
    if isinstance(text, str):
        if len(names) != 1:
            hint = f"name one, as in {{{names[0]}: the instruction}}" if key != "production" else None
            raise mistake(key, f"one text cannot replace the prompts of several predictors: {', '.join(names)}", hint)
        text = {names[0]: text}
    for name in text:
        _check_predictor(name, names, key)
    return ProgramPrompts(
        tuple(Prompt(p.predictor, text[p.predictor].strip()) if p.predictor in text else p for p in base.prompts)
    )


def _check_predictor(name: str, names: Sequence[str], key: str) -> None:
    if name not in names:
        message = f"there is no predictor {name!r}; the program has: {', '.join(names)}"
        raise mistake(f"{key}.{name}", message, did_you_mean(name, names))
