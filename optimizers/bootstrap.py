"""Bootstrap few-shot with random search: demos from the program's own successful traces.

Reference: Khattab et al., "DSPy: Compiling Declarative Language Model Calls into Self-Improving Pipelines", 2023.
"""

from __future__ import annotations

import random
from typing import ClassVar

import dspy

from metrics.metric import float_metric
from optimizers.base import Draw, EvaluateWatch, Search, Shape, Sizes, bootstrap_rows


class Bootstrap:
    """Leaves instructions alone and searches for the demo set that scores best on dev."""

    name: ClassVar[str] = "bootstrap"
    summary: ClassVar[str] = "picks demos by random search (dspy.BootstrapFewShotWithRandomSearch)"

    def draw(self, shape: Shape, sizes: Sizes, rng: random.Random) -> Draw:
        """The labelled set and every bootstrapped set cost a pass over dev; traces run the seed on train rows."""
        programs, limit = _programs(shape), 2 * max(1, shape.max_demos)
        seen, _ = bootstrap_rows(shape, sizes, rng, sets=programs + 1)
        rows, growth, longest = len(seen), 0.0, 0.0
        for _ in range(programs + 2):
            length = rng.randint(1, limit) * (sizes.row_in_only + sizes.row_out)
            rows, growth, longest = rows + shape.dev, growth + shape.dev * length, max(longest, length)
        return Draw(programs + 3, rows, growth, {}, longest if rng.random() < 0.7 else None)

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
