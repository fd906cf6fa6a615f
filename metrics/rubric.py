"""Rubrics: weighted criteria, as people write them in a task file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Criterion:
    """One line of a rubric. A higher score is always better; weights may be in any scale."""

    name: str
    weight: float = 1.0
    description: str = ""

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"{self.name}: a weight must be positive, received {self.weight!r}")


def composite(criteria: Sequence[Criterion], scores: Mapping[str, float]) -> float:
    """Weighted mean of the criteria's scores: the sum of weight times score over the sum of weights.

    Raises:
        KeyError: If a criterion has no score.
    """
    return sum(c.weight * scores[c.name] for c in criteria) / sum(c.weight for c in criteria)


def rubric_text(criteria: Sequence[Criterion]) -> str:
    """The rubric as a judge reads it, with weights as shares of a hundred."""
    whole = sum(c.weight for c in criteria)
    return "\n".join(
        f"- {c.name} ({100 * c.weight / whole:.0f} %): {c.description or c.name.replace('_', ' ')}" for c in criteria
    )
