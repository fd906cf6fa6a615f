"""Which commands there are, and under which panel of the help. The modules are imported when the door asks."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

COMMANDS = {
    "Improve": ("optimize", "distill", "gate", "eval"),
    "Compare": ("experiment", "watch", "kpis", "matrix", "sweep", "prepare", "run", "judge", "judge_card", "annotate"),
    "Runs and reports": ("runs", "calls", "resume", "stop", "report", "verify", "ui", "sync", "ledger"),
    "Sessions of agents": (
        "sessions.import_",
        "sessions.list_",
        "sessions.show",
        "sessions.export",
        "sessions.stats",
        "sessions.contrast",
        "sessions.pareto",
        "sessions.tasks",
        "sessions.patterns",
        "sessions.predict",
        "sessions.report",
        "guideline_impact",
    ),
    "Playbooks": (
        "playbook.propose",
        "playbook.list_",
        "playbook.show",
        "playbook.review",
        "playbook.retire",
        "playbook.inject",
    ),
    "Prompts in production": ("export", "promote", "rollback", "diff", "history"),
    "Tasks, data and models": ("init", "import_", "tasks", "validate", "show", "doctor"),
}
"""Panels of the help and the files of ``commands/`` in them; a file has ``command``, ``EXAMPLE`` and maybe ``NAME``.

A file in a folder, as in ``sessions.list_``, is a sub-command: ``sessions list``. The folder's docstring is its help.
"""


@dataclass(frozen=True)
class Entry:
    """One command: its panel in the help, its folder or "", the word that people type, and its file."""

    panel: str
    group: str
    name: str
    module: ModuleType


def entries() -> Iterator[Entry]:
    """All commands, in the order of the help."""
    for panel, paths in COMMANDS.items():
        for path in paths:
            group, _, verb = path.rpartition(".")
            module = importlib.import_module(f"commands.{path}")
            yield Entry(panel, group, getattr(module, "NAME", verb.replace("_", "-").rstrip("-")), module)
