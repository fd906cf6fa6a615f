"""Does a score still come from where the earlier ones came from? An alarm on values far from a baseline."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LIMIT, WINDOW, FEWEST = 3.0, 50, 5
TO_SD = 1.4826
"""Makes the median absolute deviation of normal values their standard deviation (Rousseeuw and Croux, 1993)."""


@dataclass(frozen=True)
class Drift:
    """One value against a baseline.

    Attributes:
        status: *ok*; *insufficient_baseline* at fewer than five values; *no_spread* where all of them are the same.
        alert: Whether the value is at least three deviations away, by either measure, or differs from values that are
            all the same.
        delta: The value less the baseline's mean; None where there is no baseline.
        z: Deviations from the mean; None without spread.
        mad_z: The same from the median, in median absolute deviations: an outlier in the baseline does not hide one.
        samples: Values of the baseline that were used.
    """

    status: Literal["ok", "insufficient_baseline", "no_spread"]
    alert: bool
    delta: float | None
    z: float | None
    mad_z: float | None
    samples: int


def drift(baseline: Sequence[float], current: float) -> Drift:
    """Compare a value with the last 50 of a baseline, oldest first.

    An alarm for people to look at, not a test: of independent normal values 1 % raise it on a baseline of 50, 6 % on
    one of 10 and 17 % on one of 5; heavy tails raise it more often.
    """
    values = list(baseline)[-WINDOW:]
    if not values:
        return Drift("insufficient_baseline", False, None, None, None, 0)
    mean, median = statistics.fmean(values), statistics.median(values)
    delta = current - mean
    if len(values) < FEWEST:
        return Drift("insufficient_baseline", False, delta, None, None, len(values))
    z = _deviations(delta, statistics.pstdev(values, mean))
    mad_z = _deviations(current - median, TO_SD * statistics.median(abs(value - median) for value in values))
    if z is None:
        return Drift("no_spread", abs(delta) > 1e-9, delta, None, None, len(values))
    far = max(abs(found) for found in (z, mad_z) if found is not None)
    return Drift("ok", far >= LIMIT - 1e-9, delta, z, mad_z, len(values))


def _deviations(away: float, one: float) -> float | None:
    return away / one if one > 1e-12 else None
