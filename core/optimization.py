"""The records of a run: what it starts with, what it is going to spend and how it ends.

Frozen, without any DSPy object; they go to JSON and back without loss.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.candidate import Candidate, ProgramPrompts
from core.evaluation import Evaluation, Usage, total
from core.verdict import Verdict

BASELINES = {"seed": "the seed", "champion": "the champion", "production": "the production prompt"}
"""What a search may have to beat, as people read it: ``seed`` is the task's own instruction, ``champion`` what was
promoted, ``production`` what the task file names under that key."""


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
class LiftForecast:
    """What the gate will say to a prompt that is truly better by ``lift``: the chances of the three verdicts.

    ``promote`` is a range over the correlations that are plausible between the two prompts' scores.
    """

    lift: float
    promote: Range
    hold: float
    inconclusive: float


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
        verdicts: What the gate will say to a true lift of 5, 10 and 20 points, as far as the baseline leaves room.
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
    verdicts: tuple[LiftForecast, ...] = ()
    nominal: bool = False
    """Whether embedded models alone are asked, so that its money is nobody's."""


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
    kind: str = "optimize"
    """What the run is for: the name of the command that made it, ``forecast`` for a dry run."""

    @property
    def identity_hash(self) -> str:
        """Sixteen hex digits over the identity."""
        body = json.dumps(dict(self.identity), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(body.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class LeftOut:
    """What a search found that never saw one kind of rows, tried on exactly those.

    Attributes:
        kind: The rows that it did not see, by the value of an input.
        n: Rows with a score under both prompts.
        before: The baseline's mean on them.
        after: The winner's.
        low: Lower end of the 95 % interval of the mean difference; None for fewer than two rows.
        high: Its upper end.
        changed: Whether anything beat the baseline on the rows that it did see.
    """

    kind: str
    n: int
    before: float | None
    after: float | None
    low: float | None
    high: float | None
    changed: bool


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
    refused: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many proposals broke a limit of the task and were never tried, by the limit."""
    left_out: tuple[LeftOut, ...] = ()
    """The search again without each kind of rows, where the task asks for it."""
    ended: str = "finished"
    """``finished``, or why it has no verdict on the holdout: ``exhausted`` or ``stopped``."""

    @property
    def had_to_beat(self) -> str | None:
        """What the baseline was, in words; None in records of older versions, which do not say it."""
        return BASELINES.get(self.params.get("baseline", ""))

    @property
    def nominal(self) -> bool:
        """Whether embedded models alone were asked, so that its money is nobody's; records of older versions say no."""
        return self.plan.nominal

    @property
    def total_usage(self) -> Usage:
        """Usage over all roles."""
        return total(self.usage.values())
