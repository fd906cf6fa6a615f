"""The mean of skewed values: Student's t after Hall's transformation, in closed form and without resampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stats.checks import Vector, finite, finite_vector, open_unit
from stats.distributions import t_below, t_quantile
from stats.intervals import Interval


@dataclass(frozen=True)
class SkewedMean:
    """A sample's mean, its standard error, and how far skewness bends the t statistic; made by :func:`skewed_mean`.

    ``bend`` is the sample skewness over the square root of n: 0 leaves Student's t as it is.
    """

    n: int
    mean: float
    error: float
    bend: float

    def p_above(self, margin: float) -> float:
        """One-sided p of the hypothesis that the true mean is at most ``margin``."""
        t = (self.mean - margin) / self.error
        return t_below(-_straighten(t, self.bend), self.n - 1)

    def interval(self, confidence: float) -> Interval:
        """The two-sided interval whose lower end is above a margin exactly when ``p_above`` is below the tail."""
        quantile = t_quantile(0.5 + confidence / 2, self.n - 1)
        return Interval(
            self.mean - self.error * _bend_back(quantile, self.bend),
            self.mean - self.error * _bend_back(-quantile, self.bend),
        )


def skewed_mean(values: Sequence[float] | Vector) -> SkewedMean:
    """Measure mean, standard error and skewness of at least three values that are not all equal.

    Raises:
        ValueError: If there are fewer than three values, a value is not finite, or the values have no spread.
    """
    vector = finite_vector(values, name="values", at_least=3)
    n = vector.size
    mean = float(vector.mean())
    centred = vector - mean
    squares = centred * centred
    second = float(squares.sum()) / n
    if second <= (1e-9 * max(1e-3, float(np.abs(vector).max()))) ** 2:
        raise ValueError(f"values: received {n} values all equal to {mean:g}, need values with some spread")
    skewness = float((squares * centred).sum()) / n / second**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    return SkewedMean(n, mean, math.sqrt(second / (n - 1)), skewness / math.sqrt(n))


def skew_interval(values: Sequence[float] | Vector, confidence: float = 0.95) -> Interval:
    """A confidence interval for a mean that stays honest when the values are skewed.

    Student's t is too optimistic on the side of the long tail: the mean of many small gains and a few large losses is
    overestimated until a large loss has been drawn. Hall's cubic transformation removes the leading error of t, which
    is proportional to skewness / sqrt(n); the quantile stays Student's. Closed form, hence no seed. It cannot know
    about a tail of which the sample has no trace; see :mod:`stats.worst_case` for that.

    Args:
        values: At least three finite numbers, not all equal.
        confidence: The two-sided confidence, strictly between 0 and 1.

    Raises:
        ValueError: If an input is out of range as described.

    Reference: P. Hall (1992), "On the removal of skewness by transformation", JRSS B 54, 221-228; after N. J. Johnson
    (1978), "Modified t tests and confidence intervals for asymmetrical populations", JASA 73.
    """
    return skewed_mean(values).interval(open_unit(confidence, name="confidence"))


def skew_test(values: Sequence[float] | Vector, margin: float = 0.0) -> float:
    """One-sided p of the hypothesis that the true mean is at most ``margin``; the dual of :func:`skew_interval`.

    Raises:
        ValueError: If there are fewer than three values, one is not finite, or the values have no spread.
    """
    return skewed_mean(values).p_above(finite(margin, name="margin"))


def _straighten(t: float, bend: float) -> float:
    """Hall's transformation ``t + b t^2 / 3 + b^2 t^3 / 27 + b / 6``; strictly increasing in t."""
    return t + bend * t * t / 3 + bend * bend * t**3 / 27 + bend / 6


def _bend_back(value: float, bend: float) -> float:
    """The t whose straightened value is ``value``."""
    if abs(bend) < 1e-7:
        return value - bend / 6 - bend * value * value / 3
    return 3 * (math.cbrt(1 + bend * (value - bend / 6)) - 1) / bend
