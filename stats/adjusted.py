"""How large is a lift that was just proven? The estimate and interval that know they come after a selection."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stats.distributions import log_normal_below, normal_quantile
from stats.paired import PairedDecision

FEWEST_FOR_ESTIMATE = 60
"""Below so many pairs the estimate's own bias can pass two points, and only the interval is given."""
BEYOND_SELECTION = 6.0
"""From so many standard errors on nearly everything is promoted: the correction is below one part in a thousand."""
LOWEST_SHIFT = -400.0


@dataclass(frozen=True)
class AdjustedLift:
    """A promoted lift, freed of the luck that promotion selects for.

    ``estimate`` is None below :data:`FEWEST_FOR_ESTIMATE` pairs. An estimate equal to the margin says that the lift is
    proven and its size is not: it may be anything from the margin to ``high``.
    """

    estimate: float | None
    low: float
    high: float


def adjusted_lift(decision: PairedDecision) -> AdjustedLift | None:
    """Estimate the true lift of a candidate that was promoted; None if it was not.

    A lift is reported because it passed a bar, and what just passed a bar is on average worth less than it looks: at
    100 binary rows and a true lift of 5 points the promoted mean is 8 points too high. The estimate is
    median-unbiased *given promotion*: with ``c`` the normal quantile of the bar ``1 - alpha / 2``, ``z`` that of
    ``1 - p`` and ``s = (mean - margin) / z`` as the standard error that p implies, ``G_q`` is the mu with

        Phi(mu - z) = q * Phi(mu - c)

    and the estimate is ``margin + max(0, s * G_{1/2})``, the lower end ``margin + max(0, s * G_{alpha/2})``. The upper
    end is that of the decision: given promotion it is conservative. At alpha .05 the excess over the margin shrinks to
    0 for p >= .0125, to .47 of it at p .0082, .90 at p .0013, .97 at p .0002. The lower end leaves the margin only
    from p .0006 on. That does not take the promotion back: the verdict speaks before the selection, this after it.

    The promise, for lifts up to 30 points and correlations of .3 to .7 between the arms (``bench/adjusted.py``): from
    60 pairs on the mean error given promotion stays within 2 points for lifts of 5 points and more (within 1 from 100
    graded pairs on), averaged over correlations; the interval covers in at least 93 % of the promotions. A true lift
    of nearly 0 is still shown too high, because an estimate below the margin would contradict the verdict.

    Assumes what the decision assumes, and a mean that is about normal; the selection by the veto of rare losses is
    not known to p. An estimate is not a bound: for what is at least there, read ``low``.

    Reference: S. Lee, D. Sun, Y. Sun and J. Taylor (2016), "Exact post-selection inference, with application to the
    lasso", Annals of Statistics 44; median-unbiased after a one-sided bar: H. Zhong and R. Prentice (2008),
    "Bias-reduced estimators and confidence intervals for odds ratios in genome-wide association studies",
    Biostatistics 9.
    """
    if not decision.promote:
        return None
    bar = normal_quantile(1 - decision.alpha / 2)
    z = -normal_quantile(decision.p_value) if decision.p_value > 0 else math.inf
    if z > BEYOND_SELECTION:
        estimate, low = decision.mean, decision.low
    else:
        z = max(bar, z)
        excess = decision.mean - decision.margin
        estimate = decision.margin + excess * max(0.0, _shift(z, bar, 0.5)) / z
        low = min(decision.low, decision.margin + excess * max(0.0, _shift(z, bar, decision.alpha / 2)) / z)
    return AdjustedLift(estimate if decision.n >= FEWEST_FOR_ESTIMATE else None, low, decision.high)


def _shift(z: float, bar: float, share: float) -> float:
    """The mean mu of a unit normal variable that, given it is above ``bar``, is above ``z`` with chance ``share``.

    ``Phi(mu - z) / Phi(mu - bar)`` rises with mu from 0 to 1 for z > bar; at z = bar it is 1 and mu minus infinity.
    """
    low, high = LOWEST_SHIFT, z + 8.0
    target = math.log(share)
    for _ in range(60):
        middle = (low + high) / 2
        if log_normal_below(middle - z) - log_normal_below(middle - bar) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2
