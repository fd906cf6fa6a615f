"""What an optimiser is given and what it must do; the kernel that every strategy plugs into."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import dspy

from calls.lm import RoleLM
from calls.meter import Meter
from core.candidate import Belief, Candidate, ProgramPrompts
from core.digest import DigestSection, feedback_digest
from core.evaluation import total
from core.limits import Limits, RefusedError
from metrics.metric import ExampleBook, Metric, Unscored
from programs.prompts import read_prompts

NAMES_TEXT = "names a text"
"""Marks a setting, as in ``Annotated[str, NAMES_TEXT]``, whose value is a file of the workspace or ``run:ID``."""
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
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the task file says under ``optimizer.settings``, for the optimiser's own schema to read."""


@dataclass
class Journal:
    """Every candidate of a run as it is found; the best so far survives however the run ends.

    ``on_candidate`` is called with each new candidate, in order, from the thread that found it.
    """

    meter: Meter
    dev_ids: tuple[str, ...]
    on_candidate: Callable[[Candidate], None]
    candidates: list[Candidate] = field(default_factory=list)
    optimizer: str = ""
    """Who searches now, where several do after each other."""
    notes: list[str] = field(default_factory=list)
    """What a person should know about the search, beside its candidates."""
    refused: Counter[str] = field(default_factory=Counter[str])
    """How many proposals broke a limit before a row was run, by the limit."""
    on_refused: Callable[[str], None] = lambda reason: None
    """Called with each reason when it comes for the first time."""
    _refused: set[str] = field(default_factory=set[str])
    _seen: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record(
        self,
        origin: str,
        prompts: ProgramPrompts,
        dev_scores: Mapping[str, float],
        parents: Sequence[int] = (),
        belief: Belief | None = None,
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
                optimizer=self.optimizer,
                belief=belief,
            )
            self._seen[prompts.hash] = index
            self.candidates.append(candidate)
        self.on_candidate(candidate)
        return index

    def refuse(self, proposal: str, reason: str) -> None:
        """Count a proposal that breaks a limit; the same one is counted once, however often it comes."""
        with self._lock:
            if proposal in self._refused:
                return
            self._refused.add(proposal)
            self.refused[reason] += 1
            first = self.refused[reason] == 1
        if first:
            self.on_refused(reason)

    def best(self) -> Candidate:
        """The candidate with the highest dev score; the earliest on a tie, so that the seed wins ties.

        A candidate on which more rows failed than on the seed is not eligible: its mean speaks of easier rows. Nor is
        one that a search with a belief does not stand by.
        """
        seed = self.candidates[0]
        eligible = [
            c
            for c in self.candidates
            if c.claim is not None
            and len(c.dev_scores) >= len(seed.dev_scores)
            and (c.belief is None or c.belief.picked)
        ]
        return max(eligible, key=lambda c: (round(c.claim or 0.0, 12), -c.index), default=seed)

    def believe(self, index: int, belief: Belief) -> None:
        """Say what the search believes of a candidate that is noted already; the last word counts."""
        with self._lock:
            self.candidates[index] = replace(self.candidates[index], belief=belief)


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
    max_unreadable: int = 5
    """Answers in a row of a role other than the student that may be unreadable before the search ends."""
    unscored: Unscored = field(default_factory=Unscored)
    about: str = ""
    """What the task is for, in the words of its file."""
    limits: Limits = field(default_factory=Limits)
    digest: DigestSection = field(default_factory=DigestSection)
    """How much of rows and their feedback the models that propose are shown."""
    folder: Path | None = None
    """A folder of the run's own for what a strategy needs to be continued, which it makes; None outside of a run."""
    text_of: Callable[[str], str] = str
    """The text that a setting names: a file of the workspace, or ``run:ID``; the name itself outside of a run."""

    def admit(self, predictor: str, parent: str, proposal: str) -> str:
        """A proposed instruction as it may be tried; every strategy asks before it runs a row with a new one.

        Raises:
            RefusedError: If it breaks a limit of the task; it is counted.
        """
        try:
            return self.limits.admitted(predictor, parent, proposal)
        except RefusedError as refused:
            self.journal.refuse(proposal, str(refused))
            raise

    def shown(self, rows: Sequence[Mapping[str, Any]], lm: RoleLM | None = None) -> list[Any]:
        """Rows with feedback as a model - the reflector, unless another is named - may be shown them.

        Their texts are cut where they would not fit its window; rows that fit are given back as they are.

        Raises:
            BudgetError: If they do not fit however they are cut.
        """
        return feedback_digest(rows, (lm or self.reflector).spec.model.partition("/")[0], self.digest)

    def shown_examples(self, examples: Sequence[Any], lm: RoleLM) -> list[Any]:
        """The same for DSPy's examples, which stay what they are: copies with shorter texts where they do not fit."""
        rows = [dict(example.items()) for example in examples]
        return [
            example if after is before else with_values(example, after)
            for example, before, after in zip(examples, rows, self.shown(rows, lm), strict=True)
        ]

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the task file says under ``optimizer.settings``."""
        return self.shape.settings

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


class Optimizer(Protocol):
    """One strategy: a name, a line about it, and ``run``. Everything else is optional.

    ``run`` is called in a DSPy context that has the student and the task's adapter. It spends at most
    ``search.shape.rollouts`` program runs, reports candidates with their scores on dev to ``search.journal`` and
    returns nothing. It takes all its chance from ``search.seed`` and gives the same candidates on any number of
    threads, because a killed run is continued by doing the same again.

    Optional attributes: ``schedule``, a :class:`optimizers.schedule.Schedule`, for a sharper forecast; ``Settings``, a
    :class:`core.section.Section` with what ``optimizer.settings`` of a task file may say; ``unused``, names of general
    settings (``minibatch``, ``max_demos``) that have no effect on it.
    """

    @property
    def name(self) -> str:
        """What people type."""
        ...

    @property
    def summary(self) -> str:
        """One line on how it works."""
        ...

    def run(self, search: Search) -> None:
        """Search for better prompts."""
        ...


def with_values(example: Any, values: Mapping[str, Any]) -> Any:
    """A copy of a DSPy example with other values, and the same inputs and labels."""
    copied = example.copy()
    for name, value in values.items():
        copied[name] = value
    return copied


@contextlib.contextmanager
def journalled(search: Search, origin: Callable[[int], str]) -> Iterator[None]:
    """Note every full evaluation on dev inside the block as a candidate; ``origin`` names it by its number.

    Raises:
        Exception: At the end of the block, what went wrong while noting; DSPy swallows it inside.
    """
    watch = EvaluateWatch(search, origin)
    with dspy.context(callbacks=[*dspy.settings.callbacks, watch]):
        yield
    if watch.failure is not None:
        raise watch.failure


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
