"""The race as a strategy of the catalog: the student, the metric and the reflector do what the policy asks."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import dspy
from pydantic import Field

from calls.meter import Meter
from core.candidate import Belief, ProgramPrompts
from core.errors import ModelError, UsageError
from core.evaluation import RowResult, RowStatus
from core.section import Section
from metrics.evaluate import Evaluator
from optimizers.base import NAMES_TEXT, Search, SearchSize
from optimizers.race.executor import Executor, FixedOrder, Order, RecordedOrder
from optimizers.race.policy import Policy
from optimizers.race.proposer import DEMOS, Proposer, tried_from
from optimizers.race.records import Reflect, Score, Tactics
from optimizers.schedule import (
    Draw,
    Probe,
    RowCost,
    Schedule,
    Sizes,
    Spent,
    assumed_reflection,
    measured_reflection,
    runs,
)
from programs.metaprompt import shown_rows
from programs.prompts import apply_prompts, read_prompts

PER_REFLECTION = (3.6, 0.4)
"""Log-normal parameters of the rows that are scored for each reflection; for the forecast only."""
SEED_STAYS = 0.25
"""Share of searches that end with the seed; for the forecast only."""
CREDIBLE = 1.96


class RaceSettings(Section):
    """What ``optimizer.settings`` may say."""

    order: Literal["fixed", "recorded"] = Field(
        default="fixed",
        description="fixed: any number of threads finds the same; recorded: no answer is waited for, the order in "
        "which answers came is kept, and a run that is continued repeats it.",
    )
    ahead: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="Rows that may be missing when the next step is decided; faster, not better.",
    )
    lag: int = Field(default=0, ge=0, le=4096, description="Rows that are scored while a reflection is written.")
    reflections: int = Field(default=1, ge=1, le=64, description="Reflections that are written at a time.")
    shown: int = Field(
        default=4, ge=1, description="The fewest rows that a reflection is shown; more where more bring more."
    )
    confirm: float = Field(
        default=0.99, gt=0.5, lt=1, description="Probability of being better that replaces the seed."
    )
    worth: float = Field(
        default=0.005,
        ge=0,
        lt=1,
        description="The search ends when all that is left is not expected to bring this much.",
    )
    combine: bool = Field(default=True, description="Whether edits are combined and taken back without a reflection.")
    demos: bool = Field(
        default=True, description="Whether demos are edits as well, where the program has one predictor."
    )
    proposer: Annotated[str | None, NAMES_TEXT] = Field(
        default=None, description="The reflection's own instruction: a text file, or run:ID of a run that tuned it."
    )


class RaceSchedule(Schedule):
    """Rows one by one, with a reflection every few dozen."""

    def draw(self, shape: SearchSize, sizes: Sizes, rng: random.Random) -> Draw:
        """Play a search that ends by itself at any point of its budget's second half."""
        reflection = sizes.reflection or assumed_reflection(sizes, rng)
        rows = max(1.0, rng.uniform(self.least, 1.0) * (shape.rollouts - shape.dev))
        count = rows / rng.lognormvariate(*PER_REFLECTION)
        longer = reflection.written * min(count, 6.0) * rng.uniform(0.2, 1.0)
        tuned = RowCost(sizes.seed.tokens_in + longer, sizes.tuned_out, sizes.seed.success)
        size = RaceSettings.model_validate(dict(shape.settings)).shown
        shown = reflection.base_in + longer / 2 + 2 * size * reflection.row_in
        return Draw(
            trials=max(2, round(rows / shape.dev / 4)),
            student=runs(rows, (sizes.seed.tokens_in + tuned.tokens_in) / 2, tuned.tokens_out),
            others={"reflector": Spent(count, count * shown, count * reflection.out)},
            winner=tuned if rng.random() >= SEED_STAYS else None,
        )

    def probe(self, probe: Probe, sizes: Sizes) -> Sizes:
        """Reflect once on the pilot's rows; how long the new instruction is counts, its text is not used."""
        search, rows = probe.search, probe.pilot.scored
        if not rows:
            return sizes
        prompt = read_prompts(search.program).prompts[0]
        with Meter.row() as tally:
            written = Proposer(search, _text(search), retries=0).rewritten(
                prompt.predictor, prompt.instruction, rows, ()
            )
        if written is None:
            return sizes
        return measured_reflection(sizes, tally.worth, shown_rows(rows), prompt.instruction, written)


class Race:
    """Weighs every edit from few scores of many candidates, and stops when more calls are not worth it."""

    name: ClassVar[str] = "race"
    summary: ClassVar[str] = "weighs edits across all candidates, scores where it decides, stops by itself"
    Settings: ClassVar[type[Section]] = RaceSettings
    schedule: ClassVar[Schedule] = RaceSchedule(least=0.3)
    unused: ClassVar[tuple[str, ...]] = ("minibatch",)

    def run(self, search: Search) -> None:
        """Race; every candidate with all of dev goes to the journal, with what is believed of it."""
        Course(search, RaceSettings.model_validate(dict(search.settings))).run()


def _text(search: Search) -> str | None:
    name = RaceSettings.model_validate(dict(search.settings)).proposer
    return search.text_of(name) if name else None


@dataclass
class Course:
    """One race: the policy, who scores and writes for it, and what was found."""

    search: Search
    settings: RaceSettings
    results: dict[tuple[int, str], RowResult] = field(default_factory=dict[tuple[int, str], RowResult])
    recorded: dict[int, int] = field(default_factory=dict[int, int])
    programs: dict[int, dspy.Module] = field(default_factory=dict[int, dspy.Module])
    policy: Policy = field(init=False)
    proposer: Proposer = field(init=False)
    evaluator: Evaluator = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        search, settings = self.search, self.settings
        self.rows = {row.id: row for row in (*search.train.rows, *search.dev.rows)}
        self.proposer = Proposer(search, _text(search))
        tactics = Tactics(
            budget=search.shape.rollouts,
            seed=search.seed,
            shown=settings.shown,
            reflectors=settings.reflections,
            combine=0.5 if settings.combine else 2.0,
            confirm=settings.confirm,
            worth=settings.worth,
        )
        train, dev = [row.id for row in search.train.rows], [row.id for row in search.dev.rows]
        parts = self.proposer.parts(demos=settings.demos and search.shape.max_demos > 0)
        self.policy = Policy(parts, train, dev, tactics)
        share = search.student.account.policy.max_error_share
        self.evaluator = Evaluator(search.student, search.adapter, search.metric, search.threads, share)

    def run(self) -> None:
        """Race, note what was found, and say why it ended.

        Raises:
            ModelError: If too many rows failed by the model's fault.
        """
        order = self.order()
        try:
            Executor(self.score, self.reflect, order, self.search.threads, self._told).run(self.policy)
        except KeyboardInterrupt:
            self.search.student.account.interrupt()  # else rows that wait for an answer would hold up the end
            raise
        self._conclude()

    def order(self) -> Order:
        """In which order results are told.

        Raises:
            UsageError: If it is to be recorded and there is no run that keeps it.
        """
        if self.settings.order == "fixed":
            return FixedOrder(self.settings.ahead, self.settings.lag)
        if self.search.folder is None:
            raise UsageError("optimizer.settings.order: recorded needs a run that keeps the order")
        self.search.folder.mkdir(parents=True, exist_ok=True)
        path = self.search.folder / f"{self.search.journal.optimizer or Race.name}.order"
        return RecordedOrder(max(self.settings.ahead, 2 * self.search.threads), path)

    def score(self, job: Score) -> float | None:
        """One row: its score; an unreadable answer is the prompt's own doing and counts as nothing solved."""
        result = self.evaluator.row(self._program(job.candidate), self.rows[job.row])
        with self._lock:
            self.results[job.candidate, job.row] = result
            known = list(self.results.values()) if result.status is RowStatus.LM_ERROR else []
        if known:
            try:
                self.evaluator.check_failing(known, self.policy.tactics.budget)
            except ModelError as error:
                raise self.search.student.account.halted(error) from error
        return 0.0 if result.status is RowStatus.PARSE_ERROR else result.score

    def reflect(self, job: Reflect) -> str | None:
        """The new text of a part."""
        text = self.policy.entrants[job.parent].parts[job.part]
        if job.part.startswith(DEMOS):
            return self.proposer.demo_set(text, job.shown)
        shown = [self.results[job.parent, row] for row in job.shown]
        return self.proposer.rewritten(job.part, text, shown, tried_from(self.policy, job))

    def _program(self, candidate: int) -> dspy.Module:
        with self._lock:
            if candidate not in self.programs:
                self.programs[candidate] = apply_prompts(self.search.program, self._prompts(candidate))
            return self.programs[candidate]

    def _prompts(self, candidate: int) -> ProgramPrompts:
        return self.proposer.prompts(self.policy.entrants[candidate].parts)

    def _told(self, job: Score | Reflect) -> None:
        """Note a candidate as soon as all its dev rows are in."""
        if isinstance(job, Score) and job.candidate and job.candidate not in self.recorded:
            entrant = self.policy.entrants[job.candidate]
            if not any(entrant.unseen(row) or row in entrant.pending for row in self.policy.dev):
                self._record(job.candidate)

    def _record(self, candidate: int) -> None:
        entrant = self.policy.entrants[candidate]
        answered = {
            row: self.results[candidate, row].score for row in self.policy.dev if (candidate, row) in self.results
        }
        scores = {row: score for row, score in answered.items() if score is not None}
        origin = ("demos" if entrant.part.startswith(DEMOS) else "reflection") if entrant.part else "combination"
        parents = sorted({self._ancestor(candidate), *self._lenders(candidate)})
        belief = self._believed(candidate)
        self.recorded[candidate] = self.search.journal.record(origin, self._prompts(candidate), scores, parents, belief)

    def _ancestor(self, candidate: int) -> int:
        """The nearest candidate before this one that was noted, by its place in the journal; 0 is the seed."""
        parent = self.policy.entrants[candidate].parent
        while parent > 0 and parent not in self.recorded:
            parent = self.policy.entrants[parent].parent
        return self.recorded.get(parent, 0)

    def _lenders(self, candidate: int) -> set[int]:
        """Noted candidates whose edits a combination has taken over."""
        entrant = self.policy.entrants[candidate]
        if entrant.part:
            return set()
        taken = entrant.edits & ~self.policy.entrants[entrant.parent].edits
        return {index for one, index in self.recorded.items() if self.policy.entrants[one].edits & taken}

    def _believed(self, candidate: int, *, picked: bool = False) -> Belief:
        policy, seed = self.policy, self.search.journal.candidates[0]
        policy.fit()
        lift, entrant = policy.model.lift(candidate), policy.entrants[candidate]
        edit = policy.model.lift(candidate, entrant.parent).mean if entrant.part else None
        spread = CREDIBLE * lift.sd
        score = min(1.0, max(0.0, (seed.dev_score or 0.0) + lift.mean))
        return Belief(
            score, lift.mean, lift.mean - spread, lift.mean + spread, lift.better, entrant.counted, edit, picked
        )

    def _conclude(self) -> None:
        """The last word on every noted candidate, the pick among them, and what the race has cost and saved."""
        policy, journal = self.policy, self.search.journal
        pick = policy.pick().candidate
        if pick and pick not in self.recorded:
            self._record(pick)
        for candidate, index in self.recorded.items():
            if index:
                journal.believe(index, self._believed(candidate, picked=candidate == pick))
        entrants = policy.entrants[1:]
        combined = sum(not entrant.part for entrant in entrants)
        text = (
            f"race: {len(entrants)} candidates, {combined} of them combined without a reflection, "
            f"weighed on {policy.spent} rows"
        )
        full = len(entrants) * len(policy.dev)
        if full > policy.spent:
            text += f" where all of dev for each would be {full}"
        journal.notes.append(f"{text}; ended: {policy.ended or 'the budget is used up'}")
