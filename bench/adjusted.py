"""How large is a promoted lift really? Raw and adjusted headline against the truth, given PROMOTE.

Draws pairs of prompts with a true lift from :mod:`bench.worlds`, lets the project's own rule decide, and looks only
at what it promotes: mean error of the raw and the adjusted lift in points (hundredths of a score), and how often each
interval covers the truth, averaged over correlations of .3, .5 and .7 between the arms. Usage:

    python -m bench.adjusted [--promotions 150] [--rows 60 100 200] [--alpha 0.05]
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.worlds import WORLDS, World
from stats import adjusted_lift

RATE = 0.5
LIFTS = (0.02, 0.05, 0.10, 0.20)
CORRELATIONS = (0.3, 0.5, 0.7)
AT_ONCE = 200
MOST_DRAWN = 40_000


@dataclass(frozen=True)
class Headline:
    """Errors given PROMOTE in one cell: arrays of one number per promotion; ``rate`` is the share promoted."""

    rate: float
    raw: np.ndarray
    adjusted: np.ndarray
    raw_covers: np.ndarray
    covers: np.ndarray


def promotions(
    world: World, rows: int, lift: float, rho: float, *, wanted: int, alpha: float = 0.05, margin: float = 0.0
) -> Headline:
    """Draw pairs until ``wanted`` of them are promoted, or enough were tried."""
    random = np.random.default_rng(zlib.crc32(repr((world.name, rows, lift, rho)).encode()))
    truth = world.true_lift(RATE, lift)
    found: list[tuple[float, float, bool, bool]] = []
    tried = 0
    while len(found) < wanted and tried < MOST_DRAWN:
        for decision in world.decisions(random, (AT_ONCE, rows), (RATE, lift, rho), alpha=alpha, margin=margin):
            tried += 1
            adjusted = adjusted_lift(decision)
            if adjusted is not None:
                middle = adjusted.low if adjusted.estimate is None else adjusted.estimate
                inside = decision.low <= truth <= decision.high
                found.append((decision.mean - truth, middle - truth, inside, adjusted.low <= truth <= adjusted.high))
    columns = np.array(found or [(np.nan,) * 4], dtype=float).T
    return Headline(len(found) / tried, *columns)


def over_correlations(world: World, rows: int, lift: float, *, wanted: int, alpha: float = 0.05) -> Headline:
    """The promotions of all correlations, equally many of each."""
    parts = [promotions(world, rows, lift, rho, wanted=wanted, alpha=alpha) for rho in CORRELATIONS]
    return Headline(
        float(np.mean([part.rate for part in parts])),
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("raw", "adjusted", "raw_covers", "covers")
        ),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--promotions", type=int, default=150, help="per correlation")
    parser.add_argument("--rows", type=int, nargs="+", default=[60, 100, 200])
    parser.add_argument("--alpha", type=float, default=0.05)
    given = parser.parse_args(arguments)
    print(
        f"{'scores':<15}{'rows':>5}{'lift':>6}{'promoted':>10}{'raw':>8}{'adjusted':>10}{'raw covers':>12}{'covers':>8}"
    )
    for world in WORLDS.values():
        for rows in given.rows:
            for lift in LIFTS:
                cell = over_correlations(world, rows, lift, wanted=given.promotions, alpha=given.alpha)
                print(
                    f"{world.name:<15}{rows:>5}{lift:>+6.2f}{cell.rate:>10.1%}{100 * cell.raw.mean():>+8.1f}"
                    f"{100 * cell.adjusted.mean():>+10.1f}{cell.raw_covers.mean():>12.1%}{cell.covers.mean():>8.1%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
