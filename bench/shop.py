"""What guidelines do to the shop's agent, with the embedded model: success over the sixty errands, and the difference.

Prints one row per guideline, with a 95 % interval of the paired difference over errands (mean of the trials each), and
the same for paraphrases. Usage: python -m bench.shop [--trials 10] [--size small] [GUIDELINE ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import dspy
import numpy as np

from data.corpus import Row, read_corpus
from offline import OfflineEngine
from programs.prompts import make_adapter
from programs.shop import ShopAgent, ShopSuccess
from stats import t_interval

HOME = Path(__file__).resolve().parent.parent
GUIDELINES = (
    "Check limits first",
    "Don't apply a promo code unless you have verified it.",
    "Check permissions before you change an order.",
    "Be friendly",
    "Stay calm when a customer is angry.",
    "Skip the stock check",
    "Put products into the basket without checking availability.",
    "Never look anything up",
    "Never refuse a customer.",
)


def success(guideline: str | None, rows: tuple[Row, ...], trials: int, size: str) -> np.ndarray:
    """Scores by trial and row."""
    agent, metric = ShopAgent(), ShopSuccess()
    if guideline:
        told = f"{agent.step.signature.instructions}\n\nGuidelines:\n1. {guideline}"
        agent.step.signature = agent.step.signature.with_instructions(told)
    scores = np.zeros((trials, len(rows)))
    for trial in range(trials):
        lm = dspy.LM(f"offline/{size}", engine=OfflineEngine(size), cache=False, seed=trial)
        with dspy.context(lm=lm, adapter=make_adapter("chat")):
            scores[trial] = [metric.judge(row, dict(agent(**row.inputs))).score for row in rows]
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("guidelines", nargs="*", default=GUIDELINES)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--size", default="small")
    arguments = parser.parse_args()
    rows = read_corpus(HOME / "corpora" / "shop.jsonl").rows
    base = success(None, rows, arguments.trials, arguments.size)
    low, high = base.mean(axis=1).min(), base.mean(axis=1).max()
    print(f"{'no guideline':<62} {base.mean():.3f}  single trials {low:.3f} to {high:.3f}", flush=True)
    for guideline in arguments.guidelines:
        found = success(guideline, rows, arguments.trials, arguments.size)
        delta = t_interval((found - base).mean(axis=0))
        told = f"{found.mean() - base.mean():+.3f} ({delta.low:+.3f} to {delta.high:+.3f})"
        print(f"{guideline:<62} {found.mean():.3f}  {told}", flush=True)


if __name__ == "__main__":
    main()
