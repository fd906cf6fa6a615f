"""Which commands there are, and under which panel of the help. A module is loaded when its command is asked for."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

NAME = "proven"

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
        "sessions.explain",
        "sessions.suggest",
        "sessions.predict",
        "sessions.report",
        "guideline_impact",
    ),
    "Playbooks": (
        "playbook.propose",
        "playbook.list_",
        "playbook.show",
        "playbook.review",
        "playbook.trial",
        "playbook.transfer",
        "playbook.sweep",
        "playbook.retire",
        "playbook.inject",
        "report_learning",
    ),
    "Prompts in production": ("export", "promote", "rollback", "diff", "history"),
    "Tasks, data and models": ("init", "import_", "tasks", "validate", "show", "doctor"),
}
"""Panels of the help and the files of ``commands/`` in them; a file has ``command`` and ``EXAMPLE``.

A file in a folder, as in ``sessions.list_``, is a sub-command: ``sessions list``. The folder's docstring is its help.
"""


@dataclass(frozen=True)
class Entry:
    """One command: its panel in the help, its folder or "", and its file."""

    panel: str
    group: str
    file: str

    @property
    def name(self) -> str:
        """The word that people type; the file's, without the line below that keeps it apart from a Python word."""
        return self.file.rstrip("_").replace("_", "-")

    @property
    def module(self) -> ModuleType:
        """The file, loaded when it is asked for."""
        return importlib.import_module(".".join(filter(None, ("commands", self.group, self.file))))


def entries(group: str = "") -> dict[str, Entry | str]:
    """The commands of a folder by name, in the order of the help; a folder inside stands as its panel."""
    found: dict[str, Entry | str] = {}
    for panel, paths in COMMANDS.items():
        for path in paths:
            folder, _, file = path.rpartition(".")
            entry = Entry(panel, folder, file)
            if folder == group:
                found[entry.name] = entry
            elif not group:
                found[folder] = panel
    return found
