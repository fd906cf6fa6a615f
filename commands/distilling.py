"""What ``distill`` does before its search: verdicts by a teacher, and the task file that the gold makes."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calls.lm import build_lm
from commands.job import starting_prompts
from core.errors import BudgetError, DataError, OutputError, UsageError
from core.evaluation import Usage, total
from core.optimization import Plan, Range, RoleForecast
from core.workspace import Workspace
from data.corpus import read_corpus
from metrics.evaluate import Evaluator
from programs.prompts import apply_prompts, predictors, read_prompts, render_messages
from tasks.command_teacher import CommandTeacher, teacher_forecast
from tasks.open_run import OpenRun, RunOptions, agreed, open_run, open_store, open_task, redactor
from tasks.purpose import Purpose
from tasks.task import Task
from tasks.teaching import (
    COMMAND,
    Freezing,
    ProgramTeacher,
    command_words,
    freeze,
    outstanding,
    read_questions,
    unjudged,
)

CHARS_PER_TOKEN, ANSWER_TOKENS = 4.0, 500
"""For the teacher's forecast, which nothing has measured yet."""


@dataclass(frozen=True)
class Teaching:
    """Who freezes which rows before the distillation starts."""

    teacher: str
    inputs: Path
    timeout: float


def say(line: str) -> None:
    """Tell a person who watches."""
    print(line, file=sys.stderr)


def place_of(workspace: Workspace, run_dir: Path | None) -> Workspace:
    """The workspace of the record: the current one, or a folder of its own that knows the same models."""
    if run_dir is None:
        return workspace
    place = Workspace(run_dir.expanduser().resolve())
    try:
        place.configs.mkdir(parents=True, exist_ok=True)
        own, theirs = place.configs / "models.yaml", workspace.configs / "models.yaml"
        if theirs.exists() and not own.exists():
            shutil.copyfile(theirs, own)
    except OSError as error:
        raise OutputError(f"--run-dir {run_dir}: cannot be used: {error.strerror}") from None
    return place


def prompt_in(path: Path | None) -> str | None:
    """The text of a prompt file.

    Raises:
        UsageError: If it cannot be read or is empty.
    """
    if path is None:
        return None
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--baseline: {path} cannot be read: {error}") from None
    if not text:
        raise UsageError(f"--baseline: {path} is empty", hint="it holds the text of the student's prompt")
    return text


def taught(
    workspace: Workspace,
    place: Workspace,
    teaching: Teaching,
    gold: Path,
    flags: Mapping[str, Any],
    options: RunOptions,
) -> dict[str, Any]:
    """Freeze the verdicts that are missing; returns the flags with caps without what that has used up.

    The teacher is a task of ``workspace``, with its champion's prompts where it has one; its calls and its run are on
    the record of ``place``.

    Raises:
        DataError: If it gave no verdict at all.
        BudgetError: If a cap was reached; verdicts that were given are kept. Or if the forecast was not accepted.
        UsageError: If a command is to be started, whose price nobody knows, and nobody is there to agree.
    """
    questions = read_questions(teaching.inputs)
    waiting = len(outstanding(gold, questions))
    say(f"teacher: {waiting} of {len(questions)} rows to ask, {len(questions) - waiting} are frozen already")
    if teaching.teacher.startswith(COMMAND):
        threads = int(flags.get("run.threads") or 4)
        teacher = CommandTeacher(command_words(teaching.teacher), teaching.timeout, threads)
        known = read_corpus(gold, require_ids=True).rows if gold.exists() else ()
        forecast = teacher_forecast(known, waiting, threads, teaching.timeout)
        say(f"teacher: {forecast}")
        if waiting and not options.yes and not agreed(f"{forecast}; go on?", options.progress, "add -y"):
            raise BudgetError("the forecast of the teacher was not accepted; it was not started")
        return _left(flags, _told(freeze(teacher, questions, gold, redactor(place).text), gold, Usage()))
    own = [f"{key}={value}" for key, value in flags.items() if key.startswith("run.") and value is not None]
    task = open_task(workspace, teaching.teacher, own)
    with contextlib.closing(open_store(workspace, redactor(workspace, task))) as store:
        task = task.starting_from(*starting_prompts(workspace, store, task, None))
    specs = (task.models["student"],)
    with open_run(place, task, Purpose("teacher", {"gold": gold.name}, specs=specs), options) as run:
        run.forecast(_plan(task, waiting))
        done = freeze(_teacher(run), questions, gold, run.ledger.redact.text)
        run.ledger.flush()
        return _left(flags, _told(done, gold, total(run.account.spent().values())))


def _teacher(run: OpenRun) -> ProgramTeacher:
    task, section = run.task, run.task.config.run
    lm = build_lm(task.models["student"], "teacher", run.account)
    return ProgramTeacher(
        name=task.name,
        model=task.models["student"].alias,
        prompts=read_prompts(task.program),
        program=apply_prompts(task.program, read_prompts(task.program)),
        evaluate=unjudged(Evaluator(lm, task.adapter, task.metric, section.threads, section.max_error_share)),
        inputs=tuple(task.config.inputs),
        outputs=tuple(task.config.outputs),
    )


def _told(done: Freezing, gold: Path, usage: Usage) -> Usage:
    say(f"teacher: {done.frozen} frozen, {len(done.failed)} failed")
    if done.failed:
        row_id, error = done.failed[0]
        say(f"teacher: failures are in {gold}.failed.jsonl and asked again next time; {row_id}: {error}")
        if not done.frozen and not done.already:
            raise DataError(f"the teacher gave no verdict at all; {row_id}: {error}")
    return usage


def _plan(task: Task, rows: int) -> Plan:
    """What the teacher is going to cost, by lengths alone: nothing has been asked yet."""
    spec, predictor = task.models["student"], predictors(task.program)[0][1]
    sample = task.splits.train[:10]
    chars = sum(len(m["content"]) for row in sample for m in render_messages(predictor, task.adapter, dict(row.inputs)))
    calls = rows * len(predictors(task.program))
    tokens_in, tokens_out = calls * chars / len(sample) / CHARS_PER_TOKEN, calls * ANSWER_TOKENS
    price = spec.price(tokens_in, tokens_out)
    cost = None if price is None else _range(price)
    role = RoleForecast(_range(calls), _range(tokens_in), _range(tokens_out), cost)
    minutes = _range(calls * spec.latency / 60 / task.config.run.threads)
    return Plan(
        rows, {"teacher": role}, role.calls, role.input_tokens, role.output_tokens, cost, minutes, None, unit="verdicts"
    )


def _range(value: float) -> Range:
    """Lengths alone say little: from a third to twice as much."""
    return Range(value, value / 3, 2 * value)


def _left(flags: Mapping[str, Any], spent: Usage) -> dict[str, Any]:
    """The caps without what the teacher has used up already.

    Raises:
        BudgetError: If nothing is left.
    """
    used = {
        "run.max_cost": spent.cost_usd or 0.0,
        "run.max_calls": spent.calls,
        "run.max_tokens": spent.input_tokens + spent.output_tokens,
    }
    left = dict(flags)
    for key, amount in used.items():
        if left.get(key) is not None:
            left[key] = left[key] - amount
            if left[key] <= 0:
                raise BudgetError(
                    f"the teacher has used up {key}; its verdicts are kept", hint="run the same command with more"
                )
    return left
