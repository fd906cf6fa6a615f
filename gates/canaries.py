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
from stats import category_shift, ks_distance, ks_threshold

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
    """One alert for every unbroken series of at least ``streak`` answers that the judge gave by default.

    A series is one alert however long it is. An answer by default says so, or has exactly the default confidence.
    """
    alerts, run = [], 0
    for record in (*records, Record("end")):
        default = record.confidence is not None and abs(record.confidence - confidence) <= EXACTLY
        if record.fallback or default:
            run += 1
            continue
        if run >= streak:
            message = f"the judge answered {run} times in a row by default, up to {record.name!r}; its scores are void"
            alerts.append(Alert("silent_judge_fallback", "error", message, run, streak))
        run = 0
    return tuple(alerts)


def calibration_drift(
    records: Sequence[Record], *, recent: int = 20, earlier: int = 50, least: int = 10, alpha: float = 0.05
) -> tuple[Alert, ...]:
    """An alert when the judge's latest confidences are not distributed like those before them."""
    values = [record.confidence for record in records if record.confidence is not None]
    late, early = values[-recent:], values[:-recent][-earlier:]
    if len(late) < least or len(early) < least:
        return ()
    distance, limit = ks_distance(early, late), ks_threshold(len(early), len(late), alpha)
    if distance <= limit:
        return ()
    message = f"the judge's confidence moved from {fmean(early):.2f} to {fmean(late):.2f} (distance {distance:.2f})"
    return (Alert("judge_calibration_drift", "warn", message, distance, limit),)


def distribution_shift(records: Sequence[Record], *, recent: int = 20, alpha: float = 0.05) -> tuple[Alert, ...]:
    """An alert when the latest things judged are of other categories than those before them."""
    kinds = [record.category for record in records if record.category is not None]
    late, early = kinds[-recent:], kinds[:-recent]
    if not early or len(late) < recent:
        return ()
    shift = category_shift(early, late, alpha)
    if not shift.shifted:
        return ()
    message = f"what is judged has changed: chi-square {shift.statistic:.1f} above {shift.threshold:.2f}"
    return (Alert("distribution_shift", "warn", message, shift.statistic, shift.threshold),)


class Canaries(CheckSection, name="canaries", summary="the judge answers, and answers as it used to"):
    """Fails on an alert of level error among the recent records and the rows of this comparison.

    Warnings are told, and do not block. Where no judge takes part in the score nothing is watched, and it passes.
    """

    least: int = Field(default=10, ge=4, description="Recent records needed.")
    streak: int = Field(default=3, ge=2, description="Default answers in a row that are an error.")
    fallback_confidence: float = Field(
        default=FALLBACK_CONFIDENCE, ge=0, le=1, description="Confidence of a default answer."
    )
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="Level of the warnings.")

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """Ask all three canaries."""
        records = gate_input.records
        if gate_input.judged:
            records += row_records(gate_input.champion, None) + row_records(gate_input.challenger, None)
        elif not records:
            return (Check(self.name, CheckStatus.PASS, "no judge takes part in the score"),)
        if len(records) < self.least:
            message = f"{len(records)} recent records, at least {self.least} are needed to watch the judge"
            return (Check(self.name, CheckStatus.NOT_EVALUATED, message),)
        alerts = (
            *silent_fallback(records, streak=self.streak, confidence=self.fallback_confidence),
            *calibration_drift(records, alpha=self.alpha),
            *distribution_shift(records, alpha=self.alpha),
        )
        grave = [alert for alert in alerts if alert.level == "error"]
        text = "; ".join(alert.message for alert in (grave or alerts)) or f"{len(records)} records, nothing unusual"
        return (Check(self.name, CheckStatus.FAIL if grave else CheckStatus.PASS, text),)
