"""Bootstrap few-shot with random search: demos from the program's own successful traces.

Reference: Khattab et al., "DSPy: Compiling Declarative Language Model Calls into Self-Improving Pipelines", 2023.
"""

from __future__ import annotations

import random
from typing import ClassVar

import dspy

from metrics.metric import float_metric
from optimizers.base import EvaluateWatch, Schedule, Search, Shape


class Bootstrap:
    """Leaves instructions alone and searches for the demo set that scores best on dev."""

    name: ClassVar[str] = "bootstrap"
    summary: ClassVar[str] = "picks demos by random search (dspy.BootstrapFewShotWithRandomSearch)"

    def schedule(self, shape: Shape) -> Schedule:
        """Zero-shot, labelled and bootstrapped sets, each a full pass over dev, plus the traces for bootstrapping."""
        programs = _programs(shape)
        bootstrap = (programs + 1) * min(shape.train, 2 * max(1, shape.max_demos))
        student = ((programs + 3) * shape.dev + bootstrap) * shape.predictors
        return Schedule(trials=programs + 3, calls={"student": student})

    def run(self, search: Search) -> None:
        """Run ``dspy.BootstrapFewShotWithRandomSearch``; every demo set goes to the journal.

        The optimiser has no seed of its own: ours shuffles the train rows that it draws from.
        """
        watch = EvaluateWatch(search, lambda trial: f"demo set {trial}")
        train = list(search.train.examples)
        random.Random(search.seed).shuffle(train)
        with dspy.context(lm=search.student, adapter=search.adapter, callbacks=[watch]):
            optimizer = dspy.BootstrapFewShotWithRandomSearch(
                metric=float_metric(search.metric, search.train + search.dev),
                max_bootstrapped_demos=max(1, search.shape.max_demos),
                max_labeled_demos=2 * max(1, search.shape.max_demos),
                num_candidate_programs=_programs(search.shape),
                num_threads=search.threads,
                max_errors=1_000_000,
                metric_threshold=search.threshold,
            )
            optimizer.compile(search.program, trainset=train, valset=search.dev.examples)
        if watch.failure is not None:
            raise watch.failure


def _programs(shape: Shape) -> int:
    return min(16, max(2, shape.rollouts // shape.dev - 4))
