"""What a gate decided, by which checks and on what evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


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
class Check:
    """One check of a gate: what was asked, how it ended and the evidence for it."""

    name: str
    status: CheckStatus
    message: str
    required: bool = True
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])


Claim = Literal["better", "not worse"]
"""What a gate was asked to prove: a lift above the margin, or no loss beyond it."""


@dataclass(frozen=True)
class Bounded:
    """Rows without a score that were bounded instead, and what the rows with two scores would have said alone.

    ``unreadable`` and ``errors`` count answers of (baseline, candidate): those that could not be parsed, and those that
    a model or a metric failed on. ``n`` rows carry both scores; ``delta``, ``low``, ``high`` and ``p_value`` are of
    them alone.
    """

    unreadable: tuple[int, int]
    errors: tuple[int, int]
    n: int
    delta: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Evidence:
    """The paired comparison of baseline and candidate on the holdout.

    ``low`` and ``high`` bound the mean lift (candidate minus baseline) at confidence ``1 - alpha``;
    ``mde`` is the smallest lift that this many rows could have shown with 80 % power;
    ``sd`` is the standard deviation of the rows' lifts. Once the lift is proven, ``delta_adjusted`` and
    ``adjusted_low`` to ``adjusted_high`` say what it is worth after the selection that a proof is
    (:func:`stats.adjusted.adjusted_lift`); the estimate is None below 60 rows, where there is the interval alone.
    ``claim`` says what was to be proven of the lift.

    Where rows lack a score, ``bounded`` counts them, and the comparison (``n``, ``delta``, ``low``, ``high``,
    ``p_value``, wins, losses, ties) takes them as unkindly to the candidate as can be. ``baseline`` and ``candidate``
    are means of real scores always, over the rows that have both; so ``delta`` is then less than their difference.
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
    delta_adjusted: float | None = None
    adjusted_low: float | None = None
    adjusted_high: float | None = None
    claim: Claim = "better"
    bounded: Bounded | None = None


def size_of_lift(evidence: Evidence) -> str:
    """What follows "the lift is proven": what it is worth after the selection; empty where nothing is known of that."""
    low, high = evidence.adjusted_low, evidence.adjusted_high
    if low is None or high is None:
        return ""
    if evidence.delta_adjusted is None:
        return f", allowing for the selection it is worth {low:+.3f} to {high:+.3f}"
    if evidence.delta_adjusted <= evidence.margin:
        return f", its size is not: {low:.3g} to {high:+.3f}"
    return f", allowing for the selection it is worth {evidence.delta_adjusted:+.3f} ({low:+.3f} to {high:+.3f})"


@dataclass(frozen=True)
class Verdict:
    """What the gate decided, why, and on what evidence."""

    decision: Decision
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    evidence: Evidence | None = None
