"""The stages of this project: programs of their own, which a short task file gets by its name or ``import --stage``."""

from __future__ import annotations

from dataclasses import dataclass

from core.catalog import Catalog


@dataclass(frozen=True)
class Stage:
    """A program of ``programs/`` with a task file of the same name, whose judge imported rows are scored by."""

    name: str
    summary: str


STAGES: Catalog[Stage] = Catalog(
    "stage",
    (
        Stage("condensation", "a transcript retold as a short narrative"),
        Stage("extraction", "learnings worth keeping"),
        Stage("follow_ups", "work that was announced and is still to be done"),
        Stage("dropped_commitments", "what was promised and then forgotten"),
    ),
)
"""A task of such a name has the program of that name when its file names neither a program nor outputs."""
