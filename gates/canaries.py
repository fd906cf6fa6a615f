"""Is the judge itself still well? Signs that scores have stopped meaning what they meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from pydantic import Field

from core.verdict import Check, CheckStatus
from gates.gate import CheckSection, GateInput
from gates.records import Record, row_records

FALLBACK_CONFIDENCE = 0.30
EXACTLY = 1e-9


@dataclass(frozen=True)
class Alert:
    """One canary that fell: how grave, and the numbers."""

    canary: str
    level: Literal["error", "warn"]
    message: str
    statistic: float
    threshold: float


def silent_fallback(
    records: Sequence[Record], *, streak: int = 3, confidence: float = FALLBACK_CONFIDENCE
) -> tuple[Alert, ...]:
    """One alert for every unbroken series of at least ``streak`` rows to which the judge said nothing of its own.

    A series is one alert however long it is. The judge said nothing of its own where a judgement could not be used, or
    where it has exactly the default confidence.
    """
    alerts, run = [], 0
    for record in (*records, Record("end")):
        default = record.confidence is not None and abs(record.confidence - confidence) <= EXACTLY
        if record.fallback or default:
            run += 1
            continue
        if run >= streak:
            message = f"the judge gave no judgement of its own {run} times in a row; its scores are void"
            alerts.append(Alert("silent_judge_fallback", "error", message, run, streak))
        run = 0
    return tuple(alerts)


def calibration_drift(
    earlier: Sequence[float], now: Sequence[float], *, least: int = 10, alpha: float = 0.05
) -> tuple[Alert, ...]:
    """An alert when the judge's scores for the same answers are not distributed as they were."""
    from stats import ks_distance, ks_threshold

    if len(earlier) < least or len(now) < least:
        return ()
    distance, limit = ks_distance(earlier, now), ks_threshold(len(earlier), len(now), alpha)
    if distance <= limit:
        return ()
    moved = f"from {fmean(earlier):.2f} to {fmean(now):.2f} (distance {distance:.2f})"
    message = f"the judge has changed: {len(now)} answers that it had judged before went {moved}"
    return (Alert("judge_calibration_drift", "warn", message, distance, limit),)


def distribution_shift(
    earlier: Sequence[str], now: Sequence[str], *, least: int = 20, alpha: float = 0.05
) -> tuple[Alert, ...]:
    """An alert when what is judged is of other categories than it was."""
    from stats import category_shift

    if not earlier or len(now) < least:
        return ()
    shift = category_shift(earlier, now, alpha)
    if not shift.shifted:
        return ()
    message = f"what is judged has changed: chi-square {shift.statistic:.1f} above {shift.threshold:.2f}"
    return (Alert("distribution_shift", "warn", message, shift.statistic, shift.threshold),)


class Canaries(CheckSection, name="canaries", summary="the judge answers, and answers as it used to"):
    """Fails where the judge gave no judgement several times in a row, in recent runs or in this comparison.

    Warnings are told, and do not block: that it scores the same answers otherwise than in recent runs, which costs no
    call, because the champion's answers come back in every run; and that the rows are of other categories than
    theirs. Where no judge takes part in the score nothing is watched, and it passes.
    """

    least: int = Field(default=10, ge=4, description="Recent records needed.")
    streak: int = Field(default=3, ge=2, description="Default answers in a row that are an error.")
    fallback_confidence: float = Field(
        default=FALLBACK_CONFIDENCE, ge=0, le=1, description="Confidence of a default answer."
    )
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="Level of the warnings.")

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """Ask all three canaries."""
        earlier = gate_input.records
        champion = row_records(gate_input.champion, kind=gate_input.kind) if gate_input.judged else ()
        now = champion + (row_records(gate_input.challenger) if gate_input.judged else ())
        records = earlier + now
        if not records:
            return (Check(self.name, CheckStatus.PASS, "no judge takes part in the score"),)
        if len(records) < self.least:
            message = f"{len(records)} recent records, at least {self.least} are needed to watch the judge"
            return (Check(self.name, CheckStatus.NOT_EVALUATED, message),)
        alerts = (
            *silent_fallback(records, streak=self.streak, confidence=self.fallback_confidence),
            *calibration_drift(*_judged_twice(earlier, now), least=self.least, alpha=self.alpha),
            *distribution_shift(_categories(earlier), _categories(champion), alpha=self.alpha),
        )
        grave = [alert for alert in alerts if alert.level == "error"]
        text = "; ".join(alert.message for alert in (grave or alerts)) or f"{len(records)} records, nothing unusual"
        return (Check(self.name, CheckStatus.FAIL if grave else CheckStatus.PASS, text),)


def _judged_twice(earlier: Sequence[Record], now: Sequence[Record]) -> tuple[list[float], list[float]]:
    """The scores of the answers that were judged before and now; the latest of those before."""
    before, after = ({r.answer: r.proxy for r in side if r.answer and r.proxy is not None} for side in (earlier, now))
    shared = [answer for answer in after if answer in before]
    return [before[answer] for answer in shared], [after[answer] for answer in shared]


def _categories(records: Sequence[Record]) -> list[str]:
    """The category of every row, once however often the row was judged: counted twice, chance looks like a shift."""
    return list({record.name: record.category for record in records if record.category is not None}.values())
