"""Bootstrap few-shot with random search: demos from the program's own successful traces.

Reference: Khattab et al., "DSPy: Compiling Declarative Language Model Calls into Self-Improving Pipelines", 2023.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import ClassVar

import dspy
from pydantic import Field

from core.section import Section
from metrics.metric import ExampleBook, float_metric
from optimizers.base import Search, SearchSize, journalled
from optimizers.schedule import Draw, Probe, Schedule, Sizes, bootstrapping, labelled, runs

STAYS_BEHIND = 0.8
"""Share of runs in which some demo set beats the seed; for the forecast only."""


class BootstrapSettings(Section):
    """What ``optimizer.settings`` may say."""

    sets: int | None = Field(default=None, ge=1, le=100, description="Demo sets that are tried; by the budget else.")
    labelled: int | None = Field(default=None, ge=0, description="Demos of a prompt at most; 2 * max_demos else.")
    rounds: int = Field(default=1, ge=1, le=10, description="Times that a row may be tried again for a demo.")


class BootstrapSchedule(Schedule):
    """Demo sets, each a walk over train rows and a pass over dev."""

    def draw(self, shape: SearchSize, sizes: Sizes, rng: random.Random) -> Draw:
        """The labelled set and every bootstrapped set cost a pass over dev; collecting demos runs train rows."""
        programs = _programs(shape)
        shown = sizes.with_demos(_labelled(shape))
        student = bootstrapping(shape, shown, rng, sets=programs + 1)
        student += runs((programs + 2) * shape.dev, shown.tokens_in, shown.tokens_out)
        return Draw(programs + 3, student, {}, shown if rng.random() < STAYS_BEHIND else None)

    def probe(self, probe: Probe, sizes: Sizes) -> Sizes:
        """Run the pilot's rows with the labelled demos, which is the first thing that the search evaluates."""
        return replace(sizes, shown=probe.run(labelled(_shuffled(probe.search), _labelled(probe.search.shape))))


class Bootstrap:
    """Leaves instructions alone and searches for the demo set that scores best on dev."""

    name: ClassVar[str] = "bootstrap"
    summary: ClassVar[str] = "picks demos by random search (dspy.BootstrapFewShotWithRandomSearch)"
    Settings: ClassVar[type[Section]] = BootstrapSettings
    schedule: ClassVar[Schedule] = BootstrapSchedule(role=None)
    unused: ClassVar[tuple[str, ...]] = ("minibatch",)

    def run(self, search: Search) -> None:
        """Run ``dspy.BootstrapFewShotWithRandomSearch``; every demo set goes to the journal.

        The optimiser has no seed of its own: ours shuffles the train rows that it draws from.
        """
        search = _shuffled(search)
        with journalled(search, lambda trial: f"demo set {trial}"):
            build_bootstrap(search).compile(search.program, trainset=search.train.examples, valset=search.dev.examples)


def build_bootstrap(search: Search) -> dspy.BootstrapFewShotWithRandomSearch:
    """The optimiser with everything the search says."""
    settings = BootstrapSettings.model_validate(dict(search.settings))
    return dspy.BootstrapFewShotWithRandomSearch(
        metric=float_metric(search.metric, search.train + search.dev, search.unscored),
        max_bootstrapped_demos=max(1, search.shape.max_demos),
        max_labeled_demos=_labelled(search.shape),
        max_rounds=settings.rounds,
        num_candidate_programs=_programs(search.shape),
        num_threads=search.threads,
        max_errors=1_000_000,
        metric_threshold=search.threshold,
    )


def _programs(shape: SearchSize) -> int:
    chosen = BootstrapSettings.model_validate(dict(shape.settings)).sets
    return chosen or min(16, max(2, shape.rollouts // shape.dev - 4))


def _labelled(shape: SearchSize) -> int:
    """Demos of a prompt, bootstrapped ones included: DSPy fills up with labelled rows."""
    chosen = BootstrapSettings.model_validate(dict(shape.settings)).labelled
    return 2 * max(1, shape.max_demos) if chosen is None else chosen


def _shuffled(search: Search) -> Search:
    """The search with its train rows in the order that the seed says."""
    rows = list(search.train.rows)
    random.Random(search.seed).shuffle(rows)
    return replace(search, train=ExampleBook(rows))
