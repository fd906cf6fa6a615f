"""The project's own tasks, as opposed to those that a person has made in this very checkout by using it."""

import subprocess
from pathlib import Path

from core.workspace import HOME
from tasks.files import list_tasks


def shipped_tasks() -> tuple[str, ...]:
    """Tasks whose file git tracks; where there is no git, all that it would not ignore are the project's."""
    tracked = subprocess.run(["git", "ls-files", "configs"], cwd=HOME, capture_output=True, text=True, check=False)
    own = {Path(line).stem for line in tracked.stdout.splitlines()}
    return tuple(name for name in list_tasks(HOME) if (name in own if own else not name.startswith("distill-")))
