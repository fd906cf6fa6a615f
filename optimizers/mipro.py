"""MIPROv2: proposes instructions and demo sets, and searches their combinations with a Bayesian sampler.

Reference: Opsahl-Ong et al., "Optimizing Instructions and Demonstrations for Multi-Stage Language Model Programs",
2024.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import ClassVar

import dspy
from dspy.propose.dataset_summary_generator import create_dataset_summary

from calls.account import Meter
from metrics.metric import float_metric
from optimizers.base import (
    Draw,
    EvaluateWatch,
    Probe,
    Reflection,
    RowCost,
    Search,
    SearchSize,
    Sizes,
    Spent,
    bootstrapping,
    labelled,
    runs,
)

REPEATED = 0.3
"""Share of trials in which the sampler returns to a combination it knows; for the forecast only."""

INSTRUCTION = (250.0, 0.7)
"""Median and log-spread of a proposed instruction's tokens where nothing was tried; for the forecast only."""
GROWTH = (0.92, 0.5)
"""The same in units of what the proposer wrote about its first rows."""
BATCH = 10
"""Train rows that DSPy's proposer is shown at a time."""


class Mipro:
    """Instructions and demos together, on full dev evaluations so that trials compare on the same rows."""

    name: ClassVar[str] = "mipro"
    summary: ClassVar[str] = "proposes instructions and demos, searches their combinations (dspy.MIPROv2)"

    def draw(self, shape: SearchSize, sizes: Sizes, rng: random.Random) -> Draw:
        """Collecting demos runs train rows; a trial is a pass over dev; a combination tried before is free."""
        trials, candidates = _trials(shape), _candidates(shape)
        shown = sizes.with_demos(shape.max_demos)
        demos_in = max(0.0, shown.tokens_in - sizes.seed.tokens_in)
        student = bootstrapping(shape, shown, rng, sets=max(0, candidates - 2))
        known = sizes.reflection
        median, spread = (known.out * GROWTH[0], GROWTH[1]) if known else INSTRUCTION
        instruction = median * rng.lognormvariate(0.0, spread)
        out = max(shown.tokens_out, sizes.tuned_out) * rng.lognormvariate(0.1, 0.2)
        tried: set[tuple[int, int]] = {(0, 0)}
        winner = None
        for _ in range(trials):
            again = len(tried) > 1 and rng.random() < REPEATED
            choice = rng.choice(sorted(tried)) if again else (rng.randrange(candidates), rng.randrange(candidates))
            if choice in tried:
                continue
            tried.add(choice)
            length = (instruction if choice[0] else 0.0) + (demos_in if choice[1] else 0.0)
            winner = RowCost(sizes.seed.tokens_in + length, out, shown.success)
            student += runs(shape.dev, winner.tokens_in, winner.tokens_out)
        return Draw(1 + trials, student, {"proposer": _proposing(shape, sizes, instruction)}, winner)

    def probe(self, probe: Probe, sizes: Sizes) -> Sizes:
        """Run the pilot's rows with labelled demos, and let the proposer sum up its first ten train rows.

        Both are steps of the search itself: the demo set may be evaluated, the first summing-up is its first call.
        """
        search = probe.search
        sizes = replace(sizes, shown=probe.run(labelled(search, search.shape.max_demos)))
        with Meter.row() as tally:
            create_dataset_summary(search.train.examples[:BATCH], BATCH, search.proposer)
        out = tally.worth.output_tokens / 2  # also when it was paid before
        seen = (tally.worth.input_tokens - out) / 2
        return replace(sizes, reflection=Reflection(0.0, seen / BATCH, out, out)) if out > 0 else sizes

    def run(self, search: Search) -> None:
        """Run ``dspy.MIPROv2``; every trial goes to the journal.

        The proposer is shown train rows (inputs and gold, no other field) and the program's source.
        """
        watch = EvaluateWatch(search, lambda trial: f"trial {trial}")
        optimizer = dspy.MIPROv2(
            metric=float_metric(search.metric, search.train + search.dev, search.unscored),
            prompt_model=search.proposer,
            task_model=search.student,
            teacher_settings={"lm": search.student},
            max_bootstrapped_demos=search.shape.max_demos,
            max_labeled_demos=search.shape.max_demos,
            auto=None,
            num_candidates=_candidates(search.shape),
            num_threads=search.threads,
            max_errors=1_000_000,
            seed=search.seed + 1,  # a seed of zero is silently replaced by DSPy's default
            metric_threshold=search.threshold,
        )
        with dspy.context(lm=search.student, adapter=search.adapter, callbacks=[watch]):
            optimizer.compile(
                search.program,
                trainset=search.train.examples,
                valset=search.dev.examples,
                num_trials=_trials(search.shape),
                minibatch=False,
            )
        if watch.failure is not None:
            raise watch.failure


def _trials(shape: SearchSize) -> int:
    return max(4, shape.rollouts // shape.dev - 1)


def _candidates(shape: SearchSize) -> int:
    return min(12, max(3, _trials(shape) // 2))


def _proposing(shape: SearchSize, sizes: Sizes, instruction: float) -> Spent:
    """The proposer reads train rows ten at a time beside what it has noted, sums up, and writes each in three steps."""
    batches = min(10, math.ceil(shape.train / BATCH))
    known = sizes.reflection
    seen = known.row_in * BATCH if known else BATCH * (sizes.demo + sizes.gold_out)
    note = known.out if known else instruction
    written = _candidates(shape) * shape.predictors
    return (
        runs(batches + 1, seen + note * batches / 2, note)
        + runs(2 * written, 700 + instruction, 80)
        + runs(written, 900 + 2 * instruction + shape.max_demos * sizes.demo, instruction)
    )
