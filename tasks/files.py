"""The task files of a workspace: which there are, and where."""

from __future__ import annotations

import re
from pathlib import Path

from core.catalog import did_you_mean
from core.errors import ConfigError, Problem, UsageError

NAME = r"^[a-z][a-z0-9_-]{0,99}$"
NOT_TASKS = ("hypotheses", "models")


def list_tasks(root: Path) -> tuple[str, ...]:
    """Names of the tasks of a workspace."""
    folder = root / "configs"
    found = {p.stem for pattern in ("*.yaml", "*.yml", "*.json") for p in folder.glob(pattern) if p.is_file()}
    return tuple(sorted(n for n in found if n not in NOT_TASKS and not n.endswith(".schema")))


def find_task(name: str, root: Path) -> Path:
    """The file of a task, by name or by path.

    Raises:
        UsageError: If there is none; the message lists the tasks.
    """
    if name.endswith((".yaml", ".yml", ".json")):
        path = Path(name)
        if is_file(path):
            return path
        raise UsageError(f"there is no task file {name}")
    if re.fullmatch(NAME, name):
        for suffix in (".yaml", ".yml", ".json"):
            path = root / "configs" / f"{name}{suffix}"
            if is_file(path):
                return path
    known = list_tasks(root)
    if name in known:
        raise ConfigError(
            [Problem(name, None, "", "a task's name is lower-case letters, digits, - and _; rename the file")]
        )
    raise UsageError(
        f"unknown task {name!r}; tasks here: {', '.join(known) or 'none yet'}",
        hint=did_you_mean(name, known) or "python cli.py init NAME --from-gold rows.jsonl",
    )


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have is one that is not there."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
