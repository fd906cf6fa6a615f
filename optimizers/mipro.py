"""MIPROv2: proposes instructions and demo sets, and searches their combinations with a Bayesian sampler.

Reference: Opsahl-Ong et al., "Optimizing Instructions and Demonstrations for Multi-Stage Language Model Programs",
2024.
"""

from __future__ import annotations

import math
import random
from typing import ClassVar

import dspy

from metrics.metric import float_metric
from optimizers.base import Draw, EvaluateWatch, Search, Shape, Sizes, bootstrap_rows

REPEATED = 0.3
"""Share of trials in which the sampler returns to a combination it knows; for the forecast only."""


class Mipro:
    """Instructions and demos together, on full dev evaluations so that trials compare on the same rows."""

    name: ClassVar[str] = "mipro"
    summary: ClassVar[str] = "proposes instructions and demos, searches their combinations (dspy.MIPROv2)"

    def draw(self, shape: Shape, sizes: Sizes, rng: random.Random) -> Draw:
        """Bootstrapping runs the seed on train rows, each paid once; a trial is a pass over dev.

        A combination that was tried before is free.
        """
        trials, candidates = _trials(shape), _candidates(shape)
        seen, demos = bootstrap_rows(shape, sizes, rng, sets=max(0, candidates - 2))
        instruction = rng.lognormvariate(math.log(150), 0.6)
        tried: set[tuple[int, int]] = set()
        rows, growth, best = len(seen), 0.0, None
        for _ in range(trials):
            again = tried and rng.random() < REPEATED
            choice = rng.choice(sorted(tried)) if again else (rng.randrange(candidates), rng.randrange(candidates))
            if choice in tried or choice == (0, 0):
                continue
            tried.add(choice)
            length = (instruction if choice[0] else 0.0) + (
                demos * (sizes.row_in_only + sizes.row_out) if choice[1] else 0.0
            )
            rows, growth, best = rows + shape.dev, growth + shape.dev * length, length
        batches = min(10, math.ceil(shape.train / 10))
        calls = {"proposer": batches + 1 + 3 * candidates * shape.predictors}
        return Draw(1 + trials, rows, growth, calls, best)

    def run(self, search: Search) -> None:
        """Run ``dspy.MIPROv2``; every trial goes to the journal.

        The proposer is shown train rows (inputs and gold, no other field) and the program's source.
        """
        watch = EvaluateWatch(search, lambda trial: f"trial {trial}")
        optimizer = dspy.MIPROv2(
            metric=float_metric(search.metric, search.train + search.dev),
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


def _trials(shape: Shape) -> int:
    return max(4, shape.rollouts // shape.dev - 1)


def _candidates(shape: Shape) -> int:
    return min(12, max(3, _trials(shape) // 2))
