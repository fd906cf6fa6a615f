"""What a command hands back; the door prints it and ends the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.verdict import Verdict
    from reports.blocks import Report


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        body: For programs: what ``--json`` prints, as one object.
        text: For people; printed after the page.
        page: For people: a report, printed as a terminal shows it best.
        code: The process's exit code.
        told: Called once all of it is printed, so that a command which is killed before can tell it again.
    """

    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    text: str | None = None
    page: Report | None = None
    code: int = 0
    told: Callable[[], None] | None = None


EVIDENCE = {
    "baseline": "baseline",
    "candidate": "candidate",
    "claim": "claim",
    "delta": "delta",
    "delta_adjusted": "delta_adjusted",
    "adjusted_low": "adjusted_low",
    "adjusted_high": "adjusted_high",
    "ci_low": "low",
    "ci_high": "high",
    "p_value": "p_value",
    "n": "n",
    "opening": "opening",
}
"""Keys of a body and the fields of :class:`core.verdict.Evidence` behind them."""


def verdict_body(verdict: Verdict, rows: int) -> dict[str, Any]:
    """A verdict for programs; without evidence its figures are null, and ``n`` is the number of ``rows``."""
    evidence = verdict.evidence
    figures = {key: getattr(evidence, name) if evidence else None for key, name in EVIDENCE.items()}
    if evidence is None:
        figures["n"] = rows
    return {"verdict": verdict.decision.value, "reasons": list(verdict.reasons), **figures}
