"""GEPA: reflective evolution of instructions with a Pareto front over dev rows.

Reference: Agrawal et al., "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning", 2025.
"""

from __future__ import annotations

from typing import Any, ClassVar

import dspy
from gepa.utils import NoImprovementStopper, ScoreThresholdStopper

from core.results import ProgramPrompts, Prompt
from metrics.metric import gepa_metric
from optimizers.base import Schedule, Search, Shape
from programs.prompts import read_prompts

ACCEPTED_SHARE = 0.5
"""Share of proposals that go on to a full dev evaluation; for the forecast only."""


class Gepa:
    """Reflects on minibatches of failures and keeps what improves them."""

    name: ClassVar[str] = "gepa"
    summary: ClassVar[str] = "reflects on feedback, rewrites instructions, keeps a Pareto front (dspy.GEPA)"

    def schedule(self, shape: Shape) -> Schedule:
        """One reflection per iteration; an iteration costs two minibatches and, when accepted, a pass over dev."""
        per_iteration = 2 * shape.minibatch + ACCEPTED_SHARE * shape.dev
        iterations = max(1, round((shape.rollouts - shape.dev) / per_iteration))
        calls = {"student": shape.rollouts * shape.predictors, "reflector": iterations}
        return Schedule(trials=1 + max(1, round(ACCEPTED_SHARE * iterations)), calls=calls)

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
                    NoImprovementStopper(int(search.settings.get("patience", 25))),
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
