"""What became of each row of a split: status, score and what it cost.

Frozen; scores are in [0, 1], money in US dollars, durations in seconds, and ``None`` means *unknown*, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class RowStatus(StrEnum):
    """What became of one row of an evaluation; only ``ok`` carries a score."""

    OK = "ok"
    LM_ERROR = "lm_error"
    PARSE_ERROR = "parse_error"
    METRIC_ERROR = "metric_error"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Usage:
    """What calls cost: how many, how many tokens, how much money, how long the model worked.

    ``calls`` are requests sent to the model, ``errors`` those of them that failed, ``hits`` answers that the ledger
    had already and that cost nothing. ``cost_usd`` is None when the price of any call is unknown; adding unknown to
    known stays unknown.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    seconds: float = 0.0
    errors: int = 0
    hits: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd if known else None,  # type: ignore[operator]
            seconds=self.seconds + other.seconds,
            errors=self.errors + other.errors,
            hits=self.hits + other.hits,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


def total(usages: Iterable[Usage]) -> Usage:
    """Add usages up."""
    result = Usage()
    for usage in usages:
        result = result + usage
    return result


@dataclass(frozen=True)
class Judgement:
    """What a metric says about one prediction.

    Attributes:
        score: The overall score in [0, 1].
        fields: The score of every field or criterion, each in [0, 1].
        feedback: What was expected, what was produced and why it lost points, for a person or a reflector.
        companions: Numbers beside the score that are not part of it, such as a compression ratio; any scale.
    """

    score: float
    fields: Mapping[str, float] = field(default_factory=dict[str, float])
    feedback: str = ""
    companions: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        for name, value in [("score", self.score), *self.fields.items()]:
            number: Any = value
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise ValueError(f"{name}: a score must be a number in [0, 1], received {value!r}")
            if not math.isfinite(value) or not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}: out-of-range score {value!r}; allowed is [0, 1]")


@dataclass(frozen=True)
class RowResult:
    """One row after evaluation. ``score`` is None unless ``status`` is ``ok``.

    ``usage`` is what the program's calls on this row have cost now, ``worth`` what they cost when nothing is in the
    ledger yet, ``judging`` what the metric's own calls are worth.
    """

    row_id: str
    status: RowStatus
    score: float | None = None
    fields: Mapping[str, float] = field(default_factory=dict[str, float])
    feedback: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    gold: Mapping[str, Any] = field(default_factory=dict[str, Any])
    prediction: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: str | None = None
    usage: Usage = field(default_factory=Usage)
    worth: Usage = field(default_factory=Usage)
    judging: Usage = field(default_factory=Usage)
    latency: float = 0.0
    companions: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        if (self.status is RowStatus.OK) != (self.score is not None):
            raise ValueError(f"row {self.row_id}: status {self.status} with score {self.score!r}")


@dataclass(frozen=True)
class Evaluation:
    """All rows' scores for one program on one split, in row order."""

    split: str
    program_hash: str
    rows: tuple[RowResult, ...]

    @property
    def scored(self) -> tuple[RowResult, ...]:
        """The rows that carry a score."""
        return tuple(row for row in self.rows if row.status is RowStatus.OK)

    @property
    def complete(self) -> bool:
        """Whether every row was scored; a gate refuses anything else."""
        return bool(self.rows) and len(self.scored) == len(self.rows)

    @property
    def mean(self) -> float | None:
        """Mean score over the scored rows, None when there is none."""
        scores = [row.score for row in self.scored if row.score is not None]
        return sum(scores) / len(scores) if scores else None

    @property
    def usage(self) -> Usage:
        """What the rows have cost together."""
        return total(row.usage for row in self.rows)

    @property
    def worth(self) -> Usage:
        """What the rows cost together when nothing is in the ledger yet."""
        return total(row.worth for row in self.rows)

    def field_means(self) -> dict[str, float]:
        """Mean score per field over the scored rows that have it."""
        values: dict[str, list[float]] = {}
        for row in self.scored:
            for name, score in row.fields.items():
                values.setdefault(name, []).append(score)
        return {name: sum(scores) / len(scores) for name, scores in values.items()}

    def companion_means(self) -> dict[str, float]:
        """Mean of each companion over the scored rows that have it."""
        values: dict[str, list[float]] = {}
        for row in self.scored:
            for name, number in row.companions.items():
                values.setdefault(name, []).append(number)
        return {name: sum(numbers) / len(numbers) for name, numbers in values.items()}

    def count(self, status: RowStatus) -> int:
        """How many rows ended with ``status``."""
        return sum(row.status is status for row in self.rows)
