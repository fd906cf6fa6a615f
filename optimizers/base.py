"""What an optimiser is given and what it must do; the kernel that every strategy plugs into."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import dspy

from calls.account import Meter
from calls.lm import RoleLM
from core.candidate import Candidate, ProgramPrompts
from core.evaluation import Evaluation, total
from metrics.metric import ExampleBook, Metric, Unscored
from programs.prompts import read_prompts

BUDGETS: Mapping[str, int] = {"light": 6, "medium": 12, "heavy": 24}
"""Named budgets, as multiples of train plus dev rows."""


def rollouts(budget: str | int, train: int, dev: int) -> int:
    """How many program rollouts a budget buys on so many rows; never fewer than two passes over dev."""
    wanted = budget if isinstance(budget, int) else BUDGETS[budget] * (train + dev)
    return max(wanted, 2 * dev)


@dataclass(frozen=True)
class SearchSize:
    """The size of a search, known before anything is spent."""

    train: int
    dev: int
    predictors: int
    rollouts: int
    minibatch: int
    max_demos: int


@dataclass(frozen=True)
class RowCost:
    """Tokens of one program run, and the share of rows that such a run solves."""

    tokens_in: float
    tokens_out: float
    success: float


@dataclass(frozen=True)
class Reflection:
    """Tokens of one call that rewrites an instruction: before any row, for each row shown, and what it answers."""

    base_in: float
    row_in: float
    out: float
    written: float
    """Tokens by which the new instruction is longer than the one it replaces."""


@dataclass(frozen=True)
class Sizes:
    """What is known about costs before the search, in tokens: measured by a pilot, or assumed.

    Attributes:
        seed: One run of the seed program.
        demo: One demo of a train row, as a part of a prompt.
        gold_out: An answer that equals gold; answers grow towards it as prompts improve.
        shown: One run with the demos that a strategy starts from; None where it was not measured.
        reflection: One rewriting of an instruction; None where it was not measured.
    """

    seed: RowCost
    demo: float
    gold_out: float
    shown: RowCost | None = None
    reflection: Reflection | None = None

    @property
    def tuned_out(self) -> float:
        """What a better prompt's answer takes: between the seed's and gold's."""
        return math.sqrt(self.seed.tokens_out * max(1.0, self.gold_out))

    def with_demos(self, demos: int) -> RowCost:
        """One run with so many demos, measured where it was."""
        if self.shown is not None:
            return self.shown
        return RowCost(self.seed.tokens_in + demos * self.demo, self.tuned_out, self.seed.success)


@dataclass(frozen=True)
class Spent:
    """Calls and tokens."""

    calls: float = 0.0
    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.calls + other.calls, self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out)


def runs(count: float, tokens_in: float, tokens_out: float) -> Spent:
    """So many program runs or calls of the same size."""
    return Spent(count, count * tokens_in, count * tokens_out)


@dataclass(frozen=True)
class Draw:
    """One way a search may go, counting only what has to be paid: an equal call twice is paid once.

    Attributes:
        trials: Evaluations on dev.
        student: Program runs that are paid, holdout and baseline not included.
        others: Calls of the other roles.
        winner: One run of the winner; None when the seed stays.
    """

    trials: int
    student: Spent
    others: Mapping[str, Spent]
    winner: RowCost | None


@dataclass
class Journal:
    """Every candidate of a run as it is found; the best so far survives however the run ends.

    ``on_candidate`` is called with each new candidate, in order, from the thread that found it.
    """

    meter: Meter
    dev_ids: tuple[str, ...]
    on_candidate: Callable[[Candidate], None]
    candidates: list[Candidate] = field(default_factory=list)
    _seen: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record(
        self, origin: str, prompts: ProgramPrompts, dev_scores: Mapping[str, float], parents: Sequence[int] = ()
    ) -> int:
        """Note a candidate that was scored on dev; a row without a score is left out, never scored zero.

        Returns:
            The candidate's index; the earlier index when the same prompts were scored before.
        """
        with self._lock:
            if prompts.hash in self._seen:
                return self._seen[prompts.hash]
            index = len(self.candidates)
            score = sum(dev_scores.values()) / len(dev_scores) if dev_scores else None
            candidate = Candidate(
                index=index,
                origin=origin,
                prompts=prompts,
                dev_score=score,
                dev_scores=dict(dev_scores),
                parents=tuple(parents),
                complete=set(dev_scores) == set(self.dev_ids),
                usage=total(self.meter.snapshot().values()),
            )
            self._seen[prompts.hash] = index
            self.candidates.append(candidate)
        self.on_candidate(candidate)
        return index

    def best(self) -> Candidate:
        """The candidate with the highest dev score; the earliest on a tie, so that the seed wins ties.

        A candidate on which more rows failed than on the seed is not eligible: its mean speaks of easier rows.
        """
        seed = self.candidates[0]
        eligible = [c for c in self.candidates if c.dev_score is not None and len(c.dev_scores) >= len(seed.dev_scores)]
        return max(eligible, key=lambda c: (round(c.dev_score or 0.0, 12), -c.index), default=seed)


@dataclass(frozen=True)
class Search:
    """All that one optimiser run may use. The holdout is not here."""

    program: dspy.Module
    train: ExampleBook
    dev: ExampleBook
    metric: Metric
    student: RoleLM
    reflector: RoleLM
    proposer: RoleLM
    adapter: dspy.ChatAdapter
    shape: SearchSize
    seed: int
    threads: int
    threshold: float
    journal: Journal
    settings: Mapping[str, Any] = field(default_factory=dict)
    unscored: Unscored = field(default_factory=Unscored)

    def scored(self, row_id: str, prediction: Any) -> bool:
        """Whether a row's answer has a score: it was parsed, and it could be judged."""
        parsed = isinstance(prediction, dspy.Prediction) and len(list(prediction.keys())) > 0
        return parsed and not self.unscored.has(row_id, prediction)

    def dev_scores(self, results: Sequence[tuple[Any, Any, Any]]) -> dict[str, float]:
        """Scores by row id from the results of a ``dspy.Evaluate``; rows that failed are left out."""
        scores = {}
        for example, prediction, score in results:
            row_id = self.dev.row(example).id
            if self.scored(row_id, prediction):
                scores[row_id] = float(score)
        return scores


@dataclass(frozen=True)
class Probe:
    """What a strategy may try before its search, so that the forecast knows its sizes.

    Attributes:
        search: The search to come; nothing is journalled.
        pilot: The seed's rows.
        run: Runs a program on the pilot's rows and says what it took; None when no row was paid.
    """

    search: Search
    pilot: Evaluation
    run: Callable[[dspy.Module], RowCost | None]


def bootstrapping(shape: SearchSize, shown: RowCost, rng: random.Random, *, sets: int) -> Spent:
    """What it takes to collect demos for so many sets.

    For each set DSPy walks the train rows in an order of its own with demos of its own, until a random number of them
    succeeded, so that the walks share nothing.
    """
    rows = 0
    for index in range(sets):
        wanted = shape.max_demos if index == 0 else rng.randint(1, max(1, shape.max_demos))
        for _ in range(shape.train):
            if wanted <= 0:
                break
            rows += 1
            wanted -= rng.random() < shown.success
    return runs(rows, shown.tokens_in, shown.tokens_out)


def labelled(search: Search, demos: int) -> dspy.Module:
    """The program with labelled demos that DSPy starts its demo sets from."""
    train = list(search.train.examples)
    return dspy.LabeledFewShot(k=demos).compile(search.program, trainset=train)


class Optimizer(Protocol):
    """One strategy. It spends at most its budget and reports candidates to ``search.journal``; it returns nothing."""

    @property
    def name(self) -> str:
        """What people type."""
        ...

    @property
    def summary(self) -> str:
        """One line on how it works."""
        ...

    def draw(self, shape: SearchSize, sizes: Sizes, rng: random.Random) -> Draw:
        """Play the strategy's own schedule once, with chance where the rows decide; forecasts average over many."""
        ...

    def probe(self, probe: Probe, sizes: Sizes) -> Sizes:
        """Measure what the forecast needs to know beyond the seed's own rows, with a few calls."""
        ...

    def run(self, search: Search) -> None:
        """Search for better prompts."""
        ...


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the optimisers' own bars and prints off our screen; errors are counted by the meter instead."""
    loggers = [logging.getLogger(name) for name in ("dspy", "gepa", "optuna", "LiteLLM", "litellm")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with (
            open(os.devnull, "w", encoding="utf-8") as sink,
            contextlib.redirect_stdout(sink),
            contextlib.redirect_stderr(sink),
        ):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class EvaluateWatch(dspy.utils.callback.BaseCallback):
    """Turns every full evaluation on dev that an optimiser makes into a journal entry."""

    def __init__(self, search: Search, origin: Callable[[int], str]) -> None:
        self.search, self.origin = search, origin
        self.trial = 0
        self.failure: Exception | None = None
        self._programs: dict[str, Any] = {}

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Remember which program is being evaluated."""
        self._programs[call_id] = inputs.get("program")

    def on_evaluate_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
        """Record the program with its dev scores; minibatches are not recorded."""
        program = self._programs.pop(call_id, None)
        if exception is not None or program is None or len(outputs.results) != len(self.search.dev.examples):
            return
        try:
            scores = self.search.dev_scores(outputs.results)
            self.search.journal.record(self.origin(self.trial), read_prompts(program), scores)
            self.trial += 1
        except Exception as error:  # noqa: BLE001 - DSPy swallows what a callback raises; kept and raised after the run
            self.failure = error
