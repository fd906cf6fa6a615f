"""Every role of a task asked once, in the format that a search will ask it in and read by the same adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dspy

from calls.failures import describe_error
from core.evaluation import Evaluation, RowStatus
from optimizers.base import Journal, Search
from optimizers.optimize import planned_searches, search_of
from optimizers.plan import row_cost
from optimizers.schedule import Probe, RowCost, Sizes, schedule_of
from programs.prompts import read_prompts
from tasks.open_run import OpenRun

BLANK = RowCost(1.0, 1.0, 0.5)
"""Sizes where only the format matters."""


@dataclass(frozen=True)
class Tried:
    """What became of asking one role; ``error`` is None when its answer could be read."""

    role: str
    alias: str
    error: str | None


class ImproveInstruction(dspy.Signature):
    """Say what is wrong with these answers to an instruction, and write a better instruction."""

    instruction: str = dspy.InputField()
    answers: str = dspy.InputField()
    critique: str = dspy.OutputField()
    improved_instruction: str = dspy.OutputField()


def rehearse(run: OpenRun) -> tuple[Tried, ...]:
    """Ask student and judge about one row, and whoever writes prompts for the task's optimisers about that answer.

    Those who write are asked as the optimiser's own forecast asks them, or, where nothing comes of that, with an
    instruction to improve. Without a readable answer of the student the others have nothing to work on and are not
    tried.

    Raises:
        ModelError: If a model is unreachable, refuses the key or keeps failing.
    """
    task = run.task
    evaluation = run.evaluate(task.program, (task.splits.dev or task.splits.train)[:1], split="dev")
    (row,) = evaluation.rows
    student = task.models["student"].alias
    if row.status not in (RowStatus.OK, RowStatus.METRIC_ERROR):
        return (Tried("student", student, row.error or row.status.value),)
    tried = [Tried("student", student, None)]
    failed = row.error if row.status is RowStatus.METRIC_ERROR else None
    if task.judges:
        tried.append(Tried("judge", ", ".join(spec.alias for spec in task.judges), failed))
    elif failed:
        tried.append(Tried("metric", task.metric.name, failed))
    return (*tried, *_writers(run, evaluation))


def _writers(run: OpenRun, pilot: Evaluation) -> list[Tried]:
    nobody = Journal(run.account.meter, tuple(row.id for row in run.task.splits.dev), lambda candidate: None)
    cost = row_cost(pilot, run.task.config.metric.threshold) or BLANK
    found: list[Tried] = []
    for planned in planned_searches(run.task):
        schedule = schedule_of(planned.optimizer)
        if schedule.role is None:
            continue
        search = search_of(run, planned.shape, nobody)
        probe = Probe(search, pilot, lambda program: cost)
        alias = run.task.models[schedule.role].alias
        sizes = Sizes(seed=cost, demo=1.0, gold_out=1.0)
        found.append(Tried(schedule.role, alias, _error(schedule.probe, probe, sizes)))
    return found


def _error(asked: Callable[[Probe, Sizes], Sizes], probe: Probe, sizes: Sizes) -> str | None:
    try:
        if asked(probe, sizes) == sizes:  # nothing was measured: it asked nobody, or could not use what was said
            _improve(probe)
    except (dspy.AdapterParseError, ValueError) as error:
        return describe_error(error)
    return None


def _improve(probe: Probe) -> None:
    search: Search = probe.search
    instruction = next(iter(read_prompts(search.program).instructions().values()))
    answers = "\n".join(f"{dict(row.prediction)}: {row.feedback}" for row in probe.pilot.rows)
    with dspy.context(lm=search.reflector, adapter=search.adapter):
        dspy.Predict(ImproveInstruction)(instruction=instruction, answers=answers)
