"""A higher total must not hide a field that got worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from pydantic import Field

from core.errors import Problem
from core.verdict import Check, CheckStatus
from gates.gate import CheckSection, GateInput, TaskFacts
from gates.pairs import field_pairs

TOLERANCE = 0.05


@dataclass(frozen=True)
class Movement:
    """How one field moved: the mean change, its interval, and what it was allowed to lose."""

    mean: float
    low: float
    high: float
    tolerance: float

    @property
    def regressed(self) -> bool:
        """Whether the field may have lost more than it was allowed to."""
        return self.low < -self.tolerance

    @property
    def proven_worse(self) -> bool:
        """Whether the field has lost for certain, as far as the interval is certain."""
        return self.high < 0


def movement(
    before: Sequence[float], after: Sequence[float], *, tolerance: float | None = None, confidence: float = 0.95
) -> Movement:
    """The paired change of one field on the same rows.

    Args:
        before: The champion's scores.
        after: The challenger's, row by row.
        tolerance: What may be lost; 0.05 by default on a scale up to 1, and 5 on a scale up to 100.
        confidence: Two-sided confidence of the interval.

    Raises:
        ValueError: If the rows are not paired or fewer than two.
    """
    from stats import t_interval

    scale = 100.0 if max((*before, *after), default=0.0) > 1 else 1.0
    deltas = [b - a for a, b in zip(before, after, strict=True)]
    interval = t_interval(deltas, confidence=confidence)
    return Movement(fmean(deltas), interval.low, interval.high, TOLERANCE * scale if tolerance is None else tolerance)


class Dimensions(CheckSection, name="dimensions", summary="no field got worse behind a better total"):
    """Holds the floor under every field of the metric.

    A ``critical`` field fails as soon as it *may* have lost more than ``tolerance``; so name few, and have rows enough.
    Any other field fails when it is *proven* to have lost more than nothing, at a confidence shared between them.
    """

    critical: tuple[str, ...] = Field(default=(), description="Fields that may not even possibly have lost.")
    tolerance: float | None = Field(
        default=None, ge=0, description="What a critical field may lose; 0.05 by default, or 5 on a scale to 100."
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Of the intervals.")

    def problems(self, facts: TaskFacts) -> tuple[Problem, ...]:
        """Critical fields that the metric does not report."""
        return tuple(p for i, name in enumerate(self.critical) for p in facts.unknown(f"critical.{i}", name))

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """One check for each critical field, and one for all others together."""
        names = sorted({name for row in gate_input.champion.rows for name in row.fields})
        others = [name for name in names if name not in self.critical]
        return (*(self._critical(gate_input, name) for name in self.critical), self._others(gate_input, others))

    def _critical(self, gate_input: GateInput, name: str) -> Check:
        moved = self._movement(gate_input, name, self.confidence)
        if moved is None:
            message = f"the metric reports no field {name!r} for every row"
            return Check(self.name, CheckStatus.NOT_EVALUATED, message)
        text = f"{name} changed by {moved.mean:+.3f}, at worst {moved.low:+.3f}; allowed is {-moved.tolerance:+.3g}"
        return Check(self.name, CheckStatus.FAIL if moved.regressed else CheckStatus.PASS, text)

    def _others(self, gate_input: GateInput, names: Sequence[str]) -> Check:
        confidence = 1 - (1 - self.confidence) / max(1, len(names))
        moved = {name: self._movement(gate_input, name, confidence) for name in names}
        worse = {name: m for name, m in moved.items() if m is not None and m.proven_worse}
        if worse:
            text = ", ".join(f"{name} by {m.mean:+.3f} (at best {m.high:+.3f})" for name, m in worse.items())
            return Check(self.name, CheckStatus.FAIL, f"proven worse behind the total: {text}")
        what = f"none of {len(names)} fields is" if len(names) != 1 else f"{names[0]} is not"
        return Check(self.name, CheckStatus.PASS, f"{what} proven worse")

    def _movement(self, gate_input: GateInput, name: str, confidence: float) -> Movement | None:
        pairs = field_pairs(gate_input, name)
        if pairs is None or len(pairs[0]) < 2:
            return None
        return movement(*pairs, tolerance=self.tolerance, confidence=confidence)
