"""Which optimiser finds what, at an equal budget of program runs? Every one on every data set, proven on the holdout.

Usage: python -m bench.optimizers [GOLD.jsonl ...] [--seeds 3] [--budget 600] [--rows 300] [--optimizers NAME,NAME]
Without a file the project's own task `extraction` is taken. Lifts are those on the holdout where it was opened, with
their 95 % interval; a search in which nothing beat the seed on dev has none. At the end, the mean lift over the seeds
with Student's 95 % interval, a closed holdout counting as no lift.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.placebo import HOME, command
from optimizers import OPTIMIZERS
from stats import t_interval


def sample(source: Path, target: Path, rows: int) -> None:
    """Write at most so many rows, drawn by chance; which ones depends on their number alone."""
    lines = [line for line in source.read_text("utf-8").splitlines() if line.strip()]
    random.Random(0).shuffle(lines)
    target.write_text("\n".join(lines[:rows]) + "\n", "utf-8")


def prepared(gold: Path | None, folder: Path, rows: int) -> str:
    """A workspace with one task; its name."""
    if gold is None:
        for part in ("configs", "corpora"):
            shutil.copytree(HOME / part, folder / part)
        return "extraction"
    (folder / "configs").mkdir()
    sample(gold, folder / "gold.jsonl", rows)
    command("init", "own", "--from-gold", str(folder / "gold.jsonl"), "--workspace", str(folder))
    return "own"


def row(name: str, optimizer: str, body: dict) -> str:
    """One search, in a line."""
    if body["delta"] is None:
        lift = "holdout not opened"
    else:
        lift = f"{body['baseline']:.3f} -> {body['candidate']:.3f}  {body['delta']:+.3f} "
        lift += f"({body['ci_low']:+.3f} to {body['ci_high']:+.3f})"
    dev = f"dev {body['dev_baseline']:.3f} -> {body['dev_candidate']:.3f}"
    return f"{name:<18} {optimizer:<11} {body['verdict']:<13} {dev}  {lift}  {body['calls'] + body['hits']} calls"


def summary(lifts: Mapping[tuple[str, str], Sequence[float]]) -> Iterator[str]:
    """A line for each data set and optimiser."""
    for (data, optimizer), values in lifts.items():
        mean = sum(values) / len(values)
        ends = t_interval(values) if len(values) > 1 else None
        interval = f"({ends.low:+.3f} to {ends.high:+.3f})" if ends else ""
        yield f"{data:<18} {optimizer:<11} {len(values)} seeds  {mean:+.3f} {interval}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gold", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", default="600")
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--optimizers", default=",".join(OPTIMIZERS.names))
    given = parser.parse_args()
    lifts: dict[tuple[str, str], list[float]] = {}
    for gold in given.gold or [None]:
        for seed in range(given.seeds):
            for optimizer in given.optimizers.split(","):
                # A workspace each: answers of the one before would make calls look free, and openings would add up.
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                    task = prepared(gold, Path(folder), given.rows)
                    body = command(
                        "optimize", task, "--optimizer", optimizer, "--budget", given.budget, "--seed", str(seed),
                        "--workspace", folder,
                    )  # fmt: skip
                name = f"{gold.stem if gold else task} seed {seed}"
                sys.stdout.write(row(name, optimizer, body) + "\n")
                sys.stdout.flush()
                lifts.setdefault((gold.stem if gold else task, optimizer), []).append(body["delta"] or 0.0)
    for line in summary(lifts):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
