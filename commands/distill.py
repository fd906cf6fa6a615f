"""``distill``: from a teacher's verdicts to a cheap prompt that gives them too, or to a reasoned no."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dotenv import load_dotenv

from calls.lm import build_lm
from calls.models import find_model, load_models
from commands.optimize import OutputOptions, baseline_of, run_task
from commands.session import Finish, as_sets, calls, open_store, open_task, opened_account, redactor
from core.errors import BudgetError, DataError, OutputError, UsageError
from core.evaluation import Usage, total
from core.workspace import Workspace
from gates.catalog import GATES
from metrics.evaluate import Evaluator
from optimizers import OPTIMIZERS
from programs.prompts import apply_prompts, predictors, read_prompts, render_messages
from tasks.distill_task import DistillSpec, budget_text, distillation_config, load_gold_scenarios, save_task
from tasks.scaffold import relative_to
from tasks.task import Task, check_caps
from tasks.teaching import (
    COMMAND,
    CommandTeacher,
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


@dataclass(frozen=True)
class Distilling:
    """What a person asks for, beside how the run should behave.

    ``flags`` are task-file keys that are not written into the task file: caps, threads.
    """

    gold: Path
    spec: DistillSpec
    baseline: Path | None = None
    run_dir: Path | None = None
    teaching: Teaching | None = None
    force: bool = False
    flags: Mapping[str, Any] = field(default_factory=dict[str, Any])


def run_distill(workspace: Workspace, wanted: Distilling, manner: OutputOptions, finish: Finish) -> None:
    """Freeze verdicts where asked, write the task, and run it through the main job; nothing is exported.

    Without a baseline of its own, a distillation that has a champion already has to beat that one.
    """
    place, spec = _place(workspace, wanted.run_dir), replace(wanted.spec, baseline=_prompt(wanted.baseline))
    named = str(place.root) if wanted.run_dir is not None else manner.workspace
    manner = replace(manner, workspace=shlex.quote(named) if named else None)
    load_dotenv(workspace.root / ".env", override=False)
    OPTIMIZERS.get(spec.optimizer)
    if spec.gate is not None:
        GATES.get(spec.gate)
    models = load_models(place.models)
    for model in (spec.model, spec.reflector, *spec.transfer):
        find_model(model, models)
    flags = dict(wanted.flags)
    if wanted.teaching is not None:
        flags = _left(flags, _teach(workspace, place, wanted, flags, manner))
    gold = wanted.gold
    config = distillation_config(load_gold_scenarios(gold), spec, gold=gold, corpus_path=relative_to(gold, place.root))
    path, written = save_task(config, gold, place.root, force=wanted.force)
    task = open_task(place, config.task, as_sets(flags))
    store = open_store(place, task)
    info = task.splits.info
    _say(f"{'wrote' if written else 'unchanged:'} {path}")
    _say(f"{info.train} train, {info.dev} dev, {info.holdout} holdout rows")
    _say(f"budget: {budget_text(spec.generations, spec.population, info.train, info.dev)}")
    task = task.starting_from(baseline_of(store, task, "seed" if wanted.baseline else None))
    run_task(place, task, store, manner, finish)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _place(workspace: Workspace, run_dir: Path | None) -> Workspace:
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


def _prompt(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--baseline: {path} cannot be read: {error}") from None
    if not text:
        raise UsageError(f"--baseline: {path} is empty", hint="it holds the text of the student's prompt")
    return text


# The teacher


def _teach(
    workspace: Workspace, place: Workspace, wanted: Distilling, flags: Mapping[str, Any], manner: OutputOptions
) -> Usage:
    """Freeze the verdicts that are missing; returns what that cost.

    The teacher is a task of ``workspace``, with its champion's prompts where it has one; its calls are in the ledger of
    ``place``.
    """
    assert wanted.teaching is not None
    teaching, gold = wanted.teaching, wanted.gold
    questions = read_questions(teaching.inputs)
    waiting = len(outstanding(gold, questions))
    _say(f"teacher: {waiting} of {len(questions)} rows to ask, {len(questions) - waiting} are frozen already")
    threads = int(flags.get("run.threads") or 4)
    if teaching.teacher.startswith(COMMAND):
        teacher = CommandTeacher(command_words(teaching.teacher), teaching.timeout, threads)
        return _told(freeze(teacher, questions, gold, redactor(place).text), gold, Usage())
    task = open_task(workspace, teaching.teacher, as_sets({k: v for k, v in flags.items() if k.startswith("run.")}))
    check_caps(task)
    store = open_store(workspace, task)
    task = task.starting_from(baseline_of(store, task, None))
    store.close()
    _confirm(task, waiting, manner)
    with calls(place, task) as ledger, opened_account(ledger, task, "teacher") as account:
        lm = build_lm(task.models["student"], "teacher", account)
        run = task.config.run
        teacher = ProgramTeacher(
            name=task.name,
            model=task.models["student"].alias,
            prompts=read_prompts(task.program),
            program=apply_prompts(task.program, read_prompts(task.program)),
            evaluate=unjudged(Evaluator(lm, task.adapter, task.metric, run.threads, run.max_error_share)),
            inputs=tuple(task.config.inputs),
            outputs=tuple(task.config.outputs),
        )
        done = freeze(teacher, questions, gold, ledger.redact.text)
        account.ledger.flush()
        return _told(done, gold, total(account.spent().values()))


def _told(done: Freezing, gold: Path, usage: Usage) -> Usage:
    _say(f"teacher: {done.frozen} frozen, {len(done.failed)} failed")
    if done.failed:
        row_id, error = done.failed[0]
        _say(f"teacher: failures are in {gold}.failed.jsonl and asked again next time; {row_id}: {error}")
        if not done.frozen and not done.already:
            raise DataError(f"the teacher gave no verdict at all; {row_id}: {error}")
    return usage


def _confirm(task: Task, rows: int, manner: OutputOptions) -> None:
    """Say what the teacher may cost, and ask when that is more than a person spends without thinking."""
    spec, predictor = task.models["student"], predictors(task.program)[0][1]
    sample = task.splits.train[:10]
    chars = sum(len(m["content"]) for row in sample for m in render_messages(predictor, task.adapter, dict(row.inputs)))
    price = spec.price(chars / len(sample) / CHARS_PER_TOKEN, ANSWER_TOKENS)
    requests = rows * len(predictors(task.program))
    _say(
        f"teacher: {requests} calls to {spec.alias}, "
        + ("price unknown" if price is None else f"about ${price * requests:.4f} by lengths alone")
    )
    run = task.config.run
    if manner.yes or run.max_cost is not None or spec.offline or price is None:
        return
    if price * requests > run.confirm_above:
        raise UsageError(
            f"the teacher may cost ${price * requests:.2f}",
            hint="add -y, or --max-cost DOLLARS for teacher and tuning together",
        )


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
