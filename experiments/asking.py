"""Recorded sessions before a model: what it is shown, as a task, what asking will cost, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calls.lm import RoleLM
from core.evaluation import RowResult
from core.files import write_text
from core.optimization import Plan, Range, RoleForecast
from core.plain import digest
from core.workspace import Workspace
from metrics.evaluate import Evaluator
from programs.prompts import predictors, render_messages
from tasks.config import TaskConfig
from tasks.documents import override
from tasks.open_run import OpenRun
from tasks.task import Task, assemble
from tasks.teaching import unjudged

ROLE = "reflector"
CHARS_PER_TOKEN = 4


def task_over(
    place: Workspace,
    lines: Sequence[str],
    values_at: Callable[[Path], dict[str, Any]],
    model: str | None,
    caps: Mapping[str, Any],
) -> Task:
    """A task whose rows are what the model is shown, kept beside the runs.

    Args:
        place: The workspace.
        lines: The rows, a JSON text each, without secrets.
        values_at: The task file for rows at a path.
        model: An alias; the one that the task file names unless given.
        caps: What the run may spend, as keys of a task file.
    """
    path = place.mlruns / "analysis" / f"{digest(lines)}.jsonl"
    write_text(path, "\n".join(lines) + "\n")
    values = values_at(path)
    sets = {**({f"models.{ROLE}": model, "models.student": model} if model else {}), **caps}
    for key, value in sets.items():
        override(values, {}, f"{key}={value}")
    return assemble(TaskConfig.model_validate(values), place)


def plan_by_length(task: Task, answer_tokens: int, further: int = 0, told: float = 0.0) -> Plan:
    """What it is going to cost, by lengths alone: nothing has been asked yet.

    Args:
        task: Its rows are asked about, one call each.
        answer_tokens: Tokens of one answer.
        further: Calls beside the rows.
        told: Characters that each of those is shown.
    """
    spec, predictor, rows = task.models[ROLE], predictors(task.program)[0][1], task.corpus.rows
    chars = sum(len(m["content"]) for row in rows for m in render_messages(predictor, task.adapter, dict(row.inputs)))
    calls = len(rows) + further
    sent, received = (chars + further * told) / CHARS_PER_TOKEN, calls * answer_tokens
    price = spec.price(sent, received)
    role = RoleForecast(_range(calls), _range(sent), _range(received), None if price is None else _range(price))
    return Plan(
        trials=len(rows),
        roles={ROLE: role},
        calls=role.calls,
        input_tokens=role.input_tokens,
        output_tokens=role.output_tokens,
        cost_usd=role.cost_usd,
        minutes=_range(calls * spec.latency / 60),
        mde=None,
        unit="sessions",
    )


def _range(value: float) -> Range:
    """Lengths alone say little: up to twice as much."""
    return Range(value, value / 2, 2 * value)


def answers_of(run: OpenRun, lm: RoleLM, phase: str) -> dict[str, RowResult]:
    """What the run's program says of each row, by the row's id; nothing is judged."""
    task, section = run.task, run.task.config.run
    evaluate = unjudged(Evaluator(lm, task.adapter, task.metric, section.threads, section.max_error_share))
    run.progress.phase(phase, len(task.corpus.rows))
    return {row.row_id: row for row in evaluate(task.program, task.corpus.rows, split="train").rows}
