"""What we improve: one DSPy module per pipeline stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

from core.catalog import Catalog
from programs.analyst import Analyst, analyst_signature
from programs.commitments import DroppedCommitments
from programs.condensation import Condensation
from programs.extraction import Extraction
from programs.follow_ups import FollowUps
from programs.own import instructed, own_program
from programs.session_analysis import RootCause
from programs.shop import ShopAgent
from programs.synthesis import Synthesis


@dataclass(frozen=True)
class ProgramEntry:
    """A program that a task file may name; ``build`` makes it from the task's configuration."""

    name: str
    summary: str
    build: Callable[[Any], dspy.Module]


def _analyst(config: Any) -> dspy.Module:
    return Analyst(analyst_signature(config.task, config.instruction or "", config.inputs, config.outputs))


def _stage(program: type[dspy.Module]) -> Callable[[Any], dspy.Module]:
    """Build a stage of one predictor; the task file may replace its seed instruction."""

    def build(config: Any) -> dspy.Module:
        return instructed(program(), config.instruction)

    return build


def _llm_task(config: Any) -> dspy.Module:
    outputs = config.outputs or {"output": PlainText()}
    inputs = config.inputs or {"input": PlainText()}
    return Analyst(analyst_signature(config.task, config.instruction or config.description, inputs, outputs))


@dataclass(frozen=True)
class PlainText:
    """A text without any description of its own."""

    description: str = ""

    def annotation(self, title: str) -> Any:
        """Text."""
        return str


PROGRAMS: Catalog[ProgramEntry] = Catalog(
    "program",
    (
        ProgramEntry("condensation", "a raw working transcript retold in brief", _stage(Condensation)),
        ProgramEntry("extraction", "learnings from a condensed working transcript", _stage(Extraction)),
        ProgramEntry("follow_ups", "what is left to do after a session", _stage(FollowUps)),
        ProgramEntry(
            "dropped_commitments", "promises of a session and what became of them", _stage(DroppedCommitments)
        ),
        ProgramEntry("shop", "an agent that does errands in a small shop, call by call", _stage(ShopAgent)),
        ProgramEntry("root_cause", "why a session of an agent failed", _stage(RootCause)),
        ProgramEntry("synthesis", "playbook entries from a session and those before it", _stage(Synthesis)),
        ProgramEntry("analyst", "one typed call built from the task's own fields", _analyst),
        ProgramEntry("llm_task", "any other call: an instruction, inputs, and a text or typed fields", _llm_task),
    ),
)


def build_program(config: Any, root: Path) -> dspy.Module:
    """The program that a task file names: one of the catalog, or a person's own.

    Raises:
        ConfigError: If a person's own program cannot be had.
        UsageError: If the catalog has no such program.
    """
    if ":" in config.program:
        return own_program(config.program, config, root)
    return PROGRAMS.get(config.program).build(config)
