"""What a gate decided, by which checks and on what evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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
