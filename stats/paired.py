"""The paired decision: may the candidate replace the baseline, given both scored the same rows?"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stats.checks import Vector, finite, finite_vector, open_unit, positive
from stats.distributions import fair_coin_at_least, normal_below
from stats.intervals import Interval, tango, tango_score
from stats.paired_tests import EXACT_UP_TO, exact_flip_p
from stats.skewed import skewed_mean
from stats.worst_case import worst_case_test

TIE = 1e-9
SMALL_SAMPLE = 20
WORST_CASE_ALPHAS = 3.5

TOO_FEW = "none: too few pairs"
NO_SPREAD = "none: no spread"
TWO_POINT = "Tango score interval + exact McNemar"
SMALL_MEAN = "exact sign flips + skew-corrected t"
LARGE_MEAN = "skew-corrected t"


@dataclass(frozen=True)
class PairedDecision:
    """The evidence of one comparison and what follows from it; deltas are candidate minus baseline.

    ``low`` and ``high`` bound the mean delta at confidence ``1 - alpha``; ``promote`` implies ``low > margin``.
    ``p_value`` is one-sided, for the hypothesis that the true mean delta is at most ``margin``; ``promote`` implies
    ``p_value <= alpha / 2``. The reverse does not hold: a veto can refuse what interval and p-value would allow, and
    then ``reason`` says which.
    """

    n: int
    mean: float
    low: float
    high: float
    p_value: float
    promote: bool
    method: str
    reason: str
    wins: int
    losses: int
    ties: int
    margin: float
    alpha: float


@dataclass(frozen=True)
class _Evidence:
    """What a method concludes before it is put into words; an empty ``objection`` promotes."""

    interval: Interval
    p_value: float
    method: str
    objection: str


def minimum_pairs(alpha: float = 0.05) -> int:
    """The fewest pairs that could ever convince: ``ceil(log2(2 / alpha))``, 6 at alpha .05, 5 at .10, 8 at .01.

    With fewer, even unanimous wins have a one-sided sign-test p above ``alpha / 2``.

    Raises:
        ValueError: If alpha is not strictly between 0 and 1.
    """
    return math.ceil(math.log2(2 / open_unit(alpha, name="alpha")) - 1e-12)


def paired_decision(
    deltas: Sequence[float] | Vector,
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
    unit: float | None = None,
    worst_loss: float = 1.0,
) -> PairedDecision:
    """Decide whether the mean paired delta is above ``margin``; the one rule by which anything is promoted here.

    The promise: if the true mean delta is at most ``margin``, the answer is ``promote`` in at most a share ``alpha`` of
    the cases, nominally ``alpha / 2``. Nothing is drawn at random, so equal evidence gives equal verdicts. The rule:

    1. Fewer than :func:`minimum_pairs` pairs never promote. Identical non-zero deltas never promote: their interval has
       no width, and no width is no evidence about rows not seen.
    2. Two-point outcomes (every delta is 0 or +-s): Tango's score interval must lie above the margin, and for margins
       of at least 0 the exact McNemar test must agree (one-sided, ``alpha / 2``), which makes the level exact.
    3. Otherwise the skew-corrected t interval must lie above the margin; a percentile bootstrap is not enough, its real
       error is 7-12 % on skewed deltas at n = 20 to 40. At least :func:`minimum_pairs` deltas must differ from the
       margin, and the exact sign-flip test must agree: at ``alpha / 2`` below 20 pairs, where it is the leading
       evidence, at ``alpha`` up to 30 informative pairs, where it only stops t from being fooled by many ties.
    4. Unless outcomes are two-point on the full scale, a worst-case test must agree at ``3.5 * alpha``: a lift that one
       unseen row with the worst possible loss would plausibly undo is not shown. From 20 pairs on this caps the error
       at ``3.5 * alpha`` for *every* distribution. Below 20 pairs it does not overrule a clean sweep, in which every
       pair was won; so a candidate with tiny gains nearly always and a disaster rarely can pass there.

    Assumes that pairs are independent: average the repeats of a row first, repeats are not further evidence.

    Args:
        deltas: Candidate minus baseline, one number per row, at least one.
        margin: What the mean delta has to exceed; negative asks for non-inferiority. Unit of the deltas.
        alpha: Two-sided level, strictly between 0 and 1; the interval has confidence ``1 - alpha``.
        unit: The step s, if the scores are known to be 0 or s. None infers two-point outcomes from the deltas.
        worst_loss: The largest loss that a row can suffer: 1 for scores in [0, 1]. A larger delta in the data
            overrides it.

    Raises:
        ValueError: If there are no deltas, one is not finite, an argument is out of range, or ``unit`` does not fit.

    Reference: see :func:`stats.intervals.tango`, :func:`stats.skewed.skew_interval`,
    :func:`stats.worst_case.worst_case_test` and :func:`stats.paired_tests.permutation_test`. The simulations are in
    ``tests/stats``.
    """
    vector = finite_vector(deltas, name="deltas")
    finite(margin, name="margin")
    open_unit(alpha, name="alpha")
    positive(worst_loss, name="worst_loss")
    sizes = np.abs(vector)
    scale = max(worst_loss, float(sizes.max()))
    step = _step(sizes, unit, worst_loss)
    if vector.size < minimum_pairs(alpha):
        evidence = _too_few(vector, scale, alpha)
    elif step is not None and abs(margin) < step:
        evidence = _two_point(vector, step, margin, alpha, full_scale=unit is not None or step >= scale - TIE)
    elif float(np.ptp(vector)) <= TIE:
        evidence = _no_spread(vector)
    else:
        evidence = _mean(vector, margin, alpha)
    if not evidence.objection and not (evidence.method == TWO_POINT and (unit is not None or step == scale)):
        evidence = _guarded(evidence, vector, scale, margin, alpha)
    return _decision(vector, evidence, margin, alpha)


