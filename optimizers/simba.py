"""SIMBA: on rows where answers differ most, adds a demo or a rule that the model writes about its own runs.

Reference: the implementation in DSPy, "Stochastic Introspective Mini-Batch Ascent".
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import dspy
from dspy.teleprompt.simba_utils import append_a_rule
from pydantic import Field

from core.errors import BudgetError
from core.section import Section
from metrics.metric import float_metric
from optimizers.base import Search, SearchSize, journalled, with_values
from optimizers.schedule import MANY, Draw, RowCost, Schedule, Sizes, Spent, runs
from programs.prompts import read_prompts


class SimbaSettings(Section):
    """What ``optimizer.settings`` may say."""

    candidates: int = Field(default=4, ge=2, le=50, description="Samples of a row, and new programs, in each step.")
    steps: int | None = Field(default=None, ge=1, le=100, description="Minibatches; by the budget else.")
    sampling: float = Field(default=0.2, gt=0, description="Temperature of the choice whose answers are sampled.")
    choosing: float = Field(default=0.2, gt=0, description="Temperature of the choice which program is changed.")


class SimbaSchedule(Schedule):
    """A budget in steps: each samples its minibatch, makes programs from what it saw, and tries those on it."""

    def most(self, shape: SearchSize) -> int:
        """Minibatches twice per candidate and once more, and winners on train and dev."""
        steps, candidates = _steps(shape), SimbaSettings.model_validate(dict(shape.settings)).candidates
        winners = min(steps, candidates) + 1
        return steps * (2 * candidates + 1) * shape.minibatch + winners * (shape.train + shape.dev)

    def draw(self, shape: SearchSize, sizes: Sizes, rng: random.Random) -> Draw:
        """Play the steps: a program is new where a demo or a rule was found, else it is one that has been paid.

        A search in which the samples of a row do not differ finds hardly any: it is over after its samples.
        """
        steps, candidates = _steps(shape), SimbaSettings.model_validate(dict(shape.settings)).candidates
        flat = rng.random() < self.seed_stays
        new, rules = rng.uniform(*(FLAT if flat else NEW)), 0.0 if flat else rng.uniform(*RULES)
        student, lengths, longer, made = Spent(), [0.0], 0.0, 0
        sampled = min(steps * shape.minibatch, shape.train if flat else MANY)
        for _ in range(steps):
            student += self._tried(sizes, candidates * sampled / steps, longer)
            found = sum(rng.random() < new for _ in range(candidates + 1))
            student += self._tried(sizes, found * shape.minibatch, longer)
            made += sum(rng.random() < rules for _ in range(candidates + 1))
            if found:
                longer = min(longer + rng.uniform(0.3, 1.0) * sizes.demo, max(1, shape.max_demos) * sizes.demo)
                lengths.append(longer)
        last = len(lengths) - 1
        chosen = sorted({round(index * last / candidates) for index in range(candidates + 1)})
        for index in chosen:
            rows = shape.train - shape.minibatch + shape.dev if index else shape.train
            student += self._tried(sizes, max(0, rows), lengths[index])
        asked = 1500 + 3 * (sizes.demo + sizes.seed.tokens_out)
        winner = rng.choice(lengths[1:]) if last and not flat else None
        return Draw(
            trials=len(chosen),
            student=student,
            others={"reflector": runs(made, asked, rng.uniform(60, 400))},
            winner=None if winner is None else self._row(sizes, winner),
        )

    def _tried(self, sizes: Sizes, rows: float, longer: float) -> Spent:
        row = self._row(sizes, longer)
        return runs(rows, row.tokens_in, row.tokens_out)

    @staticmethod
    def _row(sizes: Sizes, longer: float) -> RowCost:
        return RowCost(sizes.seed.tokens_in + longer, sizes.seed.tokens_out if not longer else sizes.tuned_out, 0.0)


FLAT, NEW, RULES = (0.0, 0.15), (0.6, 1.0), (0.1, 0.6)
"""Share of a step's programs that are new, where hardly any is and else; there, share of all that get a rule."""


class Simba:
    """Adds demos and rules step by step; keeps what does best on minibatches."""

    name: ClassVar[str] = "simba"
    summary: ClassVar[str] = "adds demos and self-written rules where answers differ most (dspy.SIMBA)"
    Settings: ClassVar[type[Section]] = SimbaSettings
    schedule: ClassVar[Schedule] = SimbaSchedule(seed_stays=0.55)

    def run(self, search: Search) -> None:
        """Run ``dspy.SIMBA`` on train, then its winning programs on dev; those go to the journal."""
        found = build_simba(search).compile(search.program, trainset=search.train.examples, seed=search.seed)
        score = float_metric(search.metric, search.dev, search.unscored)
        evaluate = dspy.Evaluate(devset=search.dev.examples, metric=score, num_threads=search.threads, max_errors=10**6)
        with journalled(search, lambda trial: f"step {trial}"):
            for candidate in found.candidate_programs:
                evaluate(candidate["program"])


def build_simba(search: Search) -> Any:
    """The optimiser with everything the search says."""
    settings = SimbaSettings.model_validate(dict(search.settings))
    score = float_metric(search.metric, search.train, search.unscored)
    made: Any = dspy.SIMBA(
        # DSPy asks also about a row without an answer; this prompt made it unreadable, which counts against it
        metric=lambda gold, pred: 0.0 if pred is None else score(gold, pred),
        bsize=search.shape.minibatch,
        num_candidates=settings.candidates,
        max_steps=_steps(search.shape),
        max_demos=search.shape.max_demos,
        prompt_model=search.reflector,
        num_threads=search.threads,
        temperature_for_sampling=settings.sampling,
        temperature_for_candidates=settings.choosing,
    )
    made.strategies = [
        limited(search, digested(search, strategy) if strategy is append_a_rule else strategy)
        for strategy in made.strategies
    ]
    return made


def digested(search: Search, strategy: Callable[..., Any]) -> Callable[..., Any]:
    """A strategy of SIMBA whose model is shown a row and its best and worst run cut to what its window takes."""

    @functools.wraps(strategy)
    def shorter(bucket: Any, system: dspy.Module, **rest: Any) -> Any:
        ends = (bucket[0], bucket[-1])
        rows = [dict(bucket[0]["example"].items()), *(_told(one) for one in ends)]
        try:
            shown = search.shown(rows)
        except BudgetError as error:  # DSPy drops the program and logs why, where nobody looks
            if str(error) not in search.journal.notes:
                search.journal.notes.append(str(error))
            raise
        if shown[0] is rows[0]:
            return strategy(bucket, system, **rest)
        example = with_values(bucket[0]["example"], shown[0])
        return strategy([_cut(one, example, told) for one, told in zip(ends, shown[1:], strict=True)], system, **rest)

    return shorter


def _told(one: Mapping[str, Any]) -> dict[str, Any]:
    """What a run of SIMBA tells of itself; steps by number, because every one of them stays."""
    steps = {
        str(number): {"inputs": given, "outputs": dict(out)} for number, (_, given, out) in enumerate(one["trace"])
    }
    return {"trace": steps, "prediction": dict(one["prediction"] or {}), "output_metadata": one["output_metadata"]}


def _cut(one: Mapping[str, Any], example: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """A run of SIMBA with what was left of its texts."""
    steps = [
        (predictor, step["inputs"], step["outputs"])
        for (predictor, *_), step in zip(one["trace"], told["trace"].values(), strict=True)
    ]
    shown = {"prediction": told["prediction"], "output_metadata": told["output_metadata"]}
    return {**one, **shown, "example": example, "trace": steps}


def limited(search: Search, strategy: Callable[..., Any]) -> Callable[..., Any]:
    """A strategy of SIMBA that fails where it breaks a limit of the task; SIMBA then drops its program untried."""

    @functools.wraps(strategy)
    def checked(bucket: Any, system: dspy.Module, **rest: Any) -> Any:
        before = read_prompts(system).instructions()
        done = strategy(bucket, system, **rest)
        for name, text in read_prompts(system).instructions().items():
            if text != before[name]:
                search.admit(name, before[name], text)
        return done

    return checked


def _steps(shape: SearchSize) -> int:
    """Steps that the budget buys: each runs a minibatch twice per candidate, its winner runs on train and dev."""
    settings = SimbaSettings.model_validate(dict(shape.settings))
    step, winner = (2 * settings.candidates + 1) * shape.minibatch, shape.train + shape.dev
    few = (shape.rollouts - winner) // (step + winner)
    many = (shape.rollouts - (settings.candidates + 1) * winner) // step  # it looks at so many winners at most
    return settings.steps or max(1, min(100, few if few <= settings.candidates else many))
