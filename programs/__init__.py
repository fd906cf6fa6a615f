"""What we improve: one DSPy module per pipeline stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dspy

from core.catalog import Catalog
from programs.analyst import Analyst, analyst_signature
from programs.extraction import Extraction


@dataclass(frozen=True)
class ProgramEntry:
    """A program that a task file may name; ``build`` makes it from the task's configuration."""

    name: str
    summary: str
    build: Callable[[Any], dspy.Module]


def _analyst(config: Any) -> dspy.Module:
    return Analyst(analyst_signature(config.task, config.instruction or "", config.inputs, config.outputs))


def _extraction(config: Any) -> dspy.Module:
    program = Extraction()
    if config.instruction:
        signature: Any = program.extract.signature
        program.extract.signature = signature.with_instructions(config.instruction)
    return program


PROGRAMS: Catalog[ProgramEntry] = Catalog(
    "program",
    (
        ProgramEntry("extraction", "learnings from a condensed working transcript", _extraction),
        ProgramEntry("analyst", "one typed call built from the task's own fields", _analyst),
    ),
)
