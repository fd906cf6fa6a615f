"""Where a person's tasks, rows, prompts and results live."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from core.errors import UsageError

HOME = Path(__file__).resolve().parent.parent
"""The project's own folder, which is a workspace as well."""


@dataclass(frozen=True)
class Workspace:
    """A folder with ``configs/``, ``corpora/``, ``prompts/`` and ``mlruns/``."""

    root: Path

    @property
    def configs(self) -> Path:
        """Task files and ``models.yaml``."""
        return self.root / "configs"

    @property
    def corpora(self) -> Path:
        """Gold rows."""
        return self.root / "corpora"

    @property
    def prompts(self) -> Path:
        """Promoted champions."""
        return self.root / "prompts"

    @property
    def mlruns(self) -> Path:
        """The store, MLflow's database and artifacts, reports."""
        return self.root / "mlruns"

    @property
    def models(self) -> Path:
        """Model aliases: the workspace's own file, else the project's."""
        own = self.configs / "models.yaml"
        return own if own.exists() else HOME / "configs" / "models.yaml"


def find_workspace(folder: str | None = None) -> Workspace:
    """Resolve ``--workspace``, then ``PROVEN_WORKSPACE``, then the current folder if it has configs, then the project.

    Raises:
        UsageError: If the named folder does not exist.
    """
    named = folder or os.environ.get("PROVEN_WORKSPACE")
    if named:
        root = Path(named).expanduser().resolve()
        if not root.is_dir():
            raise UsageError(f"--workspace: {named} is not a folder", hint=f"make one with: init {named}")
        return Workspace(root)
    here = Path.cwd()
    return Workspace(here if (here / "configs").is_dir() else HOME)
