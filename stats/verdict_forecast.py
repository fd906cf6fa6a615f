"""What the gate will say if a prompt is truly better by so much: rates of each verdict, before anything is paid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stats.checks import Vector, finite, finite_vector, open_unit, whole
from stats.distributions import (
    beta_below,
    beta_quantile,
    binomial_pmf,
    binomials_at_least,
    chi_square_quantile,
    fair_coin_at_least,
    normal_below,
    normal_quantile,
)
from stats.intervals import tango_score
from stats.paired import WORST_CASE_ALPHAS, minimum_pairs
from stats.power import paired_power
from stats.worst_case import worst_case_test

LIFTS = (0.05, 0.10, 0.20)
CEILING = 0.995
"""The highest mean that a better prompt is thought to reach."""
LEAST_ROOM = 0.1
"""A lift is left out where the chance that the baseline leaves room for it is smaller."""
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
CORRELATIONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Of two prompts' scores of one row, before any pair was seen; equally likely."""
PLAUSIBLE = (0.3, 0.7)
FINE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""The same once pairs are there to weigh them by."""
SCORE_VARIANCE, SCORE_WORTH = 0.25**2, 2
"""A graded score's variance before any was seen, and how many observations that guess is worth."""
DELTA_VARIANCE, DELTA_WORTH = 0.3**2, 4
POWER = 0.8
MOST_ROWS = 4_000
"""Rows up to which the exact rates of right-or-wrong scores are looked at."""
SDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class VerdictRates:
    """The chances of the three verdicts at one true lift; they sum to 1.

    ``lowest`` to ``highest`` is what ``promote`` may be over the correlations that are plausible between the prompts.
    """

    lift: float
    promote: float
    hold: float
    inconclusive: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class VerdictForecast:
    """What ``n`` holdout rows will say; ``mde`` is the lift that is promoted in 80 % of cases, None if none is.

    ``rates`` leaves out lifts for which the baseline has no room. ``binary`` says whether scores were taken to be right
    or wrong.
    """

    n: int
    binary: bool
    rates: tuple[VerdictRates, ...]
    mde: float | None


def forecast_verdicts(
    n: int,
    baseline: Sequence[float] | Vector = (),
    best: Sequence[float] | Vector = (),
    *,
    binary: bool | None = None,
    alpha: float = 0.05,
    margin: float = 0.0,
) -> VerdictForecast:
    """Forecast the verdict of :func:`stats.paired.compare_scores` on ``n`` rows at true lifts of 5, 10 and 20 points.

    Binary scores: with win rate b and loss rate c the chance of a promotion is ``sum over m of Binom(m; n, b + c) *
    P(Binom(m, b / (b + c)) >= w(m))``, w(m) being the fewest wins among m rows that differ with which the rule
    promotes. Graded scores: the smaller of the t test's power and the chance that the mean passes the veto of rare
    losses, whose bar is where ``worst_case_test`` of n normal quantiles reaches its level.

    What is not known is integrated out. Binary: the base rate by Beta(2 + right, 2 + wrong), and the correlation phi of
    the two prompts over .2 to .8. Graded: the variance of scores by an inverse chi-square, and the same correlations.
    Pairs of the baseline and the best prompt so far replace the guess: binary by the likelihood of their two-by-two
    table, graded by the variance of their differences. The *lift* of the best prompt on dev is not used: it was chosen
    for being large.

    The promise (``bench/power.py``): averaged over correlations of .3 to .7 within 5 points of what the rule really
    does, from 30 to 400 rows. A single search may have any correlation; that is what the range is for. Not known to
    it: guards and further checks of a gate, rows that fail, strongly skewed differences.

    Args:
        n: Holdout rows.
        baseline: Scores of the baseline on dev rows; may be empty.
        best: Scores of the best prompt so far on the same rows in the same order; empty while there is none.
        binary: Whether scores are 0 or 1. None reads it off the scores; without any, it is taken to be so, which
            promises less.
        alpha: Two-sided level of the opening, strictly between 0 and 1.
        margin: The lift that must be exceeded.

    Raises:
        ValueError: If an argument is out of range or the two prompts were not scored on equally many rows.

    Reference: J. Connett, J. Smith and R. McHugh (1987), "Sample size and power for pair-matched case-control studies",
    Statistics in Medicine 6; averaging power over what is unknown ("assurance"): A. O'Hagan, J. Stevens and M. Campbell
    (2005), Pharmaceutical Statistics 4.
    """
    n = whole(n, name="n", at_least=1)
    open_unit(alpha, name="alpha")
    finite(margin, name="margin")
    before = finite_vector(baseline, name="baseline", at_least=0)
    after = finite_vector(best, name="best", at_least=0)
    if after.size and after.size != before.size:
        raise ValueError(f"best: received {after.size} scores for {before.size} of the baseline, need as many")
    if binary is None:
        binary = is_binary(before) and is_binary(after)
    world = _Binary(n, before, after, alpha, margin) if binary else _Graded(n, before, after, alpha, margin)
    rates = tuple(rate for lift in LIFTS if (rate := world.rates(lift)) is not None)
    return VerdictForecast(n, binary, rates, _smallest(world.promoted, margin))


def is_binary(scores: Vector) -> bool:
    """Whether every score is 0 or 1."""
    return bool(((scores == 0) | (scores == 1)).all())


@dataclass(frozen=True)
class _Cases:
    """What may be true at one lift: per case its weight and its verdicts; ``plausible`` are the cases of the range."""

    weights: Vector
    promote: Vector
    hold: Vector
    plausible: NDArray[np.intp]


@dataclass(frozen=True)
class _World:
    """What is known about the two prompts; a case is a correlation (or a spread) with its weight."""

    n: int
    before: Vector
    after: Vector
    alpha: float
    margin: float

    def rates(self, lift: float) -> VerdictRates | None:
        """The verdicts at this lift; None where there is no room for it."""
        found = self.cases(lift)
        if found is None:
            return None
        chance, held = float(found.weights @ found.promote), float(found.weights @ found.hold)
        inside = found.promote[found.plausible]
        return VerdictRates(lift, chance, held, max(0.0, 1 - chance - held), float(inside.min()), float(inside.max()))

    def promoted(self, lift: float) -> float | None:
        """The chance of a promotion; None where there is no room for the lift."""
        found = self.cases(lift)
        return None if found is None else float(found.weights @ found.promote)

    def cases(self, lift: float) -> _Cases | None:
        """The correlations or spreads that may be true; None where there is no room for the lift."""
        raise NotImplementedError


class _Binary(_World):
    def cases(self, lift: float) -> _Cases | None:
        right = float(self.before.sum())
        a, b = right + 2, self.before.size - right + 2
        room = beta_below(CEILING - lift, a, b) if lift < CEILING else 0.0
        if room < LEAST_ROOM:
            return None
        rates = np.array([beta_quantile(share * room, a, b) for share in QUANTILES])
        correlations = np.array(FINE if self.after.size else CORRELATIONS)
        wins, losses = binary_outcomes(rates[None, :], lift, correlations[:, None])
        promote, hold = binary_verdicts(self.n, wins.ravel(), losses.ravel(), alpha=self.alpha, margin=self.margin)
        weights = self._weights(correlations)
        shape = (correlations.size, rates.size)
        plausible = _plausible(correlations, weights, seen=bool(self.after.size))
        return _Cases(weights, promote.reshape(shape).mean(axis=1), hold.reshape(shape).mean(axis=1), plausible)

    def _weights(self, correlations: Vector) -> Vector:
        """Equal before any pair; then by the likelihood of the two-by-two table at its own margins."""
        if not self.after.size:
            return np.full(correlations.size, 1 / correlations.size)
        n = self.before.size
        rate, other = (float(scores.sum() + 0.5) / (n + 1) for scores in (self.before, self.after))
        wins, losses = binary_outcomes(rate, other - rate, correlations)
        chances = np.stack([wins, losses, rate - losses, 1 - rate - wins])
        won = float((self.after > self.before).sum())
        lost = float((self.after < self.before).sum())
        both = float((self.after * self.before).sum())
        counts = np.array([won, lost, both, n - won - lost - both])
        logs = counts @ np.log(np.maximum(chances, 1e-9))
        likelihood = np.exp(logs - logs.max())
        return likelihood / likelihood.sum()


class _Graded(_World):
    def cases(self, lift: float) -> _Cases | None:
        n, rate = self.before.size, (float(self.before.sum()) + 1) / (self.before.size + 2)
        if rate + lift > CEILING:
            return None
        if self.after.size > 1:
            deltas = self.after - self.before
            df = n - 1 + DELTA_WORTH
            variance = (DELTA_WORTH * DELTA_VARIANCE + (n - 1) * float(deltas.var(ddof=1))) / df
            spreads = np.sqrt([[variance * df / chi_square_quantile(1 - share, df)] for share in QUANTILES])
            weights = np.full(len(QUANTILES), 1 / len(QUANTILES))
            plausible = np.arange(len(QUANTILES))
        else:
            spreads = self._spreads(rate, lift)
            correlations = np.array(CORRELATIONS)
            weights = np.full(correlations.size, 1 / correlations.size)
            plausible = _plausible(correlations, weights, seen=False)
        promote = np.array([[self._promoted(float(sd), lift) for sd in row] for row in spreads]).mean(axis=1)
        errors = spreads / math.sqrt(self.n)
        hold = np.array([[normal_below((self.margin - lift) / float(e)) for e in row] for row in errors]).mean(axis=1)
        return _Cases(weights, promote, np.minimum(hold, 1 - promote), plausible)

    def _spreads(self, rate: float, lift: float) -> Vector:
        """Standard deviations of a row's difference, per correlation and quantile of the score's own variance."""
        n = self.before.size
        df = max(0, n - 1) + SCORE_WORTH
        seen = (n - 1) * float(self.before.var(ddof=1)) if n > 1 else 0.0
        total = SCORE_WORTH * SCORE_VARIANCE + seen
        most = rate * (1 - rate)
        first = np.sqrt([min(most, total / chi_square_quantile(1 - share, df)) for share in QUANTILES])[None, :]
        second = first * math.sqrt((rate + lift) * (1 - rate - lift) / most)
        rho = np.array(CORRELATIONS)[:, None]
        return np.sqrt(first**2 + second**2 - 2 * rho * first * second)

    def _promoted(self, sd: float, lift: float) -> float:
        return graded_promoted(self.n, sd, lift, alpha=self.alpha, margin=self.margin)


def binary_outcomes(rate: Vector | float, lift: float, phi: Vector) -> tuple[Vector, Vector]:
    """Win and loss rates of two prompts with success rates ``rate`` and ``rate + lift`` that correlate by ``phi``."""
    other = rate + lift
    both = rate * other + phi * np.sqrt(np.maximum(0.0, rate * (1 - rate) * other * (1 - other)))
    both = np.clip(both, np.maximum(0.0, rate + other - 1), np.minimum(rate, other))
    return other - both, rate - both


def binary_verdicts(
    n: int, wins: Vector, losses: Vector, *, alpha: float = 0.05, margin: float = 0.0
) -> tuple[Vector, Vector]:
    """Chances of PROMOTE and HOLD on ``n`` rows for each pair of a win rate and a loss rate.

    Exact but for rows that differ in number by more than six standard deviations from what is expected.
    """
    moved = np.clip(wins + losses, 1e-9, 1 - 1e-9)
    share = np.clip(wins / np.maximum(wins + losses, 1e-9), 0.0, 1.0)[:, None]
    reach = math.ceil(6 * math.sqrt(n * float((moved * (1 - moved)).max()))) + 3
    m = np.round(n * moved)[:, None] + np.arange(-reach, reach + 1)
    chance = np.where((m >= 0) & (m <= n), binomial_pmf(m, n, moved[:, None]), 0.0)
    m = np.clip(m, 0, n)
    needed = _fewest_wins(n, alpha, margin)[m.astype(int)]
    promote = (chance * binomials_at_least(needed, m, share)).sum(axis=1)
    level = np.floor((m + margin * n) / 2 + 1e-9)
    hold = (chance * (1 - binomials_at_least(level + 1, m, share))).sum(axis=1)
    return promote, hold


def rows_to_promote(wins: float, losses: float, start: int, *, alpha: float = 0.05, margin: float = 0.0) -> int | None:
    """About the fewest rows on which right-or-wrong scores with these rates are promoted in 80 % of cases.

    The t test's number is too low for them: the rule also asks the exact sign test. Searched upwards in steps of 5 %,
    to :data:`MOST_ROWS` at most, beyond which the two agree.

    Args:
        wins: Share of rows that only the challenger gets right.
        losses: Share of rows that only the champion gets right, smaller than ``wins`` by more than the margin.
        start: Where to begin, such as the number by the t test.
        alpha: Two-sided level.
        margin: The lift that must be exceeded.

    Returns:
        None when so many rows do not suffice; ``start`` itself when it lies beyond them.

    Raises:
        ValueError: If the rates show nothing above the margin.
    """
    if not wins - losses > margin:
        raise ValueError(f"wins - losses: received {wins - losses:g}, need more than margin={margin:g}")
    n = max(whole(start, name="start", at_least=1), minimum_pairs(alpha))
    if n > MOST_ROWS:
        return n
    while n <= MOST_ROWS:
        promote, _ = binary_verdicts(n, np.array([wins]), np.array([losses]), alpha=alpha, margin=margin)
        if float(promote[0]) >= POWER:
            return n
        n = max(n + 1, round(1.05 * n))
    return None


@lru_cache(maxsize=64)
def _fewest_wins(n: int, alpha: float, margin: float) -> Vector:
    """Per number m of rows that differ, the fewest wins with which the rule promotes; m + 1 where none suffice."""
    bar, few = normal_quantile(1 - alpha / 2), n < minimum_pairs(alpha)

    def promotes(wins: int, m: int) -> bool:
        if margin >= 0 and fair_coin_at_least(wins, m) > alpha / 2:
            return False
        return tango_score(wins, m - wins, n, margin) > bar

    needed = np.empty(n + 1)
    wins = 0
    for m in range(n + 1):
        while wins <= m and not promotes(wins, m):
            wins += 1
        needed[m] = m + 1 if few else wins  # one more row that differs never takes fewer wins: the search goes on here
    return needed


def graded_promoted(n: int, sd: float, lift: float, *, alpha: float = 0.05, margin: float = 0.0) -> float:
    """The chance of a promotion where differences are graded and about normal; see :func:`forecast_verdicts`."""
    bar = float(np.interp(sd, SDS, _worst_case_bars(n, alpha, margin)))
    past_veto = normal_below((lift - margin - bar) * math.sqrt(n) / sd)
    return min(paired_power(n, sd, lift, margin=margin, alpha=alpha), past_veto)


@lru_cache(maxsize=64)
def _worst_case_bars(n: int, alpha: float, margin: float) -> tuple[float, ...]:
    """Per spread in :data:`SDS`, the mean above the margin from which the veto of rare losses is silent."""
    level = min(1.0, WORST_CASE_ALPHAS * alpha)
    normal = np.array([normal_quantile((k + 0.5) / n) for k in range(n)])

    def silent(excess: float, sd: float) -> bool:
        values = np.clip(margin + excess + sd * normal, -1.0, 1.0)
        return worst_case_test(values, lowest=-1.0, margin=margin) <= level

    return tuple(_bisect(lambda excess, sd=sd: silent(excess, sd), 0.0, 1.0, steps=12) for sd in SDS)


def _plausible(correlations: Vector, weights: Vector, *, seen: bool) -> NDArray[np.intp]:
    """The places of the correlations that a range is given for: .3 to .7, or the middle 80 % once pairs were seen."""
    if not seen:
        low, high = PLAUSIBLE
        return np.flatnonzero((correlations >= low - 1e-9) & (correlations <= high + 1e-9))
    upto = np.cumsum(weights)
    return np.flatnonzero((upto >= 0.1) & (upto - weights <= 0.9))


def _smallest(promoted: Callable[[float], float | None], margin: float) -> float | None:
    """The lift above the margin that is promoted with :data:`POWER`; None if none that has room is."""

    def enough(excess: float) -> bool:
        chance = promoted(margin + excess)
        return chance is None or chance >= POWER

    excess = _bisect(enough, 0.0, 1.0, steps=11)
    chance = promoted(margin + excess)
    return None if chance is None else margin + excess


def _bisect(is_enough: Callable[[float], bool], low: float, high: float, *, steps: int) -> float:
    """The smallest value that is enough, for a condition that stays true; ``high`` if none is."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
