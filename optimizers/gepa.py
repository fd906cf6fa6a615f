"""GEPA: reflective evolution of instructions with a Pareto front over dev rows.

Reference: Agrawal et al., "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning", 2025.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import dspy
from dspy.teleprompt.gepa import InstructionProposer
from gepa.utils import NoImprovementStopper, ScoreThresholdStopper
from pydantic import Field

from calls.meter import Meter
from core.candidate import ProgramPrompts, Prompt
from core.limits import RefusedError
from core.section import Section
from metrics.metric import gepa_metric
from optimizers.base import Search, SearchSize
from optimizers.merging import complementary, merged
from optimizers.schedule import (
    Draw,
    Probe,
    Reflection,
    RowCost,
    Schedule,
    Sizes,
    Spent,
    assumed_reflection,
    measured_reflection,
    runs,
)
from programs.levers import LeverName, hints
from programs.prompts import read_prompts

ACCEPTANCE = (4.0, 3.2)
"""Beta distribution of the share of proposals that improve their minibatch; for the forecast only."""
GROWTH = (0.08, 0.3)
"""Log-normal parameters of how much longer instructions get than the pilot's one; for the forecast only."""
PATIENCE = 25
"""Iterations without a better candidate after which the search ends."""
SEED_STAYS = 0.2
"""Share of searches whose candidates improved their minibatches and not one of them dev; for the forecast only."""
PLAYED = 60
"""Iterations that are played; those of a larger budget cost what the last third of these did."""


class GepaSettings(Section):
    """What ``optimizer.settings`` may say."""

    selection: Literal["pareto", "current_best"] = Field(
        default="pareto", description="Which candidate is rewritten next: one of the best on some row, or the best."
    )
    components: Literal["round_robin", "all"] = Field(
        default="round_robin", description="Which predictors a reflection rewrites: one after the other, or all."
    )
    patience: int = Field(
        default=PATIENCE, ge=1, description="Iterations without a better candidate that end the search."
    )
    merge: bool = Field(
        default=False, description="Whether instructions that are best on different dev rows are also merged into one."
    )
    levers: tuple[LeverName, ...] = Field(default=(), description="Hints for whoever proposes; see programs/levers.py.")
    skip_perfect: bool = Field(default=True, description="Whether a minibatch without a mistake is passed over.")


class GepaSchedule(Schedule):
    """Minibatches, reflections and passes over dev, as GEPA goes about them."""

    def draw(self, shape: SearchSize, sizes: Sizes, rng: random.Random) -> Draw:
        """Play iterations until the budget or the patience is used up; of a very long search only its beginning."""
        accept, known = rng.betavariate(*ACCEPTANCE), sizes.reflection
        reflection = known or assumed_reflection(sizes, rng)
        step = reflection.written * rng.lognormvariate(*(GROWTH if known else (0.0, 0.5)))
        play = _Play(shape, sizes, reflection, step, accept, rng)
        while play.spent < shape.rollouts and play.idle < PATIENCE and play.iterations < PLAYED:
            play.iterate()
        if play.spent < shape.rollouts and play.idle < PATIENCE:
            play.extrapolate()
        found = play.pool[1:]
        winner = None
        if found and rng.random() >= SEED_STAYS:
            winner = RowCost(sizes.seed.tokens_in + rng.choice(found)[0], sizes.tuned_out, sizes.seed.success)
        return Draw(round(play.trials), play.student, {"reflector": play.reflector}, winner)

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
        told = probe.search.limits.told(name) or None
        with Meter.row() as tally, dspy.context(lm=probe.search.reflector):
            propose = InstructionProposer(additional_instructions=told)
            written = propose({name: instruction}, {name: probe.search.shown(rows)}, [name])[name]
        return measured_reflection(sizes, tally.worth, rows, instruction, written)


class Gepa:
    """Reflects on minibatches of failures and keeps what improves them."""

    name: ClassVar[str] = "gepa"
    summary: ClassVar[str] = "reflects on feedback, rewrites instructions, keeps a Pareto front (dspy.GEPA)"
    Settings: ClassVar[type[Section]] = GepaSettings
    schedule: ClassVar[Schedule] = GepaSchedule()
    unused: ClassVar[tuple[str, ...]] = ("max_demos",)

    def run(self, search: Search) -> None:
        """Run ``dspy.GEPA``; every candidate that reaches dev goes to the journal."""
        watch = _Watch(search)
        build_gepa(search, watch).compile(search.program, trainset=search.train.examples, valset=search.dev.examples)
        if watch.failure is not None:
            raise watch.failure


class LimitedProposer(InstructionProposer):  # pyright: ignore[reportGeneralTypeIssues]
    """DSPy's own proposer, which is told the task's limits; a proposal that breaks one costs no rollout.

    Such a proposal is asked for once more with the reason. Where merging is asked for, candidates that are best on
    different rows are merged as soon as there are such; each set of them once.
    """

    def __init__(self, search: Search) -> None:
        super().__init__()
        self.search = search
        self.settings = GepaSettings.model_validate(dict(search.settings))
        self.merged: set[tuple[str, tuple[int, ...]]] = set()

    def __call__(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        """New instructions by predictor; one whose proposals break a limit is left out."""
        found = {name: self._one(candidate, reflective_dataset, name) for name in components_to_update}
        return {name: text for name, text in found.items() if text is not None}

    def _one(self, candidate: dict[str, str], rows: Mapping[str, Sequence[Mapping[str, Any]]], name: str) -> str | None:
        told, remark = self.search.limits.told(name), ""
        merged = self._merge(name, candidate[name], told) if self.settings.merge else None
        if merged is not None:
            return merged
        told = "\n".join(filter(None, (told, hints(self.settings.levers))))
        shown = {name: self.search.shown(rows[name])} if name in rows else {}
        for _ in range(2):
            written = InstructionProposer(additional_instructions=told + remark)(candidate, shown, [name])
            if name not in written:
                return None
            try:
                return self.search.admit(name, candidate[name], written[name])
            except RefusedError as refused:
                remark = f"\nA first proposal was refused: {refused}."
        return None

    def _merge(self, name: str, current: str, told: str) -> str | None:
        """The merger of the complementary candidates there are; None where there are none, or they were merged."""
        parents = complementary(self.search.journal.candidates)
        key = (name, tuple(parent.index for parent in parents))
        texts = {parent.prompts.instructions()[name] for parent in parents}
        if len(texts) < 2 or key in self.merged:
            return None
        self.merged.add(key)
        try:
            return self.search.admit(name, current, merged(self.search, name, parents, told))
        except (RefusedError, dspy.AdapterParseError):
            return None  # counted by whoever watches; the reflection that would have come anyway comes instead


def build_gepa(search: Search, *callbacks: Any) -> Any:
    """The optimiser with everything the search says.

    gepa's own merging is off: it depends on the hash seed of the process. The evaluation cache is off: it mixes up
    train and dev rows in gepa 0.1.4.
    """
    settings = GepaSettings.model_validate(dict(search.settings))
    return dspy.GEPA(
        metric=gepa_metric(search.metric, search.train + search.dev, search.unscored),
        max_metric_calls=search.shape.rollouts,
        reflection_minibatch_size=search.shape.minibatch,
        reflection_lm=search.reflector,
        instruction_proposer=LimitedProposer(search),
        candidate_selection_strategy=settings.selection,
        component_selector=settings.components,
        skip_perfect_score=settings.skip_perfect,
        add_format_failure_as_feedback=True,
        use_merge=False,
        num_threads=search.threads,
        warn_on_score_mismatch=False,
        seed=search.seed,
        gepa_kwargs={
            "callbacks": list(callbacks),
            "stop_callbacks": [ScoreThresholdStopper(1.0), NoImprovementStopper(settings.patience)],
        },
    )


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


@dataclass
class _Play:
    """One imagined search, iteration by iteration.

    An iteration costs a minibatch twice, one reflection, and a pass over dev when the minibatch improved. The
    parent's half of a minibatch is free where this parent has seen these rows.
    """

    shape: SearchSize
    sizes: Sizes
    reflection: Reflection
    step: float
    accept: float
    rng: random.Random
    spent: float = 0.0
    trials: float = 1.0
    idle: int = 0
    iterations: int = 0
    student: Spent = field(default_factory=Spent)
    reflector: Spent = field(default_factory=Spent)
    pool: list[tuple[float, set[int]]] = field(default_factory=lambda: [(0.0, set[int]())])
    _order: list[int] = field(default_factory=list[int])
    _mark: tuple[float, float, Spent, Spent] | None = None

    def __post_init__(self) -> None:
        self.spent = float(self.shape.dev)

    def iterate(self) -> None:
        """One iteration."""
        shape, rng, base, out = self.shape, self.rng, self.sizes.seed.tokens_in, self.sizes.tuned_out
        if len(self._order) < shape.minibatch:
            needed = min(shape.train, PLAYED * shape.minibatch)  # of a long train set only what is played
            self._order = rng.sample(range(shape.train), needed) + self._order
        batch = [self._order.pop() for _ in range(shape.minibatch)]
        length, seen = rng.choice(self.pool)
        new = len(set(batch) - seen)
        seen |= set(batch)
        child = max(self.step, length) * rng.lognormvariate(0.03, 0.08)
        shown = self.reflection.base_in + length + shape.minibatch * self.reflection.row_in
        self.reflector += Spent(1, shown, self.reflection.out * child / self.step)
        self.spent += 2 * shape.minibatch
        self.student += runs(new, base + length, out if length else self.sizes.seed.tokens_out)
        self.student += runs(shape.minibatch, base + child, out)
        self.idle += 1
        if rng.random() < self.accept:
            self.pool.append((child, set(batch)))
            self.spent, self.trials = self.spent + shape.dev, self.trials + 1
            self.student += runs(shape.dev, base + child, out)
            self.idle = 0 if rng.random() < 0.5 else self.idle
        self.iterations += 1
        if self.iterations == PLAYED * 2 // 3:
            self._mark = (self.spent, self.trials, self.student, self.reflector)

    def extrapolate(self) -> None:
        """Go on to the end of the budget as in the last third."""
        assert self._mark is not None
        spent, trials, student, reflector = self._mark
        times = (self.shape.rollouts - self.spent) / (self.spent - spent)
        self.trials += times * (self.trials - trials)
        self.student += times * (self.student + -1.0 * student)
        self.reflector += times * (self.reflector + -1.0 * reflector)
