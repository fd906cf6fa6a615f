"""Agreement and noise of judgements: rank correlation, weighted kappa, scatter of repeats, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stats.checks import Vector, finite, finite_vector, open_unit, positive, whole
from stats.distributions import chi_square_quantile, normal_quantile, t_quantile
from stats.intervals import Interval
from stats.skewed import skew_interval
from stats.worst_case import unseen_share

FEWEST_RANKED = 6
FEWEST_CATEGORISED = 10
FEWEST_REPEATED = 5
FEWEST_GROUPS = 10
SAME = 1e-9

Chosen = NDArray[np.intp]


@dataclass(frozen=True)
class Measured:
    """A statistic, its interval, and the number of rows that it was measured on."""

    value: float
    low: float
    high: float
    n: int

    @property
    def interval(self) -> Interval:
        """The two ends as a range."""
        return Interval(self.low, self.high)


def spearman(
    a: Sequence[float] | Vector,
    b: Sequence[float] | Vector,
    confidence: float = 0.95,
    *,
    groups: Sequence[Hashable] | None = None,
) -> Measured:
    """Spearman's rank correlation; ties share the mean of their ranks.

    Assumes independent rows. The interval is Fisher's z with the standard error ``sqrt((1 + r^2 / 2) / (n - 3))``,
    which unlike ``1 / sqrt(n - 3)`` holds its level for strong correlations too. A perfect correlation is given the
    width of the nearest imperfect one. With ``groups`` only the groups have to be independent, and the standard error
    of z comes from leaving out one group at a time.

    Args:
        a: At least six finite numbers, not all equal.
        b: As many, in the same order of rows.
        confidence: The two-sided confidence, strictly between 0 and 1.
        groups: What each row belongs to, such as its source text; at least ten different ones.

    Raises:
        ValueError: If there are too few rows or groups, the lengths differ, or one side is constant.

    Reference: C. Spearman (1904), American Journal of Psychology 15; D. Bonett and T. Wright (2000), "Sample size
    requirements for estimating Pearson, Kendall and Spearman correlations", Psychometrika 65, 23-28; groups: B. Efron
    (1982), "The Jackknife, the Bootstrap and Other Resampling Plans", chapter 3.
    """
    first, second = _two_sides(a, b, FEWEST_RANKED)
    open_unit(confidence, name="confidence")
    n = first.size
    value = _rank_correlation(first, second)
    cap = 1 - 12 / (n * (n * n - 1))
    if groups is None:
        error = math.sqrt((1 + value * value / 2) / (n - 3))
        quantile = normal_quantile(0.5 + confidence / 2)
    else:
        left_out = _each_left_out(groups, n, lambda kept: _rank_correlation(first[kept], second[kept]))
        error, quantile = _jackknife(left_out, cap, confidence)
    return _around_z(value, cap, quantile * error, n)


def weighted_kappa(
    a: Sequence[int],
    b: Sequence[int],
    levels: int,
    confidence: float = 0.95,
    *,
    groups: Sequence[Hashable] | None = None,
) -> Measured:
    """Cohen's kappa with quadratic weights over the categories 0 .. ``levels`` - 1.

    1 is perfect agreement, 0 what two unrelated raters with these marginals reach. With these weights kappa is Lin's
    concordance coefficient of the categories, so it does not depend on ``levels``, and Fisher's z suits it. The
    interval is a jackknife of z with Student's quantile; a bootstrap of a kappa near 1 covers less. Complete agreement
    has no scatter to measure: its lower end is what kappa would be if as many rows as can have stayed unseen
    (:func:`stats.worst_case.unseen_share`) agreed only as unrelated raters do. Assumes independent rows, or independent
    ``groups`` of rows. Where only one or two rows disagree, the interval covers less than it says.

    Args:
        a: At least ten whole numbers from 0 to ``levels`` - 1, not all equal.
        b: As many, in the same order of rows.
        levels: How many categories there are, at least 2.
        confidence: The two-sided confidence, strictly between 0 and 1.
        groups: What each row belongs to; at least ten different ones.

    Raises:
        ValueError: If there are too few rows or groups, the lengths differ, a category is not allowed, or one side is
            constant.

    Reference: J. Cohen (1968), "Weighted kappa", Psychological Bulletin 70; L. Lin (1989), "A concordance correlation
    coefficient to evaluate reproducibility", Biometrics 45, 255-268.
    """
    levels = whole(levels, name="levels", at_least=2)
    first, second = _two_sides(a, b, FEWEST_CATEGORISED)
    for name, side in (("a", first), ("b", second)):
        wrong = side[(side != np.round(side)) | (side < 0) | (side >= levels)]
        if wrong.size:
            raise ValueError(f"{name}: received category {wrong[0]:g}, need whole numbers from 0 to {levels - 1}")
    open_unit(confidence, name="confidence")
    n = first.size
    value = _concordance(first, second)
    cap = 1 - 1 / (n * _expected_disagreement(first, second))
    members = range(n) if groups is None else groups
    if value >= cap:
        return Measured(value, 1 - unseen_share(len(set(members)), (1 - confidence) / 2), 1.0, n)
    left_out = _each_left_out(members, n, lambda kept: _concordance(first[kept], second[kept]))
    error, quantile = _jackknife(left_out, cap, confidence)
    return _around_z(value, cap, quantile * error, n)


def noise_sd(repeats: Sequence[Sequence[float]], confidence: float = 0.95, *, scale: float = 1.0) -> Measured:
    """The standard deviation of a score when the same row is really judged again, pooled over rows.

    The interval is the chi-square one, exact for normal noise that is equal on all rows. Where the rows' variances
    scatter more than that allows (judges are often certain about most rows), the degrees of freedom are lowered to what
    the scatter is worth. Repeats that never differ give 0 with an upper end for the share of rows that could have
    differed unseen.

    Args:
        repeats: The scores of each row, at least two per row, of at least five rows.
        confidence: The two-sided confidence, strictly between 0 and 1.
        scale: The largest difference that two scores can have.

    Raises:
        ValueError: If there are too few rows, a row has fewer than two scores, or a score is not finite.

    Reference: F. Satterthwaite (1946), "An approximate distribution of estimates of variance components", Biometrics
    Bulletin 2; chi-square: G. Snedecor and W. Cochran, "Statistical Methods", section 5.11.
    """
    open_unit(confidence, name="confidence")
    positive(scale, name="scale")
    if len(repeats) < FEWEST_REPEATED:
        raise ValueError(f"repeats: received {len(repeats)} rows, need at least {FEWEST_REPEATED}")
    rows = [finite_vector(row, name=f"repeats[{place}]", at_least=2) for place, row in enumerate(repeats)]
    variances = np.array([row.var(ddof=1) for row in rows])
    freedoms = np.array([row.size - 1.0 for row in rows])
    tail = (1 - confidence) / 2
    weights = freedoms / freedoms.sum()
    variance = float(weights @ variances)
    if variance <= SAME * SAME:
        return Measured(0.0, 0.0, scale * math.sqrt(unseen_share(len(rows), tail) / 2), len(rows))
    scatter = float(((weights * (variances - variance)) ** 2).sum()) * len(rows) / (len(rows) - 1)
    worth = min(float(freedoms.sum()), max(1.0, 2 * variance * variance / max(scatter, 1e-300)))
    low = math.sqrt(worth * variance / chi_square_quantile(1 - tail, worth))
    high = math.sqrt(worth * variance / chi_square_quantile(tail, worth))
    return Measured(math.sqrt(variance), low, high, len(rows))


def bounded_mean(
    values: Sequence[float] | Vector, confidence: float = 0.95, *, lowest: float = 0.0, highest: float = 1.0
) -> Measured:
    """The mean of values that cannot leave ``[lowest, highest]``, with an interval that cannot either.

    The interval is :func:`stats.skewed.skew_interval`. Equal values have no scatter; theirs spans what the mean could
    be if as many rows as can have stayed unseen (:func:`stats.worst_case.unseen_share`) lay at one of the limits.
    Assumes independent values.

    Args:
        values: At least three numbers within the limits.
        confidence: The two-sided confidence, strictly between 0 and 1.
        lowest: The lowest possible value.
        highest: The highest possible value.

    Raises:
        ValueError: If there are fewer than three values or one is outside the limits.

    Reference: see the two functions named above.
    """
    vector = finite_vector(values, name="values", at_least=3)
    finite(lowest, name="lowest")
    finite(highest, name="highest")
    open_unit(confidence, name="confidence")
    if float(vector.min()) < lowest - SAME or float(vector.max()) > highest + SAME:
        raise ValueError(
            f"values: received {vector.min():g} to {vector.max():g}, need numbers in [{lowest:g}, {highest:g}]"
        )
    mean = float(vector.mean())
    if float(np.ptp(vector)) <= SAME:
        share = unseen_share(vector.size, (1 - confidence) / 2)
        return Measured(mean, mean - share * (mean - lowest), mean + share * (highest - mean), vector.size)
    interval = skew_interval(vector, confidence)
    return Measured(mean, max(lowest, interval.low), min(highest, interval.high), vector.size)


def _two_sides(a: Sequence[float] | Vector, b: Sequence[float] | Vector, fewest: int) -> tuple[Vector, Vector]:
    first = np.round(finite_vector(a, name="a", at_least=fewest), 9)
    second = np.round(finite_vector(b, name="b", at_least=fewest), 9)
    if first.size != second.size:
        raise ValueError(f"a and b: received {first.size} and {second.size} values, need as many of each")
    for name, side in (("a", first), ("b", second)):
        if float(np.ptp(side)) <= SAME:
            raise ValueError(f"{name}: received {side.size} values all equal to {side[0]:g}, need some that differ")
    return first, second


def _ranks(values: Vector) -> Vector:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def _rank_correlation(a: Vector, b: Vector) -> float:
    """0 for a constant side, which can only occur when a group is left out."""
    first, second = _ranks(a), _ranks(b)
    first, second = first - first.mean(), second - second.mean()
    length = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / length if length > 0 else 0.0


def _expected_disagreement(a: Vector, b: Vector) -> float:
    """The mean squared difference of two unrelated raters with these marginals."""
    return float(a.var() + b.var() + (a.mean() - b.mean()) ** 2)


def _concordance(a: Vector, b: Vector) -> float:
    expected = _expected_disagreement(a, b)
    return 1 - float(((a - b) ** 2).mean()) / expected if expected > 0 else 0.0


def _each_left_out(groups: Sequence[Hashable], n: int, statistic: Callable[[Chosen], float]) -> Vector:
    if len(groups) != n:
        raise ValueError(f"groups: received {len(groups)} for {n} rows, need one per row")
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    if len(numbers) < FEWEST_GROUPS:
        raise ValueError(f"groups: received {len(numbers)} different ones, need at least {FEWEST_GROUPS}")
    member = np.array([numbers[group] for group in groups])
    return np.array([statistic(np.flatnonzero(member != number)) for number in range(len(numbers))])


def _jackknife(left_out: Vector, cap: float, confidence: float) -> tuple[float, float]:
    """The standard error of Fisher's z, and Student's quantile for so many groups."""
    z = np.arctanh(np.clip(left_out, -cap, cap))
    count = z.size
    error = math.sqrt((count - 1) / count * float(((z - z.mean()) ** 2).sum()))
    return error, t_quantile(0.5 + confidence / 2, count - 1)


def _around_z(value: float, cap: float, half: float, n: int) -> Measured:
    z = math.atanh(max(-cap, min(cap, value)))
    low, high = math.tanh(z - half), math.tanh(z + half)
    return Measured(value, -1.0 if value <= -cap else low, 1.0 if value >= cap else high, n)
