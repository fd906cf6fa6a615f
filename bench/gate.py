"""Does the production gate keep its two promises? Equal prompts pass rarely, better ones as often as the forecast says.

Draws pairs of prompts on 200 rows: with equal true quality, and with a true lift of ten points. Everything but the
scores is in order (price, red team, neutralisation ...), so that the verdict hangs on them; the search scores of the
overfit check are drawn by the same law. Usage: python -m bench.gate [--pairs 200] [--rows 200]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from core.candidate import ProgramPrompts, Prompt
from core.evaluation import Evaluation, RowResult, RowStatus, Usage
from core.verdict import Decision
from gates.catalog import PRODUCTION
from gates.gate import GateInput, Reply
from stats import paired_power

LIFT = 0.10
DEV = 60
MOVED = 0.4
CHAMPION = ProgramPrompts((Prompt("p", "Champion."),))
CHALLENGER = ProgramPrompts((Prompt("p", "Challenger."),))
Law = Callable[[np.random.Generator, int, float], tuple[np.ndarray, np.ndarray]]


def graded(random: np.random.Generator, n: int, lift: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores anywhere in [0, 1]: rows differ in difficulty, and both prompts scatter widely around it."""
    hard = random.uniform(0.35, 0.55, n)
    return random.beta(hard, 1 - hard), random.beta(hard + lift, 1 - hard - lift)


def tied(random: np.random.Generator, n: int, lift: float) -> tuple[np.ndarray, np.ndarray]:
    """Three rows of five get the same score from both prompts; the others move by a half to all of the scale."""
    same, size = random.random(n), random.uniform(0.5, 1.0, n)
    up = random.random(n) < 0.5 + lift / (2 * MOVED * 0.75)
    moved = random.random(n) < MOVED
    before = np.where(moved, np.where(up, 0.0, 1.0), same)
    return before, before + np.where(moved, np.where(up, size, -size), 0.0)


def binary(random: np.random.Generator, n: int, lift: float) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong; half of the rows are easy or hopeless for both prompts."""
    sure = random.random(n) < 0.5
    common = (random.random(n) < 0.5).astype(float)
    before = (random.random(n) < 0.4).astype(float)
    after = (random.random(n) < 0.4 + 2 * lift).astype(float)
    return np.where(sure, common, before), np.where(sure, common, after)


LAWS: Mapping[str, Law] = {"graded": graded, "tied": tied, "binary": binary}


def evaluation(scores: np.ndarray, prompts: ProgramPrompts) -> Evaluation:
    """Rows with these scores, each at the same price."""
    worth = Usage(calls=1, cost_usd=0.001)
    rows = [RowResult(f"r{i}", RowStatus.OK, float(s), usage=worth, worth=worth) for i, s in enumerate(scores)]
    return Evaluation("holdout", prompts.hash, tuple(rows))


def withstands(prompts: ProgramPrompts, inputs: Mapping[str, object], repeat: int = 0) -> Reply:
    """A program that does not take orders from its input."""
    return Reply("no")


def verdict(law: Law, rows: int, lift: float, seed: int) -> Decision:
    """What the production gate says about one pair."""
    random = np.random.default_rng(seed)
    before, after = law(random, rows, lift)
    dev_before, dev_after = law(random, DEV, lift)
    champion = evaluation(before, CHAMPION)
    gate_input = GateInput(
        champion=champion,
        challenger=evaluation(after, CHALLENGER),
        champion_prompts=CHAMPION,
        challenger_prompts=CHALLENGER,
        search=(float(dev_before.mean()), float(dev_after.mean())),
        by_gold=True,
        ask=withstands,
        rescore=lambda prompts: champion,
    )
    return PRODUCTION.decide(gate_input).decision


def forecast(law: Law, rows: int, lift: float) -> float:
    """The chance of a promotion that the power formula states for this law."""
    before, after = law(np.random.default_rng(99), 200_000, lift)
    deltas = after - before
    return paired_power(rows, float(deltas.std(ddof=1)), float(deltas.mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=200)
    arguments = parser.parse_args()
    print(f"{arguments.pairs} pairs on {arguments.rows} rows, gate production")
    print(f"{'scores':<8} {'equal: promoted':>16} {'+10 points: promoted':>21} {'forecast':>9}  seconds")
    for name, law in LAWS.items():
        started = time.perf_counter()
        shares = []
        for offset, lift in ((0, 0.0), (10_000, LIFT)):
            counts = Counter(verdict(law, arguments.rows, lift, offset + seed) for seed in range(arguments.pairs))
            shares.append(counts[Decision.PROMOTE] / arguments.pairs)
        expected = forecast(law, arguments.rows, LIFT)
        seconds = time.perf_counter() - started
        print(f"{name:<8} {shares[0]:>16.1%} {shares[1]:>21.1%} {expected:>9.1%}  {seconds:.0f}")


if __name__ == "__main__":
    main()
