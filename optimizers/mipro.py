"""MIPROv2: proposes instructions and demo sets, and searches their combinations with a Bayesian sampler.

Reference: Opsahl-Ong et al., "Optimizing Instructions and Demonstrations for Multi-Stage Language Model Programs",
2024.
"""

from __future__ import annotations

import math
from typing import ClassVar

import dspy

from metrics.metric import float_metric
from optimizers.base import EvaluateWatch, Schedule, Search, Shape


class Mipro:
    """Instructions and demos together, on full dev evaluations so that trials compare on the same rows."""

    name: ClassVar[str] = "mipro"
    summary: ClassVar[str] = "proposes instructions and demos, searches their combinations (dspy.MIPROv2)"

    def schedule(self, shape: Shape) -> Schedule:
        """Bootstrapping a demo set takes a few train rows; every trial is a full pass over dev."""
        trials, candidates = _trials(shape), _candidates(shape)
        bootstrap = candidates * min(shape.train, 2 * max(1, shape.max_demos))
        batches = min(10, math.ceil(shape.train / 10))
        student = ((1 + trials) * shape.dev + bootstrap) * shape.predictors
        return Schedule(1 + trials, {"student": student, "proposer": batches + 1 + 3 * candidates * shape.predictors})

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
