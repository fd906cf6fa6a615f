"""What an optimiser is given and what it must do; the kernel that every strategy plugs into."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import dspy

from core.account import Meter
from core.lm import RoleLM
from core.results import Candidate, ProgramPrompts, total
from metrics.metric import ExampleBook, Metric
from programs.prompts import read_prompts

BUDGETS: Mapping[str, int] = {"light": 6, "medium": 12, "heavy": 24}
"""Named budgets, as multiples of train plus dev rows."""


def rollouts(budget: str | int, train: int, dev: int) -> int:
    """How many program rollouts a budget buys on so many rows; never fewer than two passes over dev."""
    wanted = budget if isinstance(budget, int) else BUDGETS[budget] * (train + dev)
    return max(wanted, 2 * dev)


@dataclass(frozen=True)
class Shape:
    """The size of a search, known before anything is spent."""

    train: int
    dev: int
    predictors: int
    rollouts: int
    minibatch: int
    max_demos: int


@dataclass(frozen=True)
class Sizes:
    """What is known about rows before the search, in tokens; ``success`` is the share of rows solved by the seed."""

    row_in: float
    row_in_only: float
    """A row's own inputs, without the prompt around them: what a demo costs."""
    row_out: float
    success: float


@dataclass(frozen=True)
class Draw:
    """One way a search may go, counting only what has to be paid: an equal call twice is paid once.

    Attributes:
        trials: Evaluations on dev.
        rows: Program runs that are paid, holdout and baseline not included.
        growth: Tokens by which prompts are longer than the seed's, summed over ``rows``.
        calls: Calls of the other roles.
        winner: Tokens by which the winner's prompt is longer than the seed's; None when the seed stays.
    """

    trials: int
    rows: int
    growth: float
    calls: Mapping[str, int]
    winner: float | None


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
    shape: Shape
    seed: int
    threads: int
    threshold: float
    journal: Journal
    settings: Mapping[str, Any] = field(default_factory=dict)

    def dev_scores(self, results: Sequence[tuple[Any, Any, Any]]) -> dict[str, float]:
        """Scores by row id from the results of a ``dspy.Evaluate``; rows that failed are left out."""
        scores = {}
        for example, prediction, score in results:
            if prediction is not None and len(list(prediction.keys())) > 0:
                scores[self.dev.row(example).id] = float(score)
        return scores


def bootstrap_rows(shape: Shape, sizes: Sizes, rng: random.Random, *, sets: int) -> tuple[set[int], int]:
    """Which train rows bootstrapping runs the seed on, over so many demo sets, and how many demos a set finds.

    DSPy walks the rows in random order until it has enough successes; equal runs are paid once.
    """
    seen: set[int] = set()
    found = 0
    for _ in range(sets):
        found = 0
        for row in rng.sample(range(shape.train), shape.train):
            if found >= max(1, shape.max_demos):
                break
            seen.add(row)
            found += rng.random() < sizes.success
    return seen, found


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

    def draw(self, shape: Shape, sizes: Sizes, rng: random.Random) -> Draw:
        """Play the strategy's own schedule once, with chance where the rows decide; forecasts average over many."""
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
