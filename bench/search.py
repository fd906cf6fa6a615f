"""How many calls does a search need, how good is its pick, does its claim hold? In worlds whose truth is known.

Usage: python -m bench.search [--worlds rule,rule-real,smooth] [--noise 0,.1,.2] [--seeds 40] [--first 0]
       [--policies gepa-3,gepa-8] [--budget 3000] [--out FILE.jsonl] [--table] [--jobs 1]
Searches that FILE already has are not repeated; without --out nothing is kept. --table tells of all that FILE has,
with --seeds 0 of that alone. Intervals are Student's over the seeds, for shares Wilson's; 95 %.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: a process each is what makes it parallel

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from bench.search_peers import PEERS, Policy, SearchRecord
from bench.search_race import RACES
from bench.search_worlds import MAKERS, NULLS, world
from stats import t_interval, wilson

POLICIES: Mapping[str, Policy] = {**PEERS, **RACES}
"""Every search that can be asked for; a name of the search is the name in its records."""


@dataclass(frozen=True, order=True)
class Cell:
    """What is to be searched, and by whom."""

    world: str
    noise: float
    policy: str
    budget: int
    seed: int


def run(cell: Cell) -> SearchRecord:
    """One search; its seed is the world's seed too."""
    begun = time.process_time()
    found = POLICIES[cell.policy](world(cell.world, cell.seed, cell.noise), cell.seed, cell.budget)
    return replace(found, policy=cell.policy, budget=cell.budget, cpu=round(time.process_time() - begun, 3))


def cell_of(record: SearchRecord) -> Cell:
    """Which cell a record fills."""
    return Cell(record.world, record.noise, record.policy, record.budget, record.seed)


def read(path: Path) -> list[SearchRecord]:
    """The searches in a file, in its order."""
    return [_record(body) for body in stored(path)]


def stored(path: Path) -> list[dict]:
    """The objects in a file of JSON lines; a last line that a kill has cut is cut off the file."""
    if not path.exists():
        return []
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        path.write_bytes(whole + b"\n" if whole else b"")
    return [json.loads(line) for line in whole.decode().splitlines() if line]


def _record(body: dict) -> SearchRecord:
    return SearchRecord(**{**body, "curve": tuple((calls, truth) for calls, truth in body["curve"])})


def searched(cells: Iterable[Cell], jobs: int) -> Iterator[SearchRecord]:
    """Run them in so many processes; in whatever order they end."""
    if jobs == 1:
        yield from map(run, cells)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(run, cells)


# --- the table


@cache
def target(name: str, seed: int, noise: float) -> float:
    """What counts as reached in that world."""
    return world(name, seed, noise).target


def mean_with_interval(values: Sequence[float], scale: float = 1.0, digits: int = 3, sign: str = "") -> str:
    """A mean of ``scale`` times the values, and its interval where there are two."""
    values = [scale * value for value in values]
    if not values:
        return "-"
    text = f"{statistics.mean(values):{sign}.{digits}f}"
    if len(values) < 2:
        return text
    ends = t_interval(values)
    return f"{text} ({ends.low:{sign}.{digits}f} to {ends.high:{sign}.{digits}f})"


def _share(hits: int, n: int) -> str:
    ends = wilson(hits, n)
    return f"{hits} of {n} ({100 * ends.low:.0f}-{100 * ends.high:.0f} %)"


def row(records: Sequence[SearchRecord]) -> str:
    """A line of the table about the seeds of one cell."""
    first, n = records[0], len(records)
    targets = [target(r.world, r.seed, r.noise) for r in records]
    reached = [r.reached(t) for r, t in zip(records, targets, strict=True)]
    calls = [math.inf if r is None else r for r in reached]
    median = statistics.median_low(calls)
    cells = [
        f"{first.world} {first.noise:g}",
        first.policy,
        "-" if first.world in NULLS else f"{'never' if median == math.inf else median} ({n - reached.count(None)})",
        mean_with_interval([r.final for r in records]),
        "-" if first.world in NULLS else _share(sum(r.final >= t for r, t in zip(records, targets, strict=True)), n),
        mean_with_interval([r.claim - r.real for r in records if r.claim is not None], 100, 1, "+"),
        _share(sum(r.adopted for r in records), n),
        f"{statistics.mean(r.proposals for r in records):.0f}",
        f"{statistics.mean(r.cpu for r in records):.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def table(records: Iterable[SearchRecord]) -> Iterator[str]:
    """Markdown: a line for each world, noise, policy and budget.

    Calls to target are the median over all seeds, those that never reach it counting as infinite, and how many did.
    """
    groups: dict[tuple[int, str, float, str], list[SearchRecord]] = {}
    for record in records:
        groups.setdefault((record.budget, record.world, record.noise, record.policy), []).append(record)
    budgets = sorted({key[0] for key in groups})
    worlds, policies = list(MAKERS), list(POLICIES)
    for budget in budgets:
        yield f"{budget} calls:\n"
        yield (
            "| world, noise | policy | calls to target (reached) | final quality | at target at the end "
            "| claim - real, points | adopted | proposals | cpu s |"
        )
        yield "|" + "---|" * 9
        keys = [key for key in groups if key[0] == budget]
        for key in sorted(keys, key=lambda k: (worlds.index(k[1]), k[2], policies.index(k[3]))):
            yield row(groups[key])
        yield ""


# --- the command


def names(text: str, allowed: Iterable[str]) -> list[str]:
    """Split a list of names.

    Raises:
        argparse.ArgumentTypeError: If one is unknown.
    """
    allowed = list(allowed)
    found = [name for name in text.split(",") if name]
    if unknown := [name for name in found if name not in allowed]:
        raise argparse.ArgumentTypeError(f"received {', '.join(unknown)}; there are {', '.join(allowed)}")
    return found


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=lambda text: names(text, MAKERS), default=["rule", "rule-real", "smooth"])
    parser.add_argument("--noise", type=lambda text: [float(part) for part in text.split(",")], default=[0.0, 0.1, 0.2])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--policies", type=lambda text: names(text, POLICIES), default=list(POLICIES))
    parser.add_argument("--budget", type=int, default=3000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    given = parsed(arguments)
    records = read(given.out) if given.out else []
    seeds = range(given.first, given.first + given.seeds)
    # Seeds outermost: what has been run so far is a comparison of everything on fewer seeds.
    wanted = [
        Cell(name, noise, policy, given.budget, seed)
        for seed in seeds
        for name in given.worlds
        for noise in given.noise
        for policy in given.policies
    ]
    known = {cell_of(record) for record in records}
    for record in searched([cell for cell in wanted if cell not in known], given.jobs):
        records.append(record)
        if given.out:
            with given.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(record)) + "\n")
    if given.table or not given.out:
        sys.stdout.write("\n".join(table(records)) + "\n")


if __name__ == "__main__":
    main()
