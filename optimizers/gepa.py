"""GEPA: reflective evolution of instructions with a Pareto front over dev rows.

Reference: Agrawal et al., "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning", 2025.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from typing import Any, ClassVar

import dspy
from dspy.teleprompt.gepa import InstructionProposer
from gepa.utils import NoImprovementStopper, ScoreThresholdStopper

from calls.account import Meter
from core.candidate import ProgramPrompts, Prompt
from metrics.metric import gepa_metric
from optimizers.base import Draw, Probe, Reflection, RowCost, Search, SearchSize, Sizes, Spent, runs
from programs.prompts import read_prompts

ACCEPTANCE = (4.0, 3.2)
"""Beta distribution of the share of proposals that improve their minibatch; for the forecast only."""
GROWTH = (0.08, 0.3)
"""Log-normal parameters of how much longer instructions get than the pilot's one; for the forecast only."""
FRAME = 3000
"""Characters of the reflection prompt around the instruction and the rows."""
PATIENCE = 25
"""Iterations without a better candidate after which the search ends."""


class Gepa:
    """Reflects on minibatches of failures and keeps what improves them."""

    name: ClassVar[str] = "gepa"
    summary: ClassVar[str] = "reflects on feedback, rewrites instructions, keeps a Pareto front (dspy.GEPA)"

    def draw(self, shape: SearchSize, sizes: Sizes, rng: random.Random) -> Draw:
        """An iteration costs a minibatch twice, one reflection, and a pass over dev when the minibatch improved.

        The parent's half of a minibatch is free where this parent has seen these rows.
        """
        accept, known = rng.betavariate(*ACCEPTANCE), sizes.reflection
        reflection = known or _assumed(sizes, rng)
        step = reflection.written * rng.lognormvariate(*(GROWTH if known else (0.0, 0.5)))
        base, out = sizes.seed.tokens_in, sizes.tuned_out
        pool: list[tuple[float, set[int]]] = [(0.0, set())]
        spent, trials, idle = shape.dev, 1, 0
        student, reflector = Spent(), Spent()
        order: list[int] = []
        while spent < shape.rollouts and idle < PATIENCE:
            if len(order) < shape.minibatch:
                order = rng.sample(range(shape.train), shape.train) + order
            batch = [order.pop() for _ in range(shape.minibatch)]
            length, seen = rng.choice(pool)
            new = len(set(batch) - seen)
            seen |= set(batch)
            child = max(step, length) * rng.lognormvariate(0.03, 0.08)
            reflector += Spent(
                1, reflection.base_in + length + shape.minibatch * reflection.row_in, reflection.out * child / step
            )
            spent += 2 * shape.minibatch
            student += runs(new, base + length, out if length else sizes.seed.tokens_out)
            student += runs(shape.minibatch, base + child, out)
            idle += 1
            if rng.random() < accept:
                pool.append((child, set(batch)))
                spent, trials = spent + shape.dev, trials + 1
                student += runs(shape.dev, base + child, out)
                idle = 0 if rng.random() < 0.5 else idle
        winner = RowCost(base + rng.choice(pool[1:])[0], out, sizes.seed.success) if len(pool) > 1 else None
        return Draw(trials, student, {"reflector": reflector}, winner)

    def probe(self, probe: Probe, sizes: Sizes) -> Sizes:
        """Reflect once on the pilot's rows; how long the new instruction is counts, its text is not used."""
        prompts = read_prompts(probe.search.program).instructions()
        name, instruction = next(iter(prompts.items()))
        rows = [
            {"Inputs": dict(row.inputs), "Generated Outputs": dict(row.prediction), "Feedback": row.feedback}
            for row in probe.pilot.scored
        ]
        if not rows:
            return sizes
        with Meter.row() as tally, dspy.context(lm=probe.search.reflector):
            written = InstructionProposer()({name: instruction}, {name: rows}, [name])[name]
        tokens_in, tokens_out = tally.worth.input_tokens, tally.worth.output_tokens  # also when it was paid before
        if not tokens_out:
            return sizes
        share = len(json.dumps(rows, default=str, ensure_ascii=False))
        per_row = tokens_in * share / (share + len(instruction) + FRAME) / len(rows)
        return replace(
            sizes,
            reflection=Reflection(
                base_in=tokens_in - per_row * len(rows),
                row_in=per_row,
                out=tokens_out,
                written=max(1.0, tokens_out * (1 - len(instruction) / max(1, len(written)))),
            ),
        )

    def run(self, search: Search) -> None:
        """Run ``dspy.GEPA``; every candidate that reaches dev goes to the journal.

        Merging is off: it depends on the hash seed of the process. The evaluation cache is off: it mixes up train
        and dev rows in gepa 0.1.4.
        """
        watch = _Watch(search)
        optimizer = dspy.GEPA(
            metric=gepa_metric(search.metric, search.train + search.dev, search.unscored),
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
        named = [(self.search.dev.rows[p].id, p, float(s)) for p, s in event["scores_by_val_id"].items()]
        scores = {i: score for i, p, score in named if outputs is None or self.search.scored(i, outputs.get(p))}
        texts = event["candidate"]
        prompts = ProgramPrompts(
            tuple(Prompt(p.predictor, texts.get(p.predictor, p.instruction), p.demos) for p in self.seed.prompts)
        )
        parents = [self.index[parent] for parent in event["parent_ids"] if parent in self.index]
        origin = "reflection" if event["candidate_idx"] else "seed"
        self.index[event["candidate_idx"]] = self.search.journal.record(origin, prompts, scores, parents)


def _assumed(sizes: Sizes, rng: random.Random) -> Reflection:
    """A reflection's size where none was tried: the rows it is shown, and a page of instruction."""
    written = rng.lognormvariate(math.log(500), 0.6)
    return Reflection(600.0, sizes.demo + 3 * sizes.seed.tokens_out, written + 50, written)
