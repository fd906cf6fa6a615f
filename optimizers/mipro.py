"""MIPROv2: proposes instructions and demo sets, and searches their combinations with a Bayesian sampler.

Reference: Opsahl-Ong et al., "Optimizing Instructions and Demonstrations for Multi-Stage Language Model Programs",
2024.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import dspy
from dspy.propose.dataset_summary_generator import create_dataset_summary
from dspy.teleprompt.mipro_optimizer_v2 import BOOTSTRAPPED_FEWSHOT_EXAMPLES_IN_CONTEXT
from pydantic import Field

from calls.meter import Meter
from core.limits import RefusedError
from core.section import Section
from metrics.metric import float_metric
from optimizers.base import Search, SearchSize, journalled
from optimizers.schedule import (
    Draw,
    Probe,
    Reflection,
    RowCost,
    Schedule,
    Sizes,
    Spent,
    bootstrapping,
    labelled,
    runs,
)
from programs.prompts import predictors

SEED_STAYS = 0.05
"""Share of searches in which no combination beats the seed; for the forecast only."""
REPEATED = 0.3
"""Share of trials in which the sampler returns to a combination it knows; for the forecast only."""

INSTRUCTION = (250.0, 0.7)
"""Median and log-spread of a proposed instruction's tokens where nothing was tried; for the forecast only."""
GROWTH = (0.92, 0.5)
"""The same in units of what the proposer wrote about its first rows."""
BATCH = 10
"""Train rows that DSPy's proposer is shown at a time."""
MOST_CANDIDATES = 12
MOST_TRIALS = MOST_CANDIDATES**2
"""As many as there are combinations of an instruction and a demo set; more could only repeat."""


class MiproSettings(Section):
    """What ``optimizer.settings`` may say."""

    candidates: int | None = Field(
        default=None, ge=2, le=50, description="Instructions and demo sets each; by the budget else."
    )
    trials: int | None = Field(default=None, ge=1, le=1000, description="Combinations tried; by the budget else.")
    temperature: float = Field(default=1.0, ge=0, le=2, description="Of the proposer when it writes an instruction.")
    program_aware: bool = Field(default=True, description="Whether the proposer is shown the program's source.")
    tips: bool = Field(default=True, description="Whether the proposer is given a tip drawn by chance.")


class MiproSchedule(Schedule):
    """Demo sets, proposals, and trials that are passes over dev."""

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
        if rng.random() < SEED_STAYS:
            winner = None
        return Draw(1 + trials, student, {"proposer": _proposing(shape, sizes, instruction)}, winner)

    def probe(self, probe: Probe, sizes: Sizes) -> Sizes:
        """Run the pilot's rows with labelled demos, and let the proposer sum up its first ten train rows.

        Both are steps of the search itself: the demo set may be evaluated, the first summing-up is its first call.
        """
        search = probe.search
        sizes = replace(sizes, shown=probe.run(labelled(search, search.shape.max_demos)))
        with Meter.row() as tally:
            first = search.shown_examples(search.train.examples[:BATCH], search.proposer)
            create_dataset_summary(first, BATCH, search.proposer)
        out = tally.worth.output_tokens / 2  # also when it was paid before
        seen = (tally.worth.input_tokens - out) / 2
        return replace(sizes, reflection=Reflection(0.0, seen / BATCH, out, out)) if out > 0 else sizes


class Mipro:
    """Instructions and demos together, on full dev evaluations so that trials compare on the same rows."""

    name: ClassVar[str] = "mipro"
    summary: ClassVar[str] = "proposes instructions and demos, searches their combinations (dspy.MIPROv2)"
    Settings: ClassVar[type[Section]] = MiproSettings
    schedule: ClassVar[Schedule] = MiproSchedule(role="proposer")
    unused: ClassVar[tuple[str, ...]] = ("minibatch",)

    def run(self, search: Search) -> None:
        """Run ``dspy.MIPROv2``; every trial goes to the journal.

        The proposer is shown train rows (inputs and gold, no other field) and the program's source.
        """
        with journalled(search, lambda trial: f"trial {trial}"):
            build_mipro(search).compile(
                search.program, trainset=search.train.examples, valset=search.dev.examples, **compiling(search)
            )


class LimitedMipro(dspy.MIPROv2):
    """MIPROv2 without the proposed instructions that break a limit of the task; the seed's is always one of them.

    The proposer is shown train rows and demos cut to what its window takes; demos that are tried are whole.
    """

    def __init__(self, search: Search, **settings: Any) -> None:
        super().__init__(**settings)
        self.search = search

    def _propose_instructions(
        self, program: Any, trainset: Any, demo_candidates: Any, batch: int, *rest: Any, **settings: Any
    ) -> dict[int, list[str]]:
        rows = [
            example
            for start in range(0, len(trainset), batch)
            for example in self.search.shown_examples(trainset[start : start + batch], self.search.proposer)
        ]
        demos: Any = demo_candidates and {
            index: [[self._shown_demo(demo) for demo in demos] for demos in sets]
            for index, sets in demo_candidates.items()
        }
        proposed = super()._propose_instructions(program, rows, demos, batch, *rest, **settings)
        return {
            index: [proposed[index][0], *self._admitted(name, proposed[index][0], proposed[index][1:])]
            for index, (name, _) in enumerate(predictors(program))
        }

    def _shown_demo(self, demo: Any) -> Any:
        """A demo as long as any three of them may be: so many are shown beside each other."""
        return self.search.shown_examples([demo] * BOOTSTRAPPED_FEWSHOT_EXAMPLES_IN_CONTEXT, self.search.proposer)[0]

    def _admitted(self, name: str, seed: str, texts: Sequence[str]) -> Iterator[str]:
        for text in texts:
            with contextlib.suppress(RefusedError):
                yield self.search.admit(name, seed, text)


def build_mipro(search: Search) -> LimitedMipro:
    """The optimiser with everything the search says."""
    settings = MiproSettings.model_validate(dict(search.settings))
    return LimitedMipro(
        search,
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
        init_temperature=settings.temperature,
        metric_threshold=search.threshold,
    )


def compiling(search: Search) -> dict[str, Any]:
    """What ``compile`` is told: how many trials, and what the proposer may see."""
    settings = MiproSettings.model_validate(dict(search.settings))
    return {
        "num_trials": _trials(search.shape),
        "minibatch": False,
        "program_aware_proposer": settings.program_aware,
        "tip_aware_proposer": settings.tips,
    }


def _trials(shape: SearchSize) -> int:
    chosen = MiproSettings.model_validate(dict(shape.settings)).trials
    return chosen or min(MOST_TRIALS, max(4, shape.rollouts // shape.dev - 1))


def _candidates(shape: SearchSize) -> int:
    chosen = MiproSettings.model_validate(dict(shape.settings)).candidates
    return chosen or min(MOST_CANDIDATES, max(3, _trials(shape) // 2))


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
