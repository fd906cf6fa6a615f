"""Exact and permutation tests for paired outcomes, and the correction for asking many questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stats.checks import Vector, finite, finite_vector, whole
from stats.distributions import fair_coin_at_least

EXACT_UP_TO = 30
TIE = 1e-9
FLIPS_AT_ONCE = 2_000_000


def mcnemar_exact(wins: int, losses: int) -> float:
    """Two-sided p of McNemar's exact test: are wins and losses equally likely among the pairs that differ?

    Assumes independent pairs. Ties carry no information and are left out. No pairs that differ give p = 1.

    Raises:
        ValueError: If a count is negative or not whole.

    Reference: Q. McNemar (1947), Psychometrika 12; exact form: the binomial test at 1/2, smaller tail doubled.
    """
    wins, losses = whole(wins, name="wins"), whole(losses, name="losses")
    return min(1.0, 2 * fair_coin_at_least(max(wins, losses), wins + losses))


def exact_sign_test(wins: int, losses: int) -> float:
    """One-sided p of the sign test: the chance of at least so many wins if win and loss were equally likely.

    It speaks about the *median* difference. It says nothing about the mean when differences are skewed: many small
    wins and a few large losses look like success to it.

    Raises:
        ValueError: If a count is negative or not whole.

    Reference: J. Arbuthnot (1710); Conover, "Practical Nonparametric Statistics", section 3.4.
    """
    wins, losses = whole(wins, name="wins"), whole(losses, name="losses")
    return fair_coin_at_least(wins, wins + losses)


def permutation_test(
    deltas: Sequence[float] | Vector, *, margin: float = 0.0, seed: int = 1337, flips: int = 9999
) -> float:
    """One-sided p of the sign-flip test: is the mean delta above ``margin``?

    Assumes that deltas are symmetric about ``margin`` under the hypothesis, as they are when two arms are exchangeable
    (two equal prompts, margin 0). Then it is exact at any sample size, whatever the ties. Up to 30 deltas away from the
    margin, all flips are counted; above that ``flips`` of them are drawn, and the observed one is added to both counts,
    so that the p-value stays valid and is never 0.

    Args:
        deltas: Candidate minus baseline, one per pair.
        margin: The hypothesised mean, in the unit of the deltas.
        seed: Seeds the drawing; without effect on an exact count.
        flips: How many flips to draw, at least 99.

    Raises:
        ValueError: If there are no deltas, one is not finite, or an argument is out of range.

    Reference: R. A. Fisher (1935), "The Design of Experiments"; add-one: Phipson and Smyth (2010), "Permutation
    p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9.
    """
    shifted = finite_vector(deltas, name="deltas") - finite(margin, name="margin")
    flips = whole(flips, name="flips", at_least=99)
    moved = shifted[np.abs(shifted) > TIE]
    if moved.size <= EXACT_UP_TO:
        return exact_flip_p(moved)
    observed = float(moved.sum())
    tolerance = TIE * float(np.abs(moved).sum())
    random = np.random.default_rng(seed)
    block = max(1, FLIPS_AT_ONCE // moved.size)
    as_large = 0
    for start in range(0, flips, block):
        signs = random.integers(0, 2, (min(block, flips - start), moved.size), dtype=np.int8)
        totals = 2 * (signs @ moved) - observed
        as_large += int((totals >= observed - tolerance).sum())
    return (1 + as_large) / (1 + flips)


def exact_flip_p(moved: Vector) -> float:
    """The share of all 2^k sign assignments whose sum is at least the observed sum; k is at most 30.

    The values are halved into two groups whose 2^(k/2) sums are listed and then matched by bisection, which makes
    30 values as cheap as listing 2^15 sums.

    Raises:
        ValueError: If there are more than 30 values.
    """
    if moved.size > EXACT_UP_TO:
        raise ValueError(f"moved: received {moved.size} values, need at most {EXACT_UP_TO} for an exact count")
    middle = moved.size // 2
    first, second = _all_signed_sums(moved[:middle]), np.sort(_all_signed_sums(moved[middle:]))
    needed = float(moved.sum()) - TIE * float(np.abs(moved).sum()) - first
    as_large = second.size * first.size - int(np.searchsorted(second, needed, side="left").sum())
    return as_large / (second.size * first.size)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values, in the order received; rejecting those at most alpha keeps P(any false one) <= alpha.

    Needs no independence. Uniformly stronger than Bonferroni.

    Raises:
        ValueError: If a p-value is outside [0, 1].

    Reference: S. Holm (1979), "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6.
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise ValueError(f"p_values: received {list(p_values)}, need numbers in [0, 1]")
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)


def _all_signed_sums(values: Vector) -> Vector:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums
