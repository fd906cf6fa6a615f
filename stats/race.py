"""A race of cells over shared rows: a cell stops when another is shown to be better and is not more expensive."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stats.checks import finite, open_unit
from stats.paired import WORST_CASE_ALPHAS
from stats.pareto import comparable_cost

SIGN_BETS = (1.0, 3.0, 9.0, 27.0)
MEAN_BETS = (0.5, 0.95)

Square = NDArray[np.float64]


class Race:
    """Watches a grid of cells row by row and says which need no further rows.

    The promise: the chance that *any* cell of the true front (no other cell is better in mean score and at most as
    expensive) is ever stopped is at most ``alpha``, however often and whenever one looks, provided that the paired
    differences of a row are symmetric about their mean - as they are for cells that are equal. For differences of any
    shape, the chance is at most ``3.5 * alpha`` for each such cell.

    How: for each pair of cells two bets are kept. The first bets on the signs of the differences d, with stakes that
    grow with their size: wealth is the product of ``2 / (1 + exp(-2 * bet * d))``, a fair or losing game if d is
    symmetric about a mean of at most 0. The second bets on the mean, with wealth the product of ``1 + bet * d``, a fair
    or losing game for every d >= -1. Each is averaged over several bets, and over all rivals that are not more
    expensive. A cell stops when its first wealth reaches ``running cells / alpha`` (Holm) and its second
    ``1 / (3.5 * alpha)``. Neither stands in for the other: bets on a mean need 30 rows for what signs show in 11, and
    bets on signs are fooled by many small gains and a rare disaster.

    With 12 cells of row sd .2, correlated .5 between cells, a cell that is worse by .3 than a rival stops after about
    11 rows, by .2 after 15, and by .1 after 40 (medians). Nothing is drawn at random.

    Assumes that rows come in an order that has nothing to do with the scores. Costs may be estimates that change from
    row to row, as long as a cell's estimate does not depend on its scores. Cells must be named in advance.

    Args:
        cells: The names, at least one, all different.
        alpha: The level of the whole race, strictly between 0 and 1.

    Raises:
        ValueError: If there is no cell, a name occurs twice, or alpha is out of range.

    Reference: V. de la Pena (1999), "A general class of exponential inequalities for martingales and ratios", Annals of
    Probability 27 (signs); I. Waudby-Smith and A. Ramdas (2024), "Estimating means of bounded random variables by
    betting", JRSS B 86 (means); J. Ville (1939); V. Vovk and R. Wang (2021), "E-values", Ann. Statistics 49 (averages).
    """

    def __init__(self, cells: Sequence[str], alpha: float = 0.05) -> None:
        if not cells or len(set(cells)) != len(cells):
            raise ValueError(f"cells: received {list(cells)}, need at least one name, each once")
        self.cells = tuple(cells)
        self.alpha = open_unit(alpha, name="alpha")
        self.rows = 0
        self._stopped: dict[str, str] = {}
        size = len(cells)
        self._signs = np.zeros((len(SIGN_BETS), size, size))
        self._means = np.zeros((len(MEAN_BETS), size, size))

    @property
    def running(self) -> tuple[str, ...]:
        """The cells that still need rows, in the order given."""
        return tuple(cell for cell in self.cells if cell not in self._stopped)

    @property
    def stopped(self) -> Mapping[str, str]:
        """The cells that need no further rows, in the order in which they stopped, each with the reason."""
        return dict(self._stopped)

    def update(self, scores: Mapping[str, float | None], costs: Mapping[str, float | None]) -> tuple[str, ...]:
        """Take one row's scores and return the cells that stop now, the clearest first.

        Args:
            scores: Cell -> score in [0, 1] on this row. A cell that is absent or None was not scored: the row then says
                nothing about it. Scores of stopped cells are ignored.
            costs: Cell -> what a row costs, in any unit. Absent or None is unknown; an unknown cost is compared with
                unknown costs alone (:func:`stats.pareto.dominates`).

        Raises:
            ValueError: If a name is unknown, a score is outside [0, 1], or a cost is not a finite number.
        """
        row = self._row(scores)
        cheap = self._not_dearer(costs)
        self.rows += 1
        self._bet(row)
        signs, means = _average(self._signs), _average(self._means)
        rivals = np.maximum(cheap.sum(axis=0), 1)
        shown = np.where(cheap, signs, 0.0).sum(axis=0) / rivals
        agreed = np.where(cheap, means, 0.0).sum(axis=0) / rivals >= 1 / min(1.0, WORST_CASE_ALPHAS * self.alpha)
        stops: list[str] = []
        for index in sorted(range(len(self.cells)), key=lambda place: (-shown[place], place)):
            name = self.cells[index]
            if name not in self._stopped and agreed[index] and shown[index] >= len(self.running) / self.alpha:
                winner = self.cells[int(np.where(cheap[:, index], signs[:, index], -1.0).argmax())]
                self._stopped[name] = f"{winner} is better and not more expensive, shown after {self.rows} rows"
                stops.append(name)
        return tuple(stops)

    def _row(self, scores: Mapping[str, float | None]) -> NDArray[np.float64]:
        self._know(scores)
        row = np.full(len(self.cells), np.nan)
        for index, cell in enumerate(self.cells):
            score = scores.get(cell)
            if score is None or cell in self._stopped:
                continue
            if not (math.isfinite(score) and 0 <= score <= 1):
                raise ValueError(f"scores: received {score} for {cell}, need a number in [0, 1] or None")
            row[index] = score
        return row

    def _not_dearer(self, costs: Mapping[str, float | None]) -> NDArray[np.bool_]:
        """``[rival, cell]``: whether the rival is not more expensive than the cell."""
        self._know(costs)
        known = [None if (cost := costs.get(cell)) is None else finite(cost, name=cell) for cell in self.cells]
        cheap = np.array([[comparable_cost(rival, cost) for cost in known] for rival in known])
        np.fill_diagonal(cheap, val=False)
        return cheap

    def _know(self, names: Iterable[str]) -> None:
        strangers = sorted(set(names) - set(self.cells))
        if strangers:
            raise ValueError(f"cells: received {strangers}, need names among {list(self.cells)}")

    def _bet(self, row: NDArray[np.float64]) -> None:
        difference = row[:, None] - row[None, :]
        difference = np.where(np.isnan(difference), 0.0, difference)
        for place, bet in enumerate(SIGN_BETS):
            self._signs[place] += math.log(2) - np.logaddexp(0.0, -2 * bet * difference)
        for place, bet in enumerate(MEAN_BETS):
            self._means[place] += np.log1p(bet * difference)


def _average(log_wealth: Square) -> Square:
    """The mean wealth over the bets; capped where a float would overflow."""
    return np.exp(np.minimum(log_wealth, 600.0)).mean(axis=0)
