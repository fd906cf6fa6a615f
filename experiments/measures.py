"""What a pair of sessions is compared in: success, score, refusals of impossible tasks, or what the sessions took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.catalog import Catalog
from sessions.record import Session

Difference = Callable[[Session, Session], float | None]


@dataclass(frozen=True)
class Measure:
    """One thing that two sessions of a task may differ in.

    Attributes:
        name: What people type.
        summary: What it is.
        counted: Whether differences are -1, 0 or 1, which sprt and fixed need.
        difference: From control and test to how much better the test arm is, in [-1, 1]; None where nobody knows.
    """

    name: str
    summary: str
    counted: bool
    difference: Difference


def _solved(control: Session, test: Session) -> float | None:
    if control.success is None or test.success is None:
        return None
    return float(test.success) - float(control.success)


def _graded(control: Session, test: Session) -> float | None:
    scores = [
        s.score if s.score is not None else None if s.success is None else float(s.success) for s in (control, test)
    ]
    return None if scores[0] is None or scores[1] is None else scores[1] - scores[0]


def _refused(control: Session, test: Session) -> float | None:
    if not (control.impossible and test.impossible) or control.rejected is None or test.rejected is None:
        return None
    return float(test.rejected) - float(control.rejected)


def _saved(field: str) -> Difference:
    """How much less the test arm took, as a share of what the dearer of the two took: from -1 to 1, 0 where equal."""

    def difference(control: Session, test: Session) -> float | None:
        before, after = getattr(control, field), getattr(test, field)
        if before is None or after is None or min(before, after) < 0:
            return None
        most = max(before, after)
        return (before - after) / most if most else 0.0

    return difference


MEASURES: Catalog[Measure] = Catalog(
    "metric of an experiment",
    (
        Measure("success_rate", "tasks completed correctly", True, _solved),
        Measure("early_termination_rate", "impossible tasks that were rightly refused", True, _refused),
        Measure("score", "graded scores; success where there is none", False, _graded),
        Measure("cost", "dollars saved, as a share of the dearer session", False, _saved("cost_usd")),
        Measure("tokens", "tokens saved, as a share", False, _saved("tokens")),
        Measure("steps", "steps saved, as a share", False, _saved("steps")),
        Measure("latency", "seconds saved, as a share", False, _saved("latency_s")),
    ),
)
