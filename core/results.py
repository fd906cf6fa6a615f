"""The records that travel: each is made once, frozen, and handed on by return value.

Scores are in [0, 1]; money is in US dollars; durations are in seconds. ``None`` means *unknown*, never zero.
Every record goes to JSON and back through :func:`to_json` and :func:`from_json` without loss.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

Record = TypeVar("Record")


class RowStatus(StrEnum):
    """What became of one row of an evaluation; only ``ok`` carries a score."""

    OK = "ok"
    LM_ERROR = "lm_error"
    PARSE_ERROR = "parse_error"
    METRIC_ERROR = "metric_error"
    SKIPPED = "skipped"


class Decision(StrEnum):
    """The three answers a gate can give."""

    PROMOTE = "PROMOTE"
    HOLD = "HOLD"
    INCONCLUSIVE = "INCONCLUSIVE"


class CheckStatus(StrEnum):
    """How one check of a gate ended; a required check that was not evaluated cannot pass."""

    PASS = "pass"
    FAIL = "fail"
    NOT_EVALUATED = "not_evaluated"


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
    """

    index: int
    origin: str
    prompts: ProgramPrompts
    dev_score: float | None
    dev_scores: Mapping[str, float] = field(default_factory=dict[str, float])
    parents: tuple[int, ...] = ()
    complete: bool = True
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Check:
    """One check of a gate: what was asked, how it ended and the evidence for it."""

    name: str
    status: CheckStatus
    message: str
    required: bool = True
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Evidence:
    """The paired comparison of baseline and candidate on the holdout.

    ``low`` and ``high`` bound the mean lift (candidate minus baseline) at confidence ``1 - alpha``;
    ``mde`` is the smallest lift that this many rows could have shown with 80 % power;
    ``sd`` is the standard deviation of the rows' lifts.
    """

    n: int
    baseline: float
    candidate: float
    delta: float
    low: float | None
    high: float | None
    p_value: float | None
    alpha: float
    margin: float
    mde: float | None
    method: str
    wins: int
    losses: int
    ties: int
    opening: int
    sd: float | None = None
    fields: Mapping[str, tuple[float, float, float, float]] = field(
        default_factory=dict[str, tuple[float, float, float, float]]
    )
    """Per field: baseline mean, candidate mean, lower and upper bound of the lift."""


@dataclass(frozen=True)
class Verdict:
    """What the gate decided, why, and on what evidence."""

    decision: Decision
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    evidence: Evidence | None = None


@dataclass(frozen=True)
class SplitInfo:
    """How many rows each split has and what identifies the data."""

    train: int
    dev: int
    holdout: int
    fingerprint: str
    holdout_fingerprint: str


@dataclass(frozen=True)
class Range:
    """A forecast number with the interval that should hold it in 80 % of runs; None where a price is unknown."""

    expected: float
    low: float
    high: float


@dataclass(frozen=True)
class RoleForecast:
    """What one role is going to cost."""

    calls: Range
    input_tokens: Range
    output_tokens: Range
    cost_usd: Range | None


@dataclass(frozen=True)
class Plan:
    """What a run is going to spend, said before it starts.

    Attributes:
        trials: Evaluations on dev, about.
        roles: The forecast of every role.
        calls: Requests over all roles, and likewise tokens, money and minutes. ``cost_usd`` is None when the price of
            any role is unknown.
        mde: The smallest lift the holdout can show with 80 % power; None when it is too small to tell anything.
        pilot_rows: How many rows the forecast has measured; 0 is a forecast by lengths alone.
        unit: What ``trials`` counts: "trials", or the "cells" of a matrix.
    """

    trials: int
    roles: Mapping[str, RoleForecast]
    calls: Range
    input_tokens: Range
    output_tokens: Range
    cost_usd: Range | None
    minutes: Range
    mde: float | None
    pilot_rows: int = 0
    notes: tuple[str, ...] = ()
    unit: str = "trials"


@dataclass(frozen=True)
class RunStart:
    """What is known when a run starts; everything that two runs may differ in."""

    run_id: str
    task: str
    command: str
    started_at: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    splits: SplitInfo
    config: Mapping[str, Any]
    identity: Mapping[str, str] = field(default_factory=dict[str, str])
    """Everything that makes it this run and no other, by part; only a run with the same identity may be continued."""

    @property
    def identity_hash(self) -> str:
        """Sixteen hex digits over the identity."""
        body = json.dumps(dict(self.identity), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(body.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Optimization:
    """The whole outcome of one ``optimize`` run; a report, an export and a replay need nothing else."""

    run_id: str
    task: str
    description: str
    optimizer: str
    seed: int
    started_at: str
    seconds: float
    params: Mapping[str, str]
    splits: SplitInfo
    plan: Plan
    baseline: ProgramPrompts
    winner: ProgramPrompts
    winner_index: int
    candidates: tuple[Candidate, ...]
    dev_baseline: Evaluation
    holdout_baseline: Evaluation | None
    holdout_candidate: Evaluation | None
    verdict: Verdict
    usage: Mapping[str, Usage]
    """Usage by role: student, reflector, proposer ..."""
    schema_hash: str
    categorical: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Output fields with a closed set of labels, for confusion tables."""
    offline: bool = False
    warnings: tuple[str, ...] = ()
    ended: str = "finished"
    """``finished``, or why it has no verdict on the holdout: ``exhausted`` or ``stopped``."""

    @property
    def total_usage(self) -> Usage:
        """Usage over all roles."""
        return total(self.usage.values())


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(record: Any) -> str:
    """Write a record as JSON; the inverse of :func:`from_json`."""
    return _adapter(cast(type[Any], type(record))).dump_json(record, fallback=str).decode()


def from_json(kind: type[Record], text: str | bytes) -> Record:
    """Read a record of ``kind`` back from the JSON that :func:`to_json` wrote.

    Raises:
        pydantic.ValidationError: If the text is not such a record.
    """
    return _adapter(kind).validate_json(text)
