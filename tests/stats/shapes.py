"""Shapes of paired deltas whose true mean is exactly zero: what a rule that never promotes noise must hold on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Deltas = NDArray[np.float64]
Shape = Callable[[np.random.Generator, int, int], Deltas]


def binary(rate: float, agreement: float = 0.0) -> Shape:
    """Two arms that succeed equally often; a share ``agreement`` of the rows always come out the same."""

    def draw(random: np.random.Generator, repeats: int, n: int) -> Deltas:
        size = (repeats, n)
        deltas = (random.random(size) < rate) * 1.0 - (random.random(size) < rate)
        return np.where(random.random(size) < agreement, 0.0, deltas)

    return draw


def graded(steps: int, rate: float) -> Shape:
    """Scores k/steps of two equal prompts on rows of different difficulty."""

    def draw(random: np.random.Generator, repeats: int, n: int) -> Deltas:
        difficulty = random.beta(2 * rate, 2 * (1 - rate), (repeats, n))
        return (random.binomial(steps, difficulty) - random.binomial(steps, difficulty)) / steps

    return draw


def tied(share: float) -> Shape:
    """Mostly no change; otherwise up or down by any fifth."""

    def draw(random: np.random.Generator, repeats: int, n: int) -> Deltas:
        size = (repeats, n)
        moves = random.integers(1, 6, size) / 5 * random.choice([-1, 1], size)
        return np.where(random.random(size) < share, 0.0, moves)

    return draw


def exponential(scale: float, sign: int, tied_share: float = 0.0) -> Shape:
    """A long tail of gains (sign 1) or losses (sign -1), possibly with a point mass at no change."""

    def draw(random: np.random.Generator, repeats: int, n: int) -> Deltas:
        tail = sign * (random.exponential(scale, (repeats, n)) - scale)
        return np.where(random.random((repeats, n)) < tied_share, 0.0, tail)

    return draw


def small_gains_rare_losses(random: np.random.Generator, repeats: int, n: int) -> Deltas:
    """60 % unchanged, 35 % gain up to .2, 5 % lose .7: a prompt that sometimes breaks the format."""
    dice = random.random((repeats, n))
    return np.where(dice < 0.6, 0.0, np.where(dice < 0.95, random.uniform(0, 0.2, (repeats, n)), -0.7))


def disasters(random: np.random.Generator, repeats: int, n: int) -> Deltas:
    """98 % gain a hair, 2 % lose nearly everything: the hardest case there is, invisible in most small samples."""
    gains = random.uniform(0, 0.04, (repeats, n))
    return np.where(random.random((repeats, n)) < 0.98, gains, -0.98)


SHAPES: dict[str, Shape] = {
    "binary at .3": binary(0.3),
    "binary at .6, half agreeing": binary(0.6, 0.5),
    "binary at .9": binary(0.9),
    "graded fifths": graded(5, 0.5),
    "graded fifths near the ceiling": graded(5, 0.85),
    "80 % tied": tied(0.8),
    "right-skewed": exponential(0.15, 1),
    "left-skewed": exponential(0.15, -1),
    "tied and right-skewed": exponential(0.2, 1, 0.6),
    "tied and left-skewed": exponential(0.2, -1, 0.6),
    "small gains, rare losses": small_gains_rare_losses,
}
