"""The prompt trainer: batch by batch a metaprompt rewrites the instruction; dev decides at the end of an epoch."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Annotated, Any, ClassVar

import dspy
from pydantic import Field

from calls.meter import Meter
from core.candidate import ProgramPrompts, Prompt
from core.evaluation import Evaluation, RowResult, RowStatus
from core.limits import RefusedError
from core.section import Section
from data.annotations import FIRST, TIE, Annotation, Preferred, all_of
from data.corpus import Row
from metrics.evaluate import Evaluator
from optimizers.base import NAMES_TEXT, Search, SearchSize
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
from programs.levers import LeverName, hints
from programs.metaprompt import metaprompt_of, shown_rows
from programs.prompts import apply_prompts, make_adapter, read_prompts
from stats import PairedDecision, compare_scores, least_kind

KEPT = 0.5
"""Share of proposals that do no worse on their batch, and of epochs that dev accepts; for the forecast only."""
PLAYED = 10
"""Epochs, and batches of an epoch, that are played; for the forecast only."""
MOST_EPOCHS = 100
SEED_STAYS = 0.2
"""Share of searches in which nothing beats the seed on dev; for the forecast only."""


class MetapromptSettings(Section):
    """What ``optimizer.settings`` may say."""

    epochs: int | None = Field(default=None, ge=1, le=MOST_EPOCHS, description="Passes over train; by the budget else.")
    train_size: int | None = Field(
        default=None, ge=1, description="Train rows of an epoch, drawn anew from all of them each time; all else."
    )
    history: int = Field(default=5, ge=0, le=50, description="Earlier attempts that a proposal is shown.")
    alpha: float = Field(default=0.2, gt=0, lt=1, description="Two-sided level at which dev accepts an epoch's prompt.")
    metaprompt: Annotated[str | None, NAMES_TEXT] = Field(
        default=None, description="A text file of the workspace, or run:ID of a run that tuned a metaprompt; ours else."
    )
    annotations: Annotated[str | None, NAMES_TEXT] = Field(
        default=None, description="A file of `annotate`, whose scores and comments are shown beside the feedback."
    )
    levers: tuple[LeverName, ...] = Field(default=(), description="Hints for whoever proposes; see programs/levers.py.")
    retries: int = Field(default=1, ge=0, le=5, description="New proposals for one that breaks a limit.")


class MetapromptSchedule(Schedule):
    """Epochs of batches that are run twice, a proposal for each, and passes over dev."""

    def most(self, shape: SearchSize) -> int:
        """Every batch twice, dev once in an epoch."""
        return min(shape.rollouts, _epochs(shape) * (2 * _train_size(shape) + shape.dev))

    def draw(self, shape: SearchSize, sizes: Sizes, rng: random.Random) -> Draw:
        """Play the epochs; what is run again with the same prompt is not paid again, which is left out.

        Of a long search only the first epochs and batches are played, and stand for the others.
        """
        reflection = sizes.reflection or assumed_reflection(sizes, rng)
        size, base, out = _train_size(shape), sizes.seed.tokens_in, sizes.tuned_out
        epochs, batches = _epochs(shape), math.ceil(size / shape.minibatch)
        played = min(epochs, PLAYED)
        length, latest, trials = 0.0, 0.0, 1.0
        student, proposer = Spent(), Spent()
        for _ in range(played):
            latest = length
            stands = epochs / played
            for _ in range(min(batches, PLAYED)):
                rows = stands * size / min(batches, PLAYED)
                calls = rows * batches / size
                child = max(reflection.written, latest) * rng.lognormvariate(0.03, 0.1)
                student += runs(rows, base + latest, out if latest else sizes.seed.tokens_out)
                student += runs(rows, base + child, out)
                shown = reflection.base_in + latest + size / batches * reflection.row_in
                proposer += runs(calls, shown, reflection.out * child / max(1.0, reflection.written))
                latest = child if rng.random() < KEPT else latest
            if latest != length:
                trials, student = trials + stands, student + stands * runs(shape.dev, base + latest, out)
                length = latest if rng.random() < KEPT else length
        stays = not latest or rng.random() < SEED_STAYS
        winner = None if stays else RowCost(base + latest, out, sizes.seed.success)
        return Draw(round(trials), student, {"reflector": proposer}, winner)

    def probe(self, probe: Probe, sizes: Sizes) -> Sizes:
        """Propose once on the pilot's rows; how long the new instruction is counts, its text is not used."""
        search, rows = probe.search, probe.pilot.scored
        if not rows:
            return sizes
        prompt = read_prompts(search.program).prompts[0]
        with Meter.row() as tally:
            proposed = propose(search, prompt.predictor, Attempt(read_prompts(search.program)), (), rows)
        if proposed is None:
            return sizes
        return measured_reflection(sizes, tally.worth, shown_rows(rows), prompt.instruction, proposed.new_instruction)


class Metaprompt:
    """Rewrites the instruction after every batch, by a prompt that is itself a prompt."""

    name: ClassVar[str] = "metaprompt"
    summary: ClassVar[str] = "a metaprompt rewrites the instruction batch by batch, dev decides after each epoch"
    Settings: ClassVar[type[Section]] = MetapromptSettings
    schedule: ClassVar[Schedule] = MetapromptSchedule()
    unused: ClassVar[tuple[str, ...]] = ("max_demos",)

    def run(self, search: Search) -> None:
        """Train; every prompt that reaches the end of an epoch goes to the journal with its scores on dev."""
        Trainer(search, MetapromptSettings.model_validate(dict(search.settings))).train()


@dataclass(frozen=True)
class Attempt:
    """One prompt that was tried, the idea behind it, and how it did."""

    prompts: ProgramPrompts
    hypothesis: str = "the instruction that the task started with"
    score: float | None = None
    where: str = "dev"


@dataclass
class Trainer:
    """The loop: epochs, batches, proposals; ``best`` is what the next epoch starts from."""

    search: Search
    settings: MetapromptSettings
    history: list[Attempt] = field(default_factory=list[Attempt])
    decisions: list[PairedDecision] = field(default_factory=list[PairedDecision])
    """What dev said at the end of each epoch that brought a new prompt."""
    spent: int = 0
    best: Attempt = field(init=False)
    best_scores: Mapping[str, float] = field(init=False)
    best_index: int = 0

    def __post_init__(self) -> None:
        seed = self.search.journal.candidates[0]
        self.best, self.best_scores = Attempt(seed.prompts, score=seed.dev_score), seed.dev_scores
        self.history.append(self.best)

    def train(self) -> None:
        """Run the epochs that the budget pays for."""
        for epoch in range(_epochs(self.search.shape)):
            latest = self.best
            for step, rows in enumerate(self.batches(epoch)):
                if self._affords(2 * len(rows) + len(self.search.dev.rows)):
                    latest = self._step(latest, rows, step)
            if latest.prompts.hash != self.best.prompts.hash:
                self._decide(latest, epoch)

    def batches(self, epoch: int) -> Iterator[tuple[Row, ...]]:
        """The batches of an epoch: all train rows shuffled, then cut to ``train_size``, then split evenly."""
        rows = list(self.search.train.rows)
        random.Random(f"{self.search.seed} {epoch}").shuffle(rows)
        rows = rows[: _train_size(self.search.shape)]
        start = 0
        for size in _parts(len(rows), self.search.shape.minibatch):
            yield tuple(rows[start : start + size])
            start += size

    def _affords(self, rows: int) -> bool:
        return self.spent + rows <= self.search.shape.rollouts - len(self.search.dev.rows)  # the seed's own on dev

    def _evaluate(self, prompts: ProgramPrompts, rows: Sequence[Row], split: str) -> Evaluation:
        self.spent += len(rows)
        search = self.search
        share = search.student.account.policy.max_error_share
        evaluate = Evaluator(search.student, search.adapter, search.metric, search.threads, share)
        return evaluate(apply_prompts(search.program, prompts), rows, split=split, program_hash=prompts.hash)

    def _step(self, latest: Attempt, rows: Sequence[Row], step: int) -> Attempt:
        """Run a batch, propose, and run it again with the proposal: what does worse is no parent."""
        before = self._evaluate(latest.prompts, rows, "train")
        if not _imperfect(before):
            return latest
        prompt = latest.prompts.prompts[step % len(latest.prompts.prompts)]
        proposed = propose(
            self.search, prompt.predictor, latest, self._others(latest), before.rows, self.settings.retries
        )
        if proposed is None:
            return latest
        child = _with(latest.prompts, Prompt(prompt.predictor, proposed.new_instruction, prompt.demos))
        if any(child.hash == attempt.prompts.hash for attempt in self.history):
            return latest
        after = self._evaluate(child, rows, "train")
        old, new = _outcomes(before, after)
        if not new:
            return latest
        where = f"a batch on which the prompt before it had {fmean(old):.3f}"
        attempt = Attempt(child, proposed.hypothesis, fmean(new), where)
        self.history.append(attempt)
        return attempt if fmean(new) >= fmean(old) else latest

    def _others(self, current: Attempt) -> tuple[Attempt, ...]:
        """The last attempts, each prompt once, without the current one."""
        found: dict[str, Attempt] = {}
        for attempt in self.history:
            found.pop(attempt.prompts.hash, None)
            found[attempt.prompts.hash] = attempt
        found.pop(current.prompts.hash, None)
        return tuple(found.values())[-self.settings.history :] if self.settings.history else ()

    def _decide(self, latest: Attempt, epoch: int) -> None:
        """Score the epoch's prompt on dev; it replaces the best only if the paired rule says that it is better."""
        done = self._evaluate(latest.prompts, self.search.dev.rows, "dev")
        scores = {r.row_id: r.score for r in done.scored if r.score is not None}
        index = self.search.journal.record(f"epoch {epoch + 1}", latest.prompts, scores, (self.best_index,))
        found = Attempt(latest.prompts, latest.hypothesis, done.mean)
        self.history.append(found)
        decision = decided(self.best_scores, scores, [row.id for row in self.search.dev.rows], self.settings.alpha)
        if decision is not None:
            self.decisions.append(decision)
        if decision is not None and decision.promote:
            self.best, self.best_scores, self.best_index = found, scores, index


def decided(
    best: Mapping[str, float], new: Mapping[str, float], rows: Sequence[str], alpha: float
) -> PairedDecision | None:
    """Whether a prompt replaces the best so far, by the paired rule; what is not known counts against it.

    None when neither has any score.
    """
    known = [row for row in rows if row in best or row in new]
    if not known:
        return None
    baseline, candidate = least_kind([best.get(row) for row in known], [new.get(row) for row in known])
    return compare_scores(
        dict(zip(known, baseline, strict=True)), dict(zip(known, candidate, strict=True)), alpha=alpha
    )


def propose(
    search: Search,
    predictor: str,
    current: Attempt,
    others: Sequence[Attempt],
    rows: Sequence[RowResult],
    retries: int = 0,
) -> Any:
    """A proposal that keeps to the limits, or None; one that breaks a limit is told so and asked for again."""
    parent = current.prompts.instructions()[predictor]
    remark = ""
    settings = MetapromptSettings.model_validate(dict(search.settings))
    told = "\n".join(filter(None, (search.limits.told(predictor), hints(settings.levers))))
    ask = metaprompt_of(search.text_of(settings.metaprompt) if settings.metaprompt else None)
    said = _said(search, settings.annotations) if settings.annotations else {}
    shown = search.shown(shown_rows(rows, said))
    adapter = make_adapter("chat")
    for _ in range(retries + 1):
        try:
            with dspy.context(lm=search.reflector, adapter=adapter):
                proposed = ask(
                    task_description=search.about,
                    current_instruction=parent,
                    current_hypothesis=current.hypothesis,
                    other_attempts=[_told(attempt, predictor) for attempt in others],
                    constraints=(told + remark) or "none",
                    examples_with_feedback=shown,
                )
            proposed.new_instruction = search.admit(predictor, parent, proposed.new_instruction)
            return proposed
        except dspy.AdapterParseError:
            return None  # counted by whoever watches the search
        except RefusedError as refused:
            remark = f"\nA first proposal was refused: {refused}."
    return None


def _said(search: Search, name: str) -> dict[str, list[dict[str, Any]]]:
    """What people said about answers to train rows, by row; what they said about other rows is not shown."""
    shown, found = {row.id for row in search.train.rows}, dict[str, list[dict[str, Any]]]()
    for note in all_of(search.text_of(name), name):
        if note.id in shown:
            found.setdefault(note.id, []).append(_note(note))
    return found


def _note(note: Annotation | Preferred) -> dict[str, Any]:
    if isinstance(note, Annotation):
        return {"of the answer": dict(note.output), "score": note.score, "comment": note.comment}
    both = [dict(note.first), dict(note.second)]
    if note.preferred == TIE:
        return {"as good as each other": both, "comment": note.comment}
    better, worse = both if note.preferred == FIRST else both[::-1]
    return {"better answer": better, "worse answer": worse, "comment": note.comment}


def _told(attempt: Attempt, predictor: str) -> dict[str, Any]:
    score = None if attempt.score is None else round(attempt.score, 4)
    instruction = attempt.prompts.instructions()[predictor]
    return {"instruction": instruction, "hypothesis": attempt.hypothesis, "score": score, "scored on": attempt.where}


def _with(prompts: ProgramPrompts, changed: Prompt) -> ProgramPrompts:
    return ProgramPrompts(tuple(changed if p.predictor == changed.predictor else p for p in prompts.prompts))


def _imperfect(evaluation: Evaluation) -> bool:
    return any(outcome is not None and outcome < 1.0 for outcome in map(_outcome, evaluation.rows))


def _outcome(row: RowResult) -> float | None:
    """A row's score for choosing a direction: an unreadable answer is its prompt's doing, another failure is not."""
    return 0.0 if row.status is RowStatus.PARSE_ERROR else row.score


def _outcomes(before: Evaluation, after: Evaluation) -> tuple[list[float], list[float]]:
    """The outcomes of rows that have one with both prompts."""
    pairs = [(_outcome(old), _outcome(new)) for old, new in zip(before.rows, after.rows, strict=True)]
    known = [(old, new) for old, new in pairs if old is not None and new is not None]
    return [old for old, _ in known], [new for _, new in known]


def _train_size(shape: SearchSize) -> int:
    chosen = MetapromptSettings.model_validate(dict(shape.settings)).train_size
    return min(shape.train, chosen or shape.train)


def _epochs(shape: SearchSize) -> int:
    """Epochs that are asked for, or that the budget buys; at least one."""
    chosen = MetapromptSettings.model_validate(dict(shape.settings)).epochs
    bought = (shape.rollouts - shape.dev) // (2 * _train_size(shape) + shape.dev)
    return chosen or max(1, min(MOST_EPOCHS, bought))


def _parts(rows: int, batch: int) -> tuple[int, ...]:
    """Sizes of batches that differ by one at most, none larger than ``batch``."""
    count = math.ceil(rows / batch)
    return tuple(rows // count + (index < rows % count) for index in range(count))
