"""Quantiles and tails as plain floats: the only room that talks to ``scipy.special``."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from stats.checks import Vector


@cache
def _special() -> Any:
    """``scipy.special``, loaded by the first figure and not by whoever reads a task file."""
    from scipy import special  # pyright: ignore[reportMissingTypeStubs]

    return special


def normal_quantile(probability: float) -> float:
    """The standard normal value below which a share ``probability`` lies."""
    return float(_special().ndtri(probability))


def normal_below(value: float) -> float:
    """P(Z <= value) for a standard normal Z."""
    return float(_special().ndtr(value))


def log_normal_below(value: float) -> float:
    """The natural logarithm of P(Z <= value), accurate far below 0 where the probability itself underflows."""
    return float(_special().log_ndtr(value))


def t_quantile(probability: float, df: float) -> float:
    """The value of Student's t with ``df`` degrees of freedom below which a share ``probability`` lies."""
    return float(_special().stdtrit(df, probability))


def t_below(value: float, df: int) -> float:
    """P(T <= value) for Student's t with ``df`` degrees of freedom."""
    return float(_special().stdtr(df, value))


def noncentral_t_below(value: float, df: int, shift: float) -> float:
    """P(T <= value) for the non-central t with ``df`` degrees of freedom and non-centrality ``shift``."""
    return float(_special().nctdtr(df, shift, value))


def fair_coin_at_least(heads: int, tosses: int) -> float:
    """P(at least ``heads`` heads in ``tosses`` fair tosses), exact."""
    return 1.0 if heads <= 0 else float(_special().bdtrc(heads - 1, tosses, 0.5))


def chi_square_quantile(probability: float, df: float) -> float:
    """The value below which a chi-square variable with ``df``, also fractional, lies with ``probability``."""
    return float(_special().chdtri(df, 1 - probability))


def beta_below(value: float, a: float, b: float) -> float:
    """P(X <= value) for a Beta variable with shapes ``a`` and ``b``."""
    return float(_special().betainc(a, b, max(0.0, min(1.0, value))))


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The value below which a Beta variable with shapes ``a`` and ``b`` lies with ``probability``."""
    return float(_special().betaincinv(a, b, probability))


def binomial_pmf(successes: Vector, trials: int, rate: Vector) -> Vector:
    """P(X = successes) for each rate strictly between 0 and 1; nan for impossible numbers of successes."""
    log = _special().gammaln
    ways = log(trials + 1.0) - log(successes + 1.0) - log(trials - successes + 1.0)
    return np.exp(ways + successes * np.log(rate) + (trials - successes) * np.log1p(-rate))


def binomials_at_least(successes: Vector, trials: Vector, rate: Vector) -> Vector:
    """P(X >= successes) per element; 1 for at most 0 successes, 0 for more than there are trials."""
    inside = (successes >= 1) & (successes <= trials)
    asked, left = np.where(inside, successes, 1.0), np.where(inside, trials - successes + 1, 1.0)
    tails = _special().betainc(asked, left, rate)
    return np.where(inside, tails, np.where(successes < 1, 1.0, 0.0))


def hypergeometric_pmf(least: int, most: int, drawn: int, marked: int, n: int) -> Vector:
    """P(k of the ``drawn`` are marked) for k = ``least`` .. ``most``, when ``marked`` of ``n`` are."""
    log = _special().gammaln
    k = np.arange(least, most + 1, dtype=np.float64)

    def ways(total: Any, chosen: Any) -> Any:
        return log(total + 1.0) - log(chosen + 1.0) - log(total - chosen + 1.0)

    return np.exp(ways(marked, k) + ways(n - marked, drawn - k) - ways(n, drawn))
