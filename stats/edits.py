"""What edits to a prompt are worth, from few scores: a mixed model over edits, rows and noise.

A candidate is the seed with a set of edits, as bits of a number. Its score on a row is

    y[c, i] = u[c] + b[i] + sum of w[e, i] over its edits + noise,      u[c] = u0 + sum of delta[e] over its edits,

so that relatives share what is known of the edits they share, and a row that is hard for one is hard for all. The
effect of an edit is ``delta[e] = x[e]' beta + sqrt(h[e]) eta[e]`` with ``eta ~ N(0, tau^2)``: what reflections bring
on average, how far a screening foretold it, what combinations lose, and its own deviation, all scaled by the room
``h[e]`` that its parent left to the best possible score.

Assumptions: effects add up (a combination's own edit takes what does not); rows are exchangeable; noise is
independent given the row, with one variance for all candidates. The posterior of the effects given the variances is
exact (Henderson, "Best linear unbiased estimation and prediction under a selection model", Biometrics 31, 1975); the
variances of rows and noise are moments of products of residuals (Haseman and Elston, Behavior Genetics 2, 1972) that
are drawn towards a prior; the deviation ``tau`` is averaged over a grid by its marginal likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stats.distributions import normal_below

Array = NDArray[np.float64]
Kind = Literal["seed", "reflection", "combination"]
TAUS = np.array([0.0025, 0.005, 0.01, 0.02, 0.04, 0.08])
"""Deviations of an edit's effect that are weighed against each other."""
BETA_MEAN = np.array([0.0, 0.1, 0.0, 0.0, 0.0])
BETA_SD = np.array([0.03, 0.1, 0.03, 0.02, 0.02])
"""Prior of what edits share: gain per room, share of the screening that stays, a combination's loss, a constant, and
the gain per room of each doubling of what a reflection is shown."""
START = (0.5, 1.0)
"""Prior mean and deviation of the seed's quality."""
FEWEST = 8
"""Scores before variances are estimated."""
RELATIVES = 8
"""Relatives whose scores on a row foretell a candidate's."""


@dataclass(frozen=True)
class Edit:
    """One change of a text, as far as its effect can be foretold.

    Attributes:
        kind: What brought it; the first edit of all stands for the seed itself.
        parent: The candidate that it was made from; -1 for the seed.
        share: One over the number of edits that came with it, which together are expected to do what one would.
        screening: Mean paired change on the rows that the reflection was shown; None where there is none (yet).
        doublings: How often the fewest rows that a reflection is shown were doubled for it.
    """

    kind: Kind
    parent: int
    share: float = 1.0
    screening: float | None = None
    doublings: float = 0.0


SEED = Edit("seed", -1)


@dataclass(frozen=True)
class Lift:
    """What is believed of the difference between two candidates; the scale is that of scores."""

    mean: float
    sd: float
    better: float
    """Probability that it is above zero."""


class EditModel:
    """The belief about every candidate, from scores that come one by one.

    ``mean`` holds the expected quality of each candidate after :meth:`fit`.
    """

    def __init__(self) -> None:
        self.mean: Array = np.zeros(0)
        self.tau = float(TAUS[-2])
        self.scores = 0
        self._edits: tuple[Edit, ...] = ()
        self._sets: tuple[int, ...] = ()
        self._rows: dict[str, tuple[list[int], list[float]]] = {}
        self._parts: dict[str, tuple[NDArray[np.intp], Array, Array]] = {}
        self._new: dict[str, None] = {}
        self._variances = np.array([0.05, 0.01, 0.1])
        self._estimate_at = FEWEST
        self._weights = np.ones(len(TAUS)) / len(TAUS)
        self._members: Array = np.zeros((0, 0))
        self._shared: Array = np.zeros((0, 0))
        self._precision: Array = np.zeros((0, 0))
        self._pull: Array = np.zeros(0)

    def add(self, candidate: int, row: str, score: float) -> None:
        """Take one score in [0, 1] into account from the next :meth:`fit` on."""
        candidates, scores = self._rows.setdefault(row, ([], []))
        candidates.append(candidate)
        scores.append(score)
        self._new[row] = None
        self.scores += 1

    def fit(self, edits: Sequence[Edit], sets: Sequence[int], *, estimate: bool = False) -> None:
        """Bring the belief up to date; variances anew when data grew by 30 %, or on ``estimate``.

        Args:
            edits: All edits there are, :data:`SEED` first.
            sets: The edits of each candidate; those of the seed are none.
            estimate: Whether variances are estimated anew in any case.
        """
        self._grow(tuple(edits), tuple(sets))
        self._design = self._designed()
        due = self.scores >= FEWEST and (estimate or self.scores >= self._estimate_at)
        self._absorb()
        self._solve(weigh=due or len(self._edits) == 1)
        if due:
            self._estimate()
            self._estimate_at = max(round(self.scores * 1.3), self.scores + FEWEST)
            self._precision[:] = 0
            self._pull[:] = 0
            self._parts.clear()
            self._new = dict.fromkeys(self._rows)
            self._absorb()
            self._solve(weigh=True)

    def effects(self) -> Array:
        """The expected effect of each edit; the first entry is the seed's quality."""
        return self._to_effects @ self._theta

    def draws(self, rng: np.random.Generator, count: int) -> Array:
        """Draws of all effects from the posterior, shape (count, edits); see :meth:`qualities`."""
        noise = rng.standard_normal((len(self._theta), count))
        return (self._to_effects @ (self._theta[:, None] + np.linalg.solve(self._root.T, noise))).T

    def qualities(self, effects: Array) -> Array:
        """The candidates' qualities for effects as :meth:`effects` or :meth:`draws` gives them."""
        return effects @ self._members.T

    def fresh(self, room: float, doublings: float = 0.0) -> float:
        """The expected effect of a fresh reflection where ``room`` is left up to a score of 1."""
        return float(self._fresh(room, doublings) @ self._theta)

    def gain(self, room: float, doublings: float = 0.0) -> float:
        """Expected improvement by a fresh reflection, E[max(0, effect)], where ``room`` is left up to a score of 1.

        It is averaged over what is not known of reflections in general, their mean and ``tau``: after a few that
        brought nothing there is still hope.
        """
        direction = self._fresh(room, doublings)
        mean, unknown = float(direction @ self._theta), np.linalg.solve(self._root, direction)
        total = 0.0
        for weight, tau in zip(self._weights, TAUS, strict=True):
            sd = math.sqrt(unknown @ unknown + max(1e-8, direction[1] * tau**2))
            density = math.exp(-0.5 * (mean / sd) ** 2) / math.sqrt(2 * math.pi)
            total += float(weight) * (sd * density + mean * normal_below(mean / sd))
        return total

    def _fresh(self, room: float, doublings: float) -> Array:
        direction = np.zeros(len(self._theta))
        share = float(np.clip(room / self._seed_room, 0.0, 1.5))
        direction[[1, 4, 5]] = share, 1.0, share * doublings
        return direction

    def lift(self, candidate: int, other: int = 0, *, sceptical: float = 1.0) -> Lift:
        """The difference to another candidate, averaged over ``tau``, whose prior is ``tau ** -sceptical``."""
        direction = self._design[candidate] - self._design[other]
        weights = self._weights / TAUS**sceptical
        weights = weights / weights.sum()
        means, variances = np.zeros(len(TAUS)), np.zeros(len(TAUS))
        for k, tau in enumerate(TAUS):
            precision = self._prior(tau)
            covariance = np.linalg.inv(self._information + np.diag(precision))
            means[k] = direction @ covariance @ (self._gathered + precision * self._prior_mean)
            variances[k] = max(1e-12, float(direction @ covariance @ direction))
        mean = float(weights @ means)
        spread = float(weights @ (variances + (means - mean) ** 2))
        return Lift(mean, math.sqrt(spread), float(weights @ [normal_below(z) for z in means / np.sqrt(variances)]))

    def foretell(self, candidate: int, seen: Mapping[int, float]) -> float:
        """The expected score of a candidate on a row on which others, or itself before, have scored ``seen``."""
        nearest = sorted(seen, key=lambda other: -self._shared[candidate, other])[:RELATIVES]
        if not nearest:
            return float(self.mean[candidate])
        others = np.array(nearest)
        rows, edits, noise = (float(variance) for variance in self._variances)
        between = rows + edits * self._shared[candidate, others]
        residual = np.array([seen[other] for other in nearest]) - self.mean[others]
        within: Array = rows + edits * self._shared[np.ix_(others, others)] + noise * np.eye(len(others))
        return float(self.mean[candidate]) + float(between @ np.linalg.solve(within, residual))

    def _grow(self, edits: tuple[Edit, ...], sets: tuple[int, ...]) -> None:
        old, new = len(self._sets), len(sets)
        if edits == self._edits and old == new:
            return
        more = len(edits) - len(self._edits)
        members = np.zeros((new, len(edits)))
        members[:old, : len(self._edits)] = self._members if old else 0.0
        for c in range(old, new):
            members[c] = [e == 0 or bool(sets[c] >> e & 1) for e in range(len(edits))]
        self._edits, self._sets, self._members = edits, sets, members
        if new > old or more:
            shares = np.array([0.0, *(edit.share for edit in edits[1:])])
            self._shared = (members * shares) @ members.T
        precision = np.zeros((new, new))
        precision[:old, :old] = self._precision
        self._precision, self._pull = precision, np.concatenate([self._pull, np.zeros(new - old)])

    def _designed(self) -> Array:
        """Qualities as a linear map of theta = (u0, beta, eta of each edit)."""
        known = len(self.mean)
        self._seed_room = max(0.05, 1 - self.mean[0]) if known else 1.0
        count = len(self._edits)
        own, common = np.zeros(count), np.zeros((count, 5))
        screenings = [edit.screening for edit in self._edits if edit.screening is not None]
        centre = sum(screenings) / len(screenings) if screenings else 0.0
        for e, edit in enumerate(self._edits[1:], start=1):
            room = np.clip((1 - self.mean[edit.parent]) / self._seed_room, 0.02, 1.5) if edit.parent < known else 1.0
            own[e] = math.sqrt(room * edit.share)
            if edit.kind == "combination":
                common[e, 2] = 1
            else:
                screening = 0.0 if edit.screening is None else edit.screening - centre
                scale = edit.share * room
                common[e] = scale, scale * screening, 0, edit.share, scale * edit.doublings
        start = np.zeros((count, 1))
        start[0] = 1
        self._to_effects = np.hstack([start, common, np.diag(own)[:, 1:]])
        return self._members @ self._to_effects

    def _absorb(self) -> None:
        """Add what new scores say, row by row: precision of the candidates' qualities, and where they are pulled."""
        rows, edits, noise = (float(variance) for variance in self._variances)
        for row in self._new:
            if row in self._parts:
                before, known, drawn = self._parts[row]
                self._precision[np.ix_(before, before)] -= known
                self._pull[before] -= drawn
            candidates, scores = np.array(self._rows[row][0]), np.array(self._rows[row][1])
            within: Array = (
                rows + edits * self._shared[np.ix_(candidates, candidates)] + noise * np.eye(len(candidates))
            )
            precision: Array = np.asarray(np.linalg.inv(within), float)
            pull: Array = precision @ scores
            self._precision[np.ix_(candidates, candidates)] += precision
            self._pull[candidates] += pull
            self._parts[row] = (candidates, precision, pull)
        self._new.clear()

    def _solve(self, *, weigh: bool) -> None:
        design = self._design
        self._information, self._gathered = design.T @ self._precision @ design, design.T @ self._pull
        prior_mean = np.zeros(design.shape[1])
        prior_mean[0], prior_mean[1:6] = START[0], BETA_MEAN
        self._prior_mean = prior_mean
        if weigh:
            evidence = np.array([self._evidence(tau) for tau in TAUS])
            weights = np.exp(evidence - evidence.max())
            self._weights = weights / weights.sum()
        self.tau = float(np.sqrt(self._weights @ TAUS**2))
        precision = self._prior(self.tau)
        self._root = np.linalg.cholesky(self._information + np.diag(precision))
        half = np.linalg.solve(self._root, self._gathered + precision * prior_mean)
        self._theta = np.linalg.solve(self._root.T, half)
        self.mean = design @ self._theta

    def _evidence(self, tau: float) -> float:
        """Logarithm of the marginal likelihood of ``tau`` but for a constant."""
        precision = self._prior(tau)
        root = np.linalg.cholesky(self._information + np.diag(precision))
        half = np.linalg.solve(root, self._gathered + precision * self._prior_mean)
        fit = 0.5 * half @ half - 0.5 * (precision * self._prior_mean**2).sum()
        return float(0.5 * np.log(precision).sum() - np.log(np.diag(root)).sum() + fit)

    def _prior(self, tau: float) -> Array:
        return np.concatenate([[1 / START[1] ** 2], 1 / BETA_SD**2, np.full(len(self._edits) - 1, 1 / tau**2)])

    def _estimate(self) -> None:
        """Within a row, products of residuals are rows + edits * shared (+ noise on the diagonal) on average."""
        variance = max(0.01, float(np.var(np.concatenate([scores for _, scores in self._rows.values()]))))
        prior, strength = np.array([0.3, 0.05, 0.5]) * variance, 30.0
        left, right = strength * np.eye(3), strength * prior
        for listed, scored in self._rows.values():
            candidates, scores = np.array(listed), np.array(scored)
            residual, size = scores - self.mean[candidates], len(candidates)
            shared = self._shared[np.ix_(candidates, candidates)]
            terms = np.stack([np.ones((size, size)), shared, np.eye(size)]).reshape(3, -1)
            left += terms @ terms.T / size  # a row counts by its scores, not by its pairs
            right += terms @ np.outer(residual, residual).reshape(-1) / size
        found = np.linalg.solve(left, right)
        if found[1] < 0:
            kept = [0, 2]
            found[kept] = np.linalg.solve(left[np.ix_(kept, kept)], right[kept])
            found[1] = 0
        self._variances = np.maximum(found, np.array([0.02, 0.002, 0.05]) * variance)
