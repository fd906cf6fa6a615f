"""What a sequential test does at a given truth: the chances of its decisions and how long it takes, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stats.sequential import SprtDesign

Grid = NDArray[np.float64]


@dataclass(frozen=True)
class OperatingCharacteristics:
    """How a test ends at a given truth: the chances of its decisions, and the observations that it takes.

    ``quantile_n`` are the 10, 50 and 90 % quantiles of the number of observations.
    """

    accept: float
    reject: float
    no_decision: float
    mean_n: float
    quantile_n: tuple[int, int, int]


def operating_characteristics(design: SprtDesign, win: float, loss: float) -> OperatingCharacteristics:
    """The exact chances of each decision and the mean number of observations, by recursion over counts.

    Args:
        design: The test; it must have an ``n_max``.
        win: True chance that an observation is a win.
        loss: True chance that it is a loss; the rest are pairs that agree.

    Raises:
        ValueError: If the design has no end, or the chances are out of range.

    Reference: the recursion of P. Armitage, C. McPherson and B. Rowe (1969), "Repeated significance tests on
    accumulating data", JRSS A 132, on counts instead of sums.
    """
    most = _checked(design, win, loss)
    wins, losses = np.arange(most + 1)[:, None], np.arange(most + 1)[None, :]
    position = _llr(design, wins, losses)
    up, down = position >= design.upper, position <= design.lower
    tie = 1 - win - loss
    per_tie = design.log_futility(0, 0, 1)
    futility = _log_futility(design, wins, losses, -wins - losses)  # less what n pairs add, were all of them ties
    live = np.zeros((most + 1, most + 1))
    live[0, 0] = 1.0
    accepted, rejected = np.zeros(most + 1), np.zeros(most + 1)
    for n in range(1, most + 1):
        edge = n + 1
        new = tie * live[:edge, :edge]
        new[1:, :] += win * live[:n, :edge]
        new[:, 1:] += loss * live[:edge, :n]
        futile = futility[:edge, :edge] >= design.futility_bound - n * per_tie
        stop_up = up[:edge, :edge]
        stop_down = (down[:edge, :edge] | futile) & ~stop_up
        accepted[n], rejected[n] = new[stop_up].sum(), new[stop_down].sum()
        live[:edge, :edge] = np.where(stop_up | stop_down, 0.0, new)
    open_at_end = float(live.sum())
    ended = accepted + rejected
    ended[most] += open_at_end
    spread = np.cumsum(ended)
    quantiles = tuple(int(np.searchsorted(spread, q)) for q in (0.1, 0.5, 0.9))
    return OperatingCharacteristics(
        accept=float(accepted.sum()),
        reject=float(rejected.sum()),
        no_decision=open_at_end,
        mean_n=float((np.arange(most + 1) * ended).sum()),
        quantile_n=(quantiles[0], quantiles[1], quantiles[2]),
    )


def simulate(
    design: SprtDesign, win: float, loss: float, *, runs: int, random: np.random.Generator
) -> OperatingCharacteristics:
    """The same by playing the test so many times; what the exact recursion is checked against.

    Raises:
        ValueError: If the design has no end, or the chances are out of range.
    """
    most = _checked(design, win, loss)
    draw = random.random((runs, most))
    won, lost = draw < win, draw >= 1 - loss
    wins, losses = won.cumsum(axis=1, dtype=np.int32), lost.cumsum(axis=1, dtype=np.int32)
    ties = np.arange(1, most + 1, dtype=np.int32) - wins - losses
    position = _llr(design, wins, losses)
    up = position >= design.upper
    down = (position <= design.lower) | (_log_futility(design, wins, losses, ties) >= design.futility_bound)
    over = up | down
    decided = over.any(axis=1)
    at = np.where(decided, over.argmax(axis=1), most - 1)
    accepted = up[np.arange(runs), at] & decided
    low, middle, high = (int(q) for q in np.quantile(at + 1, (0.1, 0.5, 0.9)))
    return OperatingCharacteristics(
        accept=float(accepted.mean()),
        reject=float((decided & ~accepted).mean()),
        no_decision=float((~decided).mean()),
        mean_n=float((at + 1).mean()),
        quantile_n=(low, middle, high),
    )


def _checked(design: SprtDesign, win: float, loss: float) -> int:
    if design.n_max is None:
        raise ValueError("n_max: received None, need a test with an end")
    if not (win >= 0 and loss >= 0 and win + loss <= 1 + 1e-12):
        raise ValueError(f"win, loss: received {win} and {loss}, need chances with a sum of at most 1")
    return design.n_max


def _llr(design: SprtDesign, wins: NDArray[np.integer], losses: NDArray[np.integer]) -> Grid:
    with np.errstate(invalid="ignore"):
        return np.asarray(wins * design.win + np.where(losses > 0, losses * design.loss, 0.0), dtype=np.float64)


def _log_futility(
    design: SprtDesign, wins: NDArray[np.integer], losses: NDArray[np.integer], ties: NDArray[np.integer]
) -> Grid:
    if design.form == "one-sample":
        return np.full(np.broadcast_shapes(wins.shape, losses.shape), -np.inf)
    per_win, per_loss, per_tie = (design.log_futility(*one) for one in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    return wins * per_win + losses * per_loss + ties * per_tie
