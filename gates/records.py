"""What was judged: one record per row, of the comparison at hand and of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.evaluation import Evaluation

LAYERS = (
    "install", "typecheck", "build", "lint", "test", "compile", "schema", "sandbox", "unit_tests", "integration_tests",
)  # fmt: skip
"""Scores that a machine gives and no judge: what they say cannot be talked up."""


@dataclass(frozen=True)
class Record:
    """One judged thing of the recent past, whatever was judged: a row, a run.

    Attributes:
        name: Which one it is.
        proxy: The score that is optimised.
        truth: What the score stands for, such as agreement with gold.
        layers: Scores by machine checks, by name.
        confidence: How sure the judge was.
        fallback: Whether the judge fell back to a default answer.
        category: What kind of thing it is.
    """

    name: str
    proxy: float | None = None
    truth: float | None = None
    layers: Mapping[str, float] = field(default_factory=dict[str, float])
    confidence: float | None = None
    fallback: bool = False
    category: str | None = None

    @property
    def deterministic(self) -> float | None:
        """Mean of the machine checks' scores; None without any."""
        scores = [score for name, score in self.layers.items() if name in LAYERS]
        return sum(scores) / len(scores) if scores else None


def row_records(judged: Evaluation, truth: Evaluation | None, confidence: str = "confidence") -> tuple[Record, ...]:
    """A record of every row that has a score; ``confidence`` is the metric's field that says how sure the judge is."""
    real = {row.row_id: row.score for row in truth.rows} if truth is not None else {}
    return tuple(
        Record(row.row_id, row.score, real.get(row.row_id), confidence=row.fields.get(confidence))
        for row in judged.scored
    )
