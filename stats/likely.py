"""How likely it is that a mean lies above a limit: for a choice that has to be made before there is proof."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stats.checks import Vector, finite, finite_vector
from stats.distributions import t_below

TIE = 1e-12


def probability_above(values: Sequence[float] | Vector, limit: float) -> float:
    """The probability that the mean of the rows' population exceeds ``limit``, given these rows.

    It is the posterior under the reference prior ``1/sd`` of a normal mean, that is, Student's t with ``n - 1`` degrees
    of freedom around the observed mean. However much the rows agree, it stays within ``1/(n+2)`` and
    ``(n+1)/(n+2)``, Laplace's rule of succession: so few rows cannot make anything nearly certain.

    It is a belief and no test: it controls no error rate, takes no account of how many cells are looked at, and proves
    nothing. Assumes independent rows and a mean that is about normal; rare large losses of which the sample has no
    trace make it too high.

    Args:
        values: One number per row.
        limit: What the mean should exceed.

    Raises:
        ValueError: If there is no value, or one is infinite or not a number.

    Reference: A. Gelman et al., Bayesian Data Analysis (3rd ed.), section 3.2; P.-S. Laplace (1814).
    """
    vector = finite_vector(values, name="values")
    n, gap = vector.size, float(vector.mean()) - finite(limit, name="limit")
    least = 1 / (n + 2)
    sd = float(vector.std(ddof=1)) if n > 1 else math.inf
    if not math.isfinite(sd):
        return 0.5
    agreed = 0.5 if abs(gap) <= TIE else float(gap > 0)
    said = agreed if sd <= TIE else t_below(gap / (sd / math.sqrt(n)), n - 1)
    return float(np.clip(said, least, 1 - least))
