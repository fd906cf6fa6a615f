"""Pairs of prompts whose truth is known: scores of a baseline and of a better prompt that correlate row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stats import PairedDecision, paired_decision

Scores = NDArray[np.float64]
Truth = tuple[float, float, float]
"""The baseline's mean, the lift, and the correlation of the two arms' scores of a row."""
GRID = (np.arange(5_000) + 0.5) / 5_000


@dataclass(frozen=True)
class World:
    """How scores scatter: right or wrong, or Beta with shape ``k p, k (1 - p)``, perhaps rounded to ``levels``.

    Two arms' scores of a row correlate by ``rho``; graded ones through a normal copula.
    """

    name: str
    k: float = 2.0
    levels: int | None = None
    binary: bool = False

    def draw(
        self, random: np.random.Generator, size: tuple[int, int], rate: float, lift: float, rho: float
    ) -> tuple[Scores, Scores]:
        """Scores of both arms, each of shape (repeats, rows); the means are ``rate`` and ``rate + lift``."""
        if self.binary:
            wins, losses, both = binary_cells(rate, lift, rho)
            dice = random.random(size)
            before = (dice < both) | (dice >= 1 - losses)
            return before.astype(float), (dice < both + wins).astype(float)
        first = random.standard_normal(size)
        second = _mixed(first, random.standard_normal(size), self._latent(rate, lift, rho))
        return self._score(first, rate), self._score(second, rate + lift)

    @lru_cache(maxsize=256)  # noqa: B019 - worlds live as long as the module
    def _latent(self, rate: float, lift: float, rho: float) -> float:
        """The correlation of the copula at which the scores themselves correlate by ``rho``."""
        first, other = np.random.default_rng(0).standard_normal((2, 20_000))
        low, high = 0.0, 1.0
        for _ in range(9):
            middle = (low + high) / 2
            scores = self._score(first, rate), self._score(_mixed(first, other, middle), rate + lift)
            low, high = (middle, high) if np.corrcoef(*scores)[0, 1] < rho else (low, middle)
        return (low + high) / 2

    def decisions(
        self,
        random: np.random.Generator,
        size: tuple[int, int],
        truth: Truth,
        *,
        alpha: float = 0.05,
        margin: float = 0.0,
    ) -> Iterator[PairedDecision]:
        """What the project's rule says about each of ``repeats`` pairs of prompts on ``rows`` rows."""
        if self.binary:
            wins, losses, _ = binary_cells(*truth)
            for won, lost, tied in random.multinomial(size[1], (wins, losses, 1 - wins - losses), size[0]).tolist():
                yield _counted(won, lost, tied, alpha, margin)
            return
        before, after = self.draw(random, size, *truth)
        for deltas in after - before:
            yield paired_decision(deltas, margin=margin, alpha=alpha)

    def _score(self, normal: Scores, mean: float) -> Scores:
        table = _quantiles(self.k, mean, self.levels)
        places = (special.ndtr(normal) * GRID.size).astype(int)
        return table[np.minimum(places, GRID.size - 1)]

    def true_lift(self, rate: float, lift: float) -> float:
        """The lift as the table of scores really has it: rounding to levels moves a mean a little."""
        if self.binary:
            return lift
        quantiles = special.ndtri(GRID)
        return float(self._score(quantiles, rate + lift).mean() - self._score(quantiles, rate).mean())


@lru_cache(maxsize=256)
def _quantiles(k: float, mean: float, levels: int | None) -> Scores:
    table = special.betaincinv(k * mean, k * (1 - mean), GRID)
    return table if levels is None else np.round(table * (levels - 1)) / (levels - 1)


def _mixed(first: Scores, other: Scores, r: float) -> Scores:
    return r * first + np.sqrt(1 - r * r) * other


def binary_cells(rate: float, lift: float, phi: float) -> tuple[float, float, float]:
    """Shares of rows that only the second arm gets right, that only the first does, and that both do."""
    other = rate + lift
    both = rate * other + phi * np.sqrt(rate * (1 - rate) * other * (1 - other))
    both = float(min(rate, other, both))
    return other - both, rate - both, both


@lru_cache(maxsize=200_000)
def _counted(wins: int, losses: int, ties: int, alpha: float, margin: float) -> PairedDecision:
    deltas = [1.0] * wins + [-1.0] * losses + [0.0] * ties
    return paired_decision(deltas, margin=margin, alpha=alpha, unit=1.0)


WORLDS: Mapping[str, World] = {
    world.name: world
    for world in (
        World("binary", binary=True),
        World("rubric", levels=5),
        World("graded"),
        World("graded, narrow", k=6.0),
    )
}
