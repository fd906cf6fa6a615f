"""What sequential tests cost and promise, against the fixed design of the same question.

For each base rate and true effect: how often the test accepts, how often it has no decision, and the mean number of
pairs (or sessions) beside the fixed design's - computed exactly, and played ``--runs`` times as a check. The e-process
is played on graded differences.

    python -m bench.sequential                       # about a minute
    python -m bench.sequential --runs 2000 --rates 0.5
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stats import (
    Decision,
    EDesign,
    SprtDesign,
    default_n_max,
    fixed_arm_size,
    fixed_sample_size,
    operating_characteristics,
    simulate,
)

EFFECTS = {"null": 0.0, "half": 0.075, "design": 0.15, "strong": 0.30, "harmful": -0.15}


def sprt(rates: Sequence[float], runs: int, random: np.random.Generator) -> None:
    print(
        f"{'form':<12}{'p0':>5}{'truth':>9}{'accept':>9}{'played':>9}{'none':>7}{'mean n':>8}{'fixed':>8}{'saved':>8}"
    )
    for form in ("paired", "one-sample"):
        for p0 in rates:
            design = SprtDesign(p0=p0, form=form)
            design = replace(design, n_max=default_n_max(design))
            fixed = (fixed_arm_size if form == "paired" else fixed_sample_size)(p0, design.effect)
            for name, effect in EFFECTS.items():
                rate = min(0.99, p0 + effect)
                chances = (rate * (1 - p0), p0 * (1 - rate)) if form == "paired" else (rate, 1 - rate)
                exact = operating_characteristics(design, *chances)
                played = simulate(design, *chances, runs=runs, random=random)
                print(
                    f"{form:<12}{p0:>5.2f}{name:>9}{exact.accept:>9.4f}{played.accept:>9.4f}{exact.no_decision:>7.3f}"
                    f"{exact.mean_n:>8.1f}{fixed:>8.1f}{1 - exact.mean_n / fixed:>8.1%}",
                    flush=True,
                )


def eprocess(runs: int, random: np.random.Generator) -> None:
    print(f"\n{'e-process':<12}{'lift':>6}{'accept':>9}{'mean n':>8}")
    for lift in (0.0, 0.05, 0.1, 0.2):
        ends = []
        for _ in range(runs):
            state = EDesign(n_max=300).start
            while not state.decision.final:
                state = state.observe(float(np.clip(random.normal(lift, 0.3), -1, 1)))
            ends.append((state.decision is Decision.ACCEPT, state.n))
        accepted, sizes = np.array(ends).mean(axis=0)
        print(f"{'sd 0.3':<12}{lift:>6.2f}{accepted:>9.3f}{sizes:>8.1f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.3, 0.5, 0.6, 0.7])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--bets", type=int, default=400, help="played e-processes per lift")
    given = parser.parse_args(arguments)
    random = np.random.default_rng(0)
    sprt(given.rates, given.runs, random)
    eprocess(given.bets, random)


if __name__ == "__main__":
    main()
