"""Does what a search finds help on a kind of rows that it never saw? The search again, without each kind in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from core.candidate import Candidate
from core.evaluation import Evaluation
from core.optimization import LeftOut
from core.plain import canonical
from data.corpus import Row
from metrics.metric import ExampleBook
from optimizers.base import Journal, Search, SearchSize, rollouts
from optimizers.plan import PlannedSearch
from optimizers.search import run_search
from programs.prompts import apply_prompts, read_prompts
from stats import t_interval
from tasks.open_run import OpenRun
from tasks.task import Task

SHARE = 2 / 3
"""Of the train rows in a minibatch at most."""
Searching = Callable[[OpenRun, SearchSize, Journal], Search]


def kinds_of(task: Task) -> tuple[str, ...]:
    """The values of the input that the task leaves out one by one, over train and dev; empty where it names none."""
    field = task.config.optimizer.leave_one_out
    if field is None:
        return ()
    rows = (*task.splits.train, *task.splits.dev)
    return tuple(dict.fromkeys(_kind(row, field) for row in sorted(rows, key=lambda row: _kind(row, field))))


def without(task: Task, planned: PlannedSearch, kind: str) -> PlannedSearch | None:
    """A search as large as it is without one kind of rows; None where nothing would be left to search or decide on."""
    train, dev = (len(rows) for rows in _others(task, kind))
    if not train or not dev:
        return None
    minibatch = min(planned.shape.minibatch, math.ceil(SHARE * train))
    budget = rollouts(task.config.optimizer.budget, train, dev)
    return replace(planned, shape=replace(planned.shape, train=train, dev=dev, minibatch=minibatch, rollouts=budget))


def left_out(
    run: OpenRun, baseline: Evaluation, planned: Sequence[PlannedSearch], searching: Searching
) -> tuple[LeftOut, ...]:
    """Search without each kind of rows, and score seed and winner on the rows of train and dev that are of that kind.

    The holdout stays as it is: it is neither searched nor scored here.

    Args:
        run: The run at work.
        baseline: The seed on dev.
        planned: What searches the task as a whole.
        searching: Makes the search of the task as a whole, with another size and journal.

    Raises:
        ModelError: If a model is unreachable or keeps failing.
        Halt: If the run has to end.
    """
    return tuple(_without(run, baseline, planned, searching, kind) for kind in kinds_of(run.task))


def _without(
    run: OpenRun, baseline: Evaluation, planned: Sequence[PlannedSearch], searching: Searching, kind: str
) -> LeftOut:
    task = run.task
    train, dev = _others(task, kind)
    seed = read_prompts(task.program)
    known = {row.row_id: row.score for row in baseline.scored if row.score is not None}
    journal = Journal(run.account.meter, tuple(row.id for row in dev), _unheard)
    journal.record("seed", seed, {row.id: known[row.id] for row in dev if row.id in known})
    for search in planned:
        smaller = without(task, search, kind)
        if smaller is None:
            continue
        run.progress.phase(f"search without {kind}", smaller.shape.rollouts)
        whole = searching(run, smaller.shape, journal)
        part = replace(whole, train=ExampleBook(train), dev=ExampleBook(dev))
        run_search(search.optimizer, part, debug=run.options.debug)
    best = journal.best().prompts
    rows = _of_kind(task, kind)
    before, after = (
        run.evaluate(apply_prompts(task.program, prompts), rows, split="left out", program_hash=prompts.hash)
        for prompts in (seed, best)
    )
    return _compared(kind, before, after, changed=best.hash != seed.hash)


def _compared(kind: str, before: Evaluation, after: Evaluation, *, changed: bool) -> LeftOut:
    old, new = (_scores(evaluation) for evaluation in (before, after))
    both = [row for row in old if row in new]
    deltas = [new[row] - old[row] for row in both]
    interval = t_interval(deltas) if len(deltas) > 1 else None
    return LeftOut(
        kind=kind,
        n=len(both),
        before=fmean(old[row] for row in both) if both else None,
        after=fmean(new[row] for row in both) if both else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        changed=changed,
    )


def _scores(evaluation: Evaluation) -> dict[str, float]:
    return {row.row_id: row.score for row in evaluation.scored if row.score is not None}


def _kind(row: Row, field: str) -> str:
    value: Any = row.inputs.get(field)
    return value if isinstance(value, str) else canonical(value)


def _others(task: Task, kind: str) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    field = task.config.optimizer.leave_one_out or ""
    train, dev = task.splits.train, task.splits.dev
    return tuple(r for r in train if _kind(r, field) != kind), tuple(r for r in dev if _kind(r, field) != kind)


def _of_kind(task: Task, kind: str) -> tuple[Row, ...]:
    field = task.config.optimizer.leave_one_out or ""
    return tuple(row for row in (*task.splits.train, *task.splits.dev) if _kind(row, field) == kind)


def _unheard(candidate: Candidate) -> None:
    """Candidates of these searches are no candidates of the run."""
