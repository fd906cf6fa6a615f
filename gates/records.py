"""What was judged: one record per row, of the comparison at hand and of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.evaluation import Evaluation, RowResult, RowStatus
from core.plain import digest

LAYERS = (
    "install", "typecheck", "build", "lint", "test", "compile", "schema", "sandbox", "unit_tests", "integration_tests",
)  # fmt: skip
"""Fields of a metric that a machine scores and no judge: what they say cannot be talked up."""
CONFIDENCE = "confidence"
"""The field of a metric that says how sure the judge is."""


@dataclass(frozen=True)
class Record:
    """One judged row of the recent past.

    Attributes:
        name: Which row it is, whenever it was judged.
        proxy: The score that is optimised; None where the judge gave none.
        truth: What the score stands for, such as agreement with gold.
        layers: Scores by machine checks, by name.
        confidence: How sure the judge was.
        fallback: Whether the judge gave no judgement, or only some of those it was asked for.
        category: What kind of row it is.
        answer: The row and what was answered to it; equal for equal answers to one row.
        promoted: Whether it belongs to a prompt that was promoted.
    """

    name: str
    proxy: float | None = None
    truth: float | None = None
    layers: Mapping[str, float] = field(default_factory=dict[str, float])
    confidence: float | None = None
    fallback: bool = False
    category: str | None = None
    answer: str | None = None
    promoted: bool = False

    @property
    def deterministic(self) -> float | None:
        """Mean of the machine checks' scores; None without any."""
        scores = [score for name, score in self.layers.items() if name in LAYERS]
        return sum(scores) / len(scores) if scores else None


def row_records(judged: Evaluation, truth: Evaluation | None = None, *, kind: str | None = None) -> tuple[Record, ...]:
    """A record of every row that was given to the judge.

    Args:
        judged: What the judge said.
        truth: What is true of the same answers, where that is known.
        kind: The gold field that says what kind of row it is.
    """
    real = {row.row_id: row.score for row in truth.rows} if truth is not None else {}
    return tuple(
        Record(
            name=row.row_id,
            proxy=row.score,
            truth=real.get(row.row_id),
            layers={name: row.fields[name] for name in LAYERS if name in row.fields},
            confidence=row.fields.get(CONFIDENCE),
            fallback=_unjudged(row) or bool(row.companions.get("failed_judgements")),
            category=str(row.gold[kind]) if kind is not None and kind in row.gold else None,
            answer=digest([row.row_id, dict(row.prediction)]),
        )
        for row in judged.rows
        if row.status is RowStatus.OK or _unjudged(row)
    )


def _unjudged(row: RowResult) -> bool:
    """Whether there was an answer, and the metric failed on it."""
    return row.status is RowStatus.METRIC_ERROR and (row.error or "").startswith("metric ")
