"""Random caps at several numbers of workers: is one overshot by more than a call, does every run say how it ended?

The caps are on calls, on money and on tokens. A local provider answers through the embedded model and keeps its own
count, which is the truth: a cap on calls is compared with the requests it saw, the others with what its answers were
worth. Overshoot is counted in calls, for money and tokens in units of the dearest call of the run.
Usage: python bench/caps.py [--caps 200] [--workers 1,8,64] [--optimizers gepa,bootstrap,mipro] [--jobs 2]
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from core.errors import BudgetError  # noqa: E402 - found by the line above
from core.workspace import Workspace  # noqa: E402
from optimizers import OPTIMIZERS  # noqa: E402
from tests.notes import notes  # noqa: E402
from tests.provider import Provider, serving  # noqa: E402
from tests.runs import optimized, task_of  # noqa: E402

PRICES = {"small": (1.0, 4.0), "large": (2.0, 8.0)}
"""Dollars per million tokens in and out, as the notes task has them."""
LARGEST = {"calls": 260, "cost": 0.12, "tokens": 70_000}
"""About what a whole run takes, so that some caps are never reached."""
BUDGET = 60


@dataclass
class Till(Provider):
    """A provider that notes what every answer was worth."""

    tokens: list[int] = field(default_factory=list)
    dollars: list[float] = field(default_factory=list)

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer; its price is noted."""
        done = super().completion(body)
        tokens_in, tokens_out = done["usage"]["prompt_tokens"], done["usage"]["completion_tokens"]
        price_in, price_out = PRICES["large" if body["model"].endswith("large") else "small"]
        with self.lock:
            self.tokens.append(tokens_in + tokens_out)
            self.dollars.append((tokens_in * price_in + tokens_out * price_out) / 1e6)
        return done


@dataclass(frozen=True)
class Trial:
    """One cap to be tried."""

    number: int
    kind: str
    cap: float
    workers: int
    optimizer: str


@dataclass(frozen=True)
class Outcome:
    """How it went: the ending, what the provider counted, and by how many calls that is over the cap."""

    trial: Trial
    ended: str
    spent: float
    over: float
    seconds: float


def trials(count: int, workers: list[int], optimizers: list[str], seed: int) -> list[Trial]:
    """So many random caps, the numbers of workers in turn."""
    generator, made = random.Random(seed), []
    for number in range(count):
        kind = generator.choice(sorted(LARGEST))
        cap: float = generator.uniform(0, LARGEST[kind])
        cap = max(1, round(cap)) if kind != "cost" else max(1e-6, cap)
        made.append(Trial(number, kind, cap, workers[number % len(workers)], generator.choice(optimizers)))
    return made


def play(trial: Trial) -> Outcome:
    """Run one optimisation under its cap."""
    started = time.perf_counter()
    sets = [f"run.max_{trial.kind}={trial.cap}", f"run.threads={trial.workers}", f"optimizer.budget={BUDGET}"]
    till = Till(latency=0.002)
    with tempfile.TemporaryDirectory() as name, serving(till):
        folder = Path(name)
        notes(folder, till.url)
        workspace = Workspace(folder)
        try:
            ended = optimized(workspace, task_of(workspace, "notes", *sets, name=trial.optimizer)).ended
        except BudgetError:
            ended = "refused"
        except BaseException as error:  # noqa: BLE001 - named in the result; any of them is a finding
            ended = f"{type(error).__name__}: {error}"
        spent = {"calls": len(till.seen), "cost": sum(till.dollars), "tokens": sum(till.tokens)}[trial.kind]
        unit = {"calls": 1, "cost": max(till.dollars, default=1), "tokens": max(till.tokens, default=1)}[trial.kind]
    return Outcome(trial, ended, spent, (spent - trial.cap) / unit, time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--caps", type=int, default=200)
    parser.add_argument("--workers", default="1,8,64")
    parser.add_argument("--optimizers", default=",".join(OPTIMIZERS.names))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    workers = [int(n) for n in arguments.workers.split(",")]
    planned = trials(arguments.caps, workers, arguments.optimizers.split(","), arguments.seed)
    started, done = time.perf_counter(), []
    with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool:
        for outcome in pool.imap_unordered(play, planned):
            done.append(outcome)
            if wrong(outcome):
                print(f"WRONG {outcome}", flush=True)
        pool.close()
        pool.join()
    print("workers  caps  finished  exhausted  refused  other  worst over, in calls")
    for number in workers:
        mine = [o for o in done if o.trial.workers == number]
        ends = Counter(o.ended for o in mine)
        named = [ends.pop(name, 0) for name in ("finished", "exhausted", "refused")]
        worst = {k: max((o.over for o in mine if o.trial.kind == k), default=0.0) for k in sorted(LARGEST)}
        shown = ", ".join(f"{kind} {max(0.0, over):.2f}" for kind, over in worst.items())
        print(f"{number:>7} {len(mine):>5} {named[0]:>9} {named[1]:>10} {named[2]:>8} {ends.total():>6}  {shown}")
    bad = [o for o in done if wrong(o)]
    print(f"\n{len(done)} caps in {time.perf_counter() - started:.0f} s: {len(bad)} overshot or without a named ending")
    raise SystemExit(1 if bad else 0)


def wrong(outcome: Outcome) -> bool:
    """Whether a cap was overshot by more than one call, or the run ended in a way that has no name."""
    return outcome.over > 1.0 or outcome.ended not in ("finished", "exhausted", "refused")


if __name__ == "__main__":
    main()
