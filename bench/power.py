"""Does the forecast of verdicts come true? Predicted against realised rates of PROMOTE, by the project's own rule.

For each kind of scores and number of holdout rows: what :func:`stats.forecast_verdicts` predicts from the baseline's
scores on a few dev rows (averaged over draws of these rows), and how often the rule really promotes pairs of prompts
with that true lift, averaged over correlations of .3, .5 and .7 between the prompts and over base rates. In percent;
in brackets what is realised at correlations .3 and .7, and beside it the mean range that was predicted. Usage:

    python -m bench.power [--rows 30 60 100 200 400] [--pairs 600] [--dev 17]
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.worlds import WORLDS, World
from stats import VerdictRates, forecast_verdicts

CORRELATIONS = (0.3, 0.5, 0.7)
LIFTS = (0.05, 0.10, 0.20)
RATES: Mapping[str, tuple[float, ...]] = {"binary": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)}


@dataclass(frozen=True)
class Row:
    """Shares promoted: as predicted with the range, and as realised per correlation."""

    predicted: float
    lowest: float
    highest: float
    realised: tuple[float, ...]

    @property
    def error(self) -> float:
        """Predicted minus realised, averaged over correlations."""
        return self.predicted - float(np.mean(self.realised))


def compare(world: World, rows: int, *, pairs: int = 600, dev: int = 17, draws: int = 8) -> dict[float, Row]:
    """Predicted and realised rates of PROMOTE per lift."""
    rates = RATES.get(world.name, (0.5, 0.7))
    random = np.random.default_rng(zlib.crc32(f"{world.name} {rows}".encode()))
    said: dict[float, list[VerdictRates]] = {lift: [] for lift in LIFTS}
    for rate in rates:
        for _ in range(draws):
            baseline = world.draw(random, (1, dev), rate, 0.05, 0.5)[0][0]
            for one in forecast_verdicts(rows, baseline, binary=world.binary).rates:
                said[one.lift].append(one)
    found: dict[float, Row] = {}
    for lift in LIFTS:
        realised = tuple(
            float(np.mean([_promoted(world, random, (pairs, rows), (rate, lift, rho)) for rate in rates]))
            for rho in CORRELATIONS
        )
        parts = np.array([(one.promote, one.lowest, one.highest) for one in said[lift]])
        found[lift] = Row(*(float(value) for value in parts.mean(axis=0)), realised)
    return found


def _promoted(world: World, random: np.random.Generator, size: tuple[int, int], truth: tuple[float, ...]) -> float:
    rate, lift, rho = truth
    return float(np.mean([decision.promote for decision in world.decisions(random, size, (rate, lift, rho))]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[30, 60, 100, 200, 400])
    parser.add_argument("--pairs", type=int, default=600, help="per lift, correlation and base rate; graded: a fifth")
    parser.add_argument("--dev", type=int, default=17)
    given = parser.parse_args(arguments)
    print(f"{'scores':<15}{'rows':>5}{'lift':>6}{'predicted':>17}{'realised':>18}{'error':>7}")
    worst = 0.0
    for rows in given.rows:
        found = {
            world.name: compare(world, rows, pairs=given.pairs if world.binary else given.pairs // 5, dev=given.dev)
            for world in WORLDS.values()
        }
        graded = [table for name, table in found.items() if not WORLDS[name].binary]
        found["graded, all"] = {lift: _average([table[lift] for table in graded]) for lift in LIFTS}
        for name, table in found.items():
            for lift, row in table.items():
                print(f"{name:<15}{rows:>5}{lift:>+6.2f}{_cells(row)}", flush=True)
        worst = max(worst, *(abs(row.error) for name in ("binary", "graded, all") for row in found[name].values()))
    print(f"worst, binary and the average of graded scores: {100 * worst:.1f} points")


def _average(rows: Sequence[Row]) -> Row:
    columns = np.array([(row.predicted, row.lowest, row.highest, *row.realised) for row in rows]).mean(axis=0).tolist()
    return Row(*columns[:3], tuple(columns[3:]))


def _cells(row: Row) -> str:
    predicted = f"{row.predicted:.0%} ({row.lowest:.0%}-{row.highest:.0%})"
    realised = f"{np.mean(row.realised):.0%} ({row.realised[0]:.0%}-{row.realised[-1]:.0%})"
    return f"{predicted:>17}{realised:>18}{100 * row.error:>+7.1f}"


if __name__ == "__main__":
    main()
