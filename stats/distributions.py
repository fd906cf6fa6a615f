"""Quantiles and tails as plain floats: the only room that talks to ``scipy.special``."""

from __future__ import annotations

from functools import cache
from typing import Any


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


def t_quantile(probability: float, df: int) -> float:
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
