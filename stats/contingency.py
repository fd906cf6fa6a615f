"""Two groups that are not paired: differences of shares and means, and exact tests within strata."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stats.checks import Vector, finite_vector, open_unit, whole
from stats.distributions import hypergeometric_pmf, normal_below, normal_quantile, t_quantile
from stats.intervals import Interval, wilson

TIE = 1e-9
DRAWN_AT_ONCE = 2_000_000
EXACT_UP_TO = 20_000
"""Largest number of exposed failures for which the null distribution is convolved; beyond, its normal limit is used."""

Stratum = tuple[int, int, int, int]
"""(failures among the exposed, exposed, failures, all) of one stratum."""


def newcombe(successes: int, n: int, other_successes: int, other_n: int, confidence: float = 0.95) -> Interval:
    """Newcombe's interval for the difference of two independent shares, other minus first.

    Assumes independent trials, and one probability per group. Built from the two Wilson intervals, so it has a width at
    0 and 1 and stays within [-1, 1].

    Raises:
        ValueError: If a count is impossible or the confidence is out of range.

    Reference: R. Newcombe (1998), "Interval estimation for the difference between independent proportions: comparison
    of eleven methods", Statistics in Medicine 17, 873-890 (method 10).
    """
    z = normal_quantile(0.5 + open_unit(confidence, name="confidence") / 2)
    first, other = wilson(successes, n, z), wilson(other_successes, other_n, z)
    share, other_share = successes / n, other_successes / other_n
    difference = other_share - share
    low = difference - math.hypot(other_share - other.low, first.high - share)
    high = difference + math.hypot(other.high - other_share, share - first.low)
    return Interval(max(-1.0, low), min(1.0, high))


def welch_interval(
    first: Sequence[float] | Vector, other: Sequence[float] | Vector, confidence: float = 0.95
) -> Interval | None:
    """Welch's interval for the difference of two independent means, other minus first.

    Assumes independent values, and enough of them or little skew. None with fewer than two values in a group, or where
    neither group has any spread.

    Raises:
        ValueError: If a value is not finite or the confidence is out of range.

    Reference: B. L. Welch (1947), "The generalization of Student's problem", Biometrika 34.
    """
    a, b = finite_vector(first, name="first"), finite_vector(other, name="other")
    open_unit(confidence, name="confidence")
    if min(a.size, b.size) < 2:
        return None
    parts = (float(a.var(ddof=1)) / a.size, float(b.var(ddof=1)) / b.size)
    variance = sum(parts)
    if variance <= 0:
        return None
    freedom = variance**2 / (parts[0] ** 2 / (a.size - 1) + parts[1] ** 2 / (b.size - 1))
    half = t_quantile(0.5 + confidence / 2, freedom) * math.sqrt(variance)
    difference = float(b.mean() - a.mean())
    return Interval(difference - half, difference + half)


def label_permutation_test(
    first: Sequence[float] | Vector, other: Sequence[float] | Vector, *, seed: int = 1337, draws: int = 9999
) -> float:
    """Two-sided p of the hypothesis that group labels mean nothing, by the difference of the two means.

    Exact in level at any size when values are exchangeable under the hypothesis. Labels are drawn, and the observed
    assignment is added to both counts, so p is never 0.

    Args:
        first: Values of one group.
        other: Values of the other.
        seed: Seeds the drawing.
        draws: How many assignments to draw, at least 99.

    Raises:
        ValueError: If a group is empty, a value is not finite, or an argument is out of range.

    Reference: E. J. G. Pitman (1937), JRSS Supplement 4; add-one: Phipson and Smyth (2010).
    """
    a, b = finite_vector(first, name="first"), finite_vector(other, name="other")
    draws = whole(draws, name="draws", at_least=99)
    pooled = np.concatenate([a, b])
    centred = pooled - pooled.mean()
    observed = abs(float(centred[: a.size].sum()))
    tolerance = TIE * float(np.abs(centred).sum())
    random = np.random.default_rng(seed)
    block = max(1, DRAWN_AT_ONCE // pooled.size)
    as_far = 0
    for start in range(0, draws, block):
        rows = np.tile(centred, (min(block, draws - start), 1))
        sums = random.permuted(rows, axis=1)[:, : a.size].sum(axis=1)
        as_far += int((np.abs(sums) >= observed - tolerance).sum())
    return (1 + as_far) / (1 + draws)


def stratified_exact_test(strata: Sequence[Stratum]) -> float:
    """One-sided p of the hypothesis that, within every stratum, the exposed fail no more often than the others.

    Conditions on the margins of each stratum, so what differs *between* strata (hard tasks fail more and are also
    looked up more) counts for nothing. One stratum is Fisher's exact test. Strata in which everybody or nobody is
    exposed, or fails, carry no information. Assumes that sessions of one stratum are exchangeable.

    Raises:
        ValueError: If a count is impossible.

    Reference: R. A. Fisher (1935), "The logic of inductive inference"; N. Mantel and W. Haenszel (1959), JNCI 22, in
    the exact form of J. Gart (1970), Biometrika 57.
    """
    observed, lowest = 0, 0
    pmfs: list[Vector] = []
    for stratum in strata:
        hits, exposed, failures, n = _possible(stratum)
        least, most = max(0, exposed + failures - n), min(exposed, failures)
        if least == most:
            continue
        observed += hits
        lowest += least
        pmfs.append(hypergeometric_pmf(least, most, exposed, failures, n))
    if not pmfs:
        return 1.0
    if sum(pmf.size for pmf in pmfs) > EXACT_UP_TO:
        return _normal_tail(observed - lowest, pmfs)
    total = _convolved(pmfs)
    return float(min(1.0, total[observed - lowest :].sum()))


def _possible(stratum: Stratum) -> Stratum:
    hits, exposed, failures, n = (whole(count, name="stratum") for count in stratum)
    if not max(0, exposed + failures - n) <= hits <= min(exposed, failures):
        raise ValueError(f"stratum: received {stratum}, need (failures among exposed, exposed, failures, all)")
    return hits, exposed, failures, n


def _convolved(pmfs: list[Vector]) -> Vector:
    """Convolve in pairs, so that long vectors meet only a few times."""
    while len(pmfs) > 1:
        paired = [np.convolve(a, b) for a, b in zip(pmfs[::2], pmfs[1::2], strict=False)]
        pmfs = paired + ([pmfs[-1]] if len(pmfs) % 2 else [])
    return pmfs[0]


def _normal_tail(excess: int, pmfs: list[Vector]) -> float:
    means = [float(np.arange(pmf.size) @ pmf) for pmf in pmfs]
    variance = sum(float(np.arange(pmf.size) ** 2 @ pmf) - mean * mean for pmf, mean in zip(pmfs, means, strict=True))
    return normal_below(-(excess - 0.5 - sum(means)) / math.sqrt(variance))
