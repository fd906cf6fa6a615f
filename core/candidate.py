"""The two texts that an optimiser may change, and what it proposes for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.evaluation import Usage


@dataclass(frozen=True)
class Prompt:
    """The two texts of one predictor that an optimiser may change."""

    predictor: str
    instruction: str
    demos: tuple[Mapping[str, Any], ...] = ()

    @property
    def text(self) -> str:
        """Instruction and demos as one stable text, for diffs and hashes."""
        parts = [self.instruction]
        parts += [json.dumps(demo, sort_keys=True, ensure_ascii=False, default=str) for demo in self.demos]
        return "\n".join(parts)


@dataclass(frozen=True)
class ProgramPrompts:
    """Every predictor's prompt, in the program's own order."""

    prompts: tuple[Prompt, ...]

    @property
    def hash(self) -> str:
        """Sixteen hex digits that name exactly these texts."""
        body = json.dumps([[p.predictor, p.text] for p in self.prompts], ensure_ascii=False)
        return hashlib.sha256(body.encode()).hexdigest()[:16]

    @property
    def chars(self) -> int:
        """Length of all texts together, in characters."""
        return sum(len(p.text) for p in self.prompts)

    def instructions(self) -> dict[str, str]:
        """Instruction by predictor name."""
        return {p.predictor: p.instruction for p in self.prompts}


@dataclass(frozen=True)
class Candidate:
    """One proposed set of prompts and what it scored on dev.

    Attributes:
        index: Position in the run; 0 is the seed.
        origin: How it came about, such as ``seed``, ``reflection``, ``merge``, ``trial 7``.
        dev_score: Mean dev score in [0, 1]; None when the trial was incomplete.
        dev_scores: Score by row id where the optimiser reports them.
        parents: Indices of the candidates it was made from.
        complete: False when any of its evaluations had a failed call.
        usage: What the whole run had spent when this candidate was scored.
        optimizer: Who found it, where several optimisers searched.
    """

    index: int
    origin: str
    prompts: ProgramPrompts
    dev_score: float | None
    dev_scores: Mapping[str, float] = field(default_factory=dict[str, float])
    parents: tuple[int, ...] = ()
    complete: bool = True
    usage: Usage = field(default_factory=Usage)
    optimizer: str = ""

    @property
    def found(self) -> str:
        """How it came about, and by whom where several searched."""
        return f"{self.optimizer}: {self.origin}" if self.optimizer else self.origin
