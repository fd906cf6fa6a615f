"""How bad can the mean still be, if nothing is known about the values but their lowest possible one?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stats.checks import Vector, finite, finite_vector, open_unit, whole
from stats.distributions import normal_below


def worst_case_test(values: Sequence[float] | Vector, *, lowest: float, margin: float = 0.0) -> float:
    """One-sided p of the hypothesis that the true mean is at most ``margin``, for values that may have any shape.

    It imagines one further row that came out as badly as a row can, and asks how often the mean is at most ``margin``
    when all n + 1 rows are weighted at random (uniformly over the simplex). Rejecting at p <= alpha is Gaffke's bound:
    for two-point values it is exactly Clopper and Pearson's, and for every distribution bounded below that has been
    tried it keeps its level; a proof for all of them is still open. It needs no symmetry and no minimum n, and the
    price is visible: to exclude rare large losses at lift d it takes about ``log(1 / alpha) / d`` rows.

    The tail of the weighted sum comes from its saddlepoint, hence no seed; the relative error is a few percent.

    Args:
        values: At least one number, none below ``lowest``.
        lowest: The lowest value that is possible at all: -1 for the difference of two scores in [0, 1].
        margin: The hypothesised mean.

    Raises:
        ValueError: If a value is not finite or is below ``lowest``.

    Reference: N. Gaffke (2005), "Three test statistics for a nonparametric one-sided hypothesis on the mean of a
    nonnegative variable", Math. Methods of Statistics 14; E. Learned-Miller and P. Thomas (2019), arXiv:1905.06208;
    tail: R. Lugannani and S. Rice (1980), Advances in Applied Probability 12.
    """
    vector = finite_vector(values, name="values")
    lowest, margin = finite(lowest, name="lowest"), finite(margin, name="margin")
    if float(vector.min()) < lowest - 1e-9:
        raise ValueError(f"values: received {vector.min():g}, need none below lowest={lowest:g}")
    if lowest >= margin:
        return 0.0 if lowest > margin or float(vector.max()) > margin else 1.0
    terms = np.append(vector - margin, lowest - margin)
    if float(terms.max()) <= 0:
        return 1.0
    return _chance_of_no_more_than_zero(terms)


def unseen_share(n: int, tail: float) -> float:
    """The largest share of rows that may behave otherwise although none of ``n`` did: ``1 - tail ** (1 / n)``.

    Exact for independent rows: a larger share would have stayed unseen with a probability below ``tail``. It is what a
    sample without any spread can say; 3 / n is its rule of thumb at tail .05.

    Args:
        n: Rows seen, at least 1.
        tail: The probability of being wrong, strictly between 0 and 1.

    Raises:
        ValueError: If an argument is out of range.

    Reference: C. Clopper and E. Pearson (1934), Biometrika 26; J. Hanley and A. Lippman-Hand (1983), "If nothing goes
    wrong, is everything all right?", JAMA 249.
    """
    return 1 - float(open_unit(tail, name="tail") ** (1 / whole(n, name="n", at_least=1)))


def _chance_of_no_more_than_zero(terms: Vector) -> float:
    """P(sum of E_i * terms_i <= 0) for independent unit exponentials E_i; terms of both signs."""
    saddle = _saddlepoint(terms)
    stretch = 1 - saddle * terms
    ratio = terms / stretch
    spread = math.sqrt(float((ratio * ratio).sum()))
    root = math.copysign(math.sqrt(max(0.0, 2 * float(np.log(stretch).sum()))), saddle)
    if abs(root) < 1e-4:
        third = 2 * float((ratio**3).sum()) / spread**3
        return 0.5 + third / (6 * math.sqrt(2 * math.pi))
    density = math.exp(-root * root / 2) / math.sqrt(2 * math.pi)
    return min(1.0, max(0.0, normal_below(root) + density * (1 / root - 1 / (saddle * spread))))


def _saddlepoint(terms: Vector) -> float:
    """The root of ``sum(terms / (1 - s * terms))``, which rises from -inf to inf between the two poles."""
    low, high = 1 / float(terms.min()), 1 / float(terms.max())
    saddle = 0.0
    for _ in range(100):
        ratio = terms / (1 - saddle * terms)
        slope_at = float(ratio.sum())
        if slope_at > 0:
            high = saddle
        else:
            low = saddle
        step = slope_at / float((ratio * ratio).sum())
        following = saddle - step
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - saddle) <= 1e-12 * (abs(saddle) + 1e-12):
            return following
        saddle = following
    return saddle
