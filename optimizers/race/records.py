"""What a race is asked and told: its tactics, its jobs, its candidates and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from optimizers.race.texts import Parts
from stats.edits import Lift


@dataclass(frozen=True)
class Tactics:
    """How a race is run; ``budget`` is the most rows that may be scored."""

    budget: int
    seed: int = 0
    shown: int = 4
    """The fewest rows that a reflection is shown and its child is screened on."""
    most_shown: int = 32
    """The most; in between it is doubled as far as more rows are believed to bring more for what they cost."""
    block: int = 3
    """Rows of an evaluation."""
    reflectors: int = 1
    """Reflections under way at a time."""
    explore: float = 0.5
    """How eagerly is proposed: regret is weighed against this share of what a proposal is expected to bring."""
    combine: float = 0.5
    """Probability of being better that a combination needs before it is tried; above 1 nothing is combined."""
    bold: float = 0.5
    """How far combinations follow one draw of what edits bring, rather than what is expected of them."""
    fold: float = 0.75
    """Probability of helping that an edit of another candidate needs to be folded in."""
    confirm: float = 0.99
    """Probability of being better that replaces the seed."""
    evidence: int = 16
    """Scores that count which a winner needs."""
    closing: float = 0.1
    """Share of the budget that is kept for telling the best apart."""
    worth: float = 0.005
    """The search ends when neither choosing better nor all proposals still to come are expected to bring this much."""


@dataclass(frozen=True)
class Score:
    """Job: score a candidate on a row."""

    candidate: int
    row: str


@dataclass(frozen=True)
class Reflect:
    """Job: write one part of a candidate anew, looking at rows that it has been scored on."""

    parent: int
    part: str
    shown: tuple[str, ...]
    number: int


@dataclass
class Entrant:
    """A candidate as the policy knows it."""

    parts: Parts
    parent: int = -1
    """The candidate that it was made from; -1 for the seed."""
    edits: int = 0
    """Its set of edits; bit ``e`` is the edit of that number."""
    part: str = ""
    """The part that a reflection changed; empty for the seed and for combinations."""
    leaked: frozenset[str] = frozenset()
    """Train rows that were shown anywhere in its lineage."""
    screening: tuple[str, ...] = ()
    """Rows that its reflection was shown, on which it is scored first."""
    change: float | None = None
    """Mean paired change on them; None until all are in."""
    scores: dict[str, float] = field(default_factory=dict[str, float])
    pending: set[str] = field(default_factory=set[str])
    failed: set[str] = field(default_factory=set[str])
    used: set[str] = field(default_factory=set[str])
    """Rows that a reflection on this very candidate has been shown."""
    counted: int = 0
    """Scores that are evidence."""

    @property
    def live(self) -> bool:
        """Whether it may be picked: a reflection only once its screening is in."""
        return not self.part or self.change is not None

    def unseen(self, row: str) -> bool:
        """Whether it may still be scored on a row."""
        return row not in self.scores and row not in self.pending and row not in self.failed


@dataclass(frozen=True)
class Pick:
    """The policy's answer: a candidate, and what is believed of its lift over the seed."""

    candidate: int
    lift: Lift
