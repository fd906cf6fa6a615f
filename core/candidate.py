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
class Belief:
    """What a search believes of a candidate, from all that it knows of its relatives as well.

    Attributes:
        score: Expected mean score on rows like those of dev.
        lift: Expected difference to the seed; drawn towards zero as far as the evidence is thin.
        low: Lower end of its 95 % interval.
        high: Upper end.
        better: Probability that it is better than the seed.
        rows: Scores of its own that count as evidence.
        edit: What the changes against its first parent are believed to bring; None where it has none.
        picked: Whether the search stands by it; a candidate that it does not stand by is never chosen.
    """

    score: float
    lift: float
    low: float
    high: float
    better: float
    rows: int
    edit: float | None = None
    picked: bool = False


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
        belief: What the search believes of it, where its optimiser has a belief.
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
    belief: Belief | None = None

    @property
    def claim(self) -> float | None:
        """What the search says that it scores on dev: its belief where there is one, else the mean of its rows."""
        return self.dev_score if self.belief is None else self.belief.score

    @property
    def found(self) -> str:
        """How it came about, and by whom where several searched."""
        return f"{self.optimizer}: {self.origin}" if self.optimizer else self.origin
