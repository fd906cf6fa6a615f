"""Has a distribution moved? Distances and thresholds for comparing recent values with earlier ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from stats.checks import Vector, finite_vector, open_unit
from stats.distributions import chi_square_quantile

KS_TABLE = {0.1: 1.22, 0.05: 1.36, 0.01: 1.63}
LEAST_EXPECTED = 1.0
Category = TypeVar("Category", bound=Hashable)


def ks_distance(first: Sequence[float] | Vector, second: Sequence[float] | Vector) -> float:
    """The largest gap between two empirical distribution functions: 0 for equal samples, 1 for disjoint ones.

    Raises:
        ValueError: If a sample is empty or a value is not finite.

    Reference: N. Smirnov (1948), "Table for estimating the goodness of fit of empirical distributions".
    """
    a, b = np.sort(finite_vector(first, name="first")), np.sort(finite_vector(second, name="second"))
    points = np.concatenate([a, b])
    below_a = np.searchsorted(a, points, side="right") / a.size
    below_b = np.searchsorted(b, points, side="right") / b.size
    return float(np.abs(below_a - below_b).max())


def ks_threshold(n1: int, n2: int, alpha: float = 0.05) -> float:
    """The distance that two samples of one continuous distribution exceed in a share ``alpha`` of cases.

    ``c * sqrt((n1 + n2) / (n1 * n2))`` with c of 1.22, 1.36, 1.63 at alpha .10, .05, .01 as tables print it. With ties
    the true share is smaller.

    Raises:
        ValueError: If a sample is empty or alpha is out of range.

    Reference: the asymptotic distribution of Kolmogorov and Smirnov, ``c = sqrt(-ln(alpha / 2) / 2)``.
    """
    open_unit(alpha, name="alpha")
    if n1 < 1 or n2 < 1:
        raise ValueError(f"n1, n2: received {n1} and {n2}, need at least 1 of each")
    c = KS_TABLE.get(alpha) or math.sqrt(-math.log(alpha / 2) / 2)
    return c * math.sqrt((n1 + n2) / (n1 * n2))


@dataclass(frozen=True)
class CategoryShift:
    """Pearson's statistic of recent categories against earlier proportions, and what it must exceed."""

    statistic: float
    df: int
    threshold: float

    @property
    def shifted(self) -> bool:
        """Whether the recent categories differ from the earlier ones at the level asked for."""
        return self.df > 0 and self.statistic > self.threshold


def category_shift(earlier: Sequence[Category], recent: Sequence[Category], alpha: float = 0.05) -> CategoryShift:
    """Compare recent categories with the proportions of earlier ones.

    Cells with fewer than one expected observation are left out, categories never seen before among them; what a new
    category takes away from the old ones still shows. The proportions are taken as known, so that with a short history
    the level is exceeded somewhat.

    Raises:
        ValueError: If a sample is empty or alpha is out of range.

    Reference: K. Pearson (1900), Philosophical Magazine 50; the rule for small cells: W. Cochran (1954), Biometrics 10.
    """
    open_unit(alpha, name="alpha")
    if not earlier or not recent:
        raise ValueError(f"categories: received {len(earlier)} earlier and {len(recent)} recent, need some of both")
    before, after = Counter(earlier), Counter(recent)
    expected = {name: len(recent) * count / len(earlier) for name, count in before.items()}
    cells = [name for name, count in expected.items() if count >= LEAST_EXPECTED]
    statistic = sum((after[name] - expected[name]) ** 2 / expected[name] for name in cells)
    df = max(0, len(cells) - 1)
    return CategoryShift(statistic, df, chi_square_quantile(1 - alpha, df) if df else math.inf)


def pearson(first: Sequence[float] | Vector, second: Sequence[float] | Vector) -> float | None:
    """The linear correlation of two equally long samples; None when one of them does not vary.

    Raises:
        ValueError: If the lengths differ, there are fewer than two values, or a value is not finite.
    """
    a, b = finite_vector(first, name="first", at_least=2), finite_vector(second, name="second", at_least=2)
    if a.size != b.size:
        raise ValueError(f"pearson: received {a.size} and {b.size} values, need as many of both")
    x, y = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else None
