"""GEPA: reflective evolution of instructions with a Pareto front over dev rows.

Reference: Agrawal et al., "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning", 2025.
"""

from __future__ import annotations

import math
import random
from typing import Any, ClassVar

import dspy
from gepa.utils import NoImprovementStopper, ScoreThresholdStopper

from core.results import ProgramPrompts, Prompt
from metrics.metric import gepa_metric
from optimizers.base import Draw, Search, Shape, Sizes
from programs.prompts import read_prompts

ACCEPTANCE = (3.0, 4.0)
"""Beta distribution of the share of proposals that improve their minibatch; for the forecast only."""
GROWTH = (0.9, 0.5)
"""Log-normal distribution of the tokens a reflection adds, in units of a row's input; for the forecast only."""
PATIENCE = 25
"""Iterations without a better candidate after which the search ends."""


class Gepa:
    """Reflects on minibatches of failures and keeps what improves them."""

    name: ClassVar[str] = "gepa"
    summary: ClassVar[str] = "reflects on feedback, rewrites instructions, keeps a Pareto front (dspy.GEPA)"

    def draw(self, shape: Shape, sizes: Sizes, rng: random.Random) -> Draw:
        """An iteration costs a minibatch twice, one reflection, and a pass over dev when the minibatch improved.

        The parent's half of a minibatch is free where this parent has seen these rows.
        """
        accept = rng.betavariate(*ACCEPTANCE)
        step = sizes.row_in * rng.lognormvariate(math.log(GROWTH[0]), GROWTH[1])
        pool: list[tuple[float, set[int]]] = [(0.0, set())]
        spent, rows, growth, reflections, idle, trials = shape.dev, 0, 0.0, 0, 0, 1
        order: list[int] = []
        while spent < shape.rollouts and idle < PATIENCE:
            if len(order) < shape.minibatch:
                order = rng.sample(range(shape.train), shape.train) + order
            batch = [order.pop() for _ in range(shape.minibatch)]
            length, seen = rng.choice(pool)
            new = len(set(batch) - seen)
            seen |= set(batch)
            child = length + step / (1 + length / max(step, 1.0))
            reflections += shape.predictors > 0
            spent += 2 * shape.minibatch
            rows += new + shape.minibatch
            growth += new * length + shape.minibatch * child
            idle += 1
            if rng.random() < accept:
                pool.append((child, set(batch)))
                spent, rows, growth = spent + shape.dev, rows + shape.dev, growth + shape.dev * child
                trials += 1
                idle = 0 if rng.random() < 0.5 else idle
        winner = rng.choice(pool[1:])[0] if len(pool) > 1 else None
        return Draw(trials, rows, growth, {"reflector": reflections}, winner)

    def run(self, search: Search) -> None:
        """Run ``dspy.GEPA``; every candidate that reaches dev goes to the journal.

        Merging is off: it depends on the hash seed of the process. The evaluation cache is off: it mixes up train
        and dev rows in gepa 0.1.4.
        """
        watch = _Watch(search)
        optimizer = dspy.GEPA(
            metric=gepa_metric(search.metric, search.train + search.dev),
            max_metric_calls=search.shape.rollouts,
            reflection_minibatch_size=search.shape.minibatch,
            reflection_lm=search.reflector,
            candidate_selection_strategy=search.settings.get("selection", "pareto"),
            add_format_failure_as_feedback=True,
            use_merge=False,
            num_threads=search.threads,
            warn_on_score_mismatch=False,
            seed=search.seed,
            gepa_kwargs={
                "callbacks": [watch],
                "stop_callbacks": [
                    ScoreThresholdStopper(1.0),
                    NoImprovementStopper(int(search.settings.get("patience", PATIENCE))),
                ],
            },
        )
        with dspy.context(lm=search.student, adapter=search.adapter):
            optimizer.compile(search.program, trainset=search.train.examples, valset=search.dev.examples)
        if watch.failure is not None:
            raise watch.failure


class _Watch:
    """GEPA's callback: candidates with their lineage, from events that gepa sends in its own thread."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.seed = read_prompts(search.program)
        self.index: dict[int, int] = {}
        self.failure: Exception | None = None

    def on_valset_evaluated(self, event: dict[str, Any]) -> None:
        try:
            self._record(event)
        except Exception as error:  # noqa: BLE001 - gepa swallows what a callback raises; kept and raised after the run
            self.failure = error

    def _record(self, event: dict[str, Any]) -> None:
        outputs = event["outputs_by_val_id"]
        scores = {
            self.search.dev.rows[position].id: float(score)
            for position, score in event["scores_by_val_id"].items()
            if outputs is None or _answered(outputs.get(position))
        }
        texts = event["candidate"]
        prompts = ProgramPrompts(
            tuple(Prompt(p.predictor, texts.get(p.predictor, p.instruction), p.demos) for p in self.seed.prompts)
        )
        parents = [self.index[parent] for parent in event["parent_ids"] if parent in self.index]
        origin = "reflection" if event["candidate_idx"] else "seed"
        self.index[event["candidate_idx"]] = self.search.journal.record(origin, prompts, scores, parents)


def _answered(output: Any) -> bool:
    """Whether the program gave a parsed answer, rather than failing on this row."""
    return isinstance(output, dspy.Prediction) and len(list(output.keys())) > 0
