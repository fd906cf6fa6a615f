"""``eval``: score one prompt on one split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Models, Place, Settings, Split, Starting, TaskName
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.evaluation import Evaluation
    from core.workspace import Workspace
    from stats import KeyScores
    from tasks.open_run import OpenRun, RunOptions
    from tasks.task import Task

EXAMPLE = "python cli.py eval extraction --prompts champion --split dev"


def command(
    task: TaskName,
    models: Models,
    spending: Starting,
    settings: Settings,
    place: Place,
    prompts: Annotated[str, typer.Option(help="seed, champion, production, or a run id.")] = "seed",
    split: Split = "dev",
    open_holdout: Annotated[
        bool, typer.Option("--open-holdout", help="Allow split holdout; counted as an opening.")
    ] = False,
    repeat: Annotated[int, typer.Option(min=1, help="Really run each row so many times; scores are averaged.")] = 1,
) -> Outcome:
    """Score one prompt on one split."""
    from rich.console import Console

    from reports.progress import LiveProgress
    from tasks.open_run import open_task

    check_split(split, open_holdout=open_holdout)
    where = place.find()
    found = open_task(where, task, settings.overrides(models.keys(), spending.keys()))
    with LiveProgress(Console(stderr=True), found.name) as progress:
        run_id, evaluation = evaluated(where, found, prompts, split, spending.options(progress), repeat=repeat)
    return Outcome(
        {"run_id": run_id, **_body(found, prompts, evaluation)},
        _text(found, prompts, evaluation),
        code=_code(evaluation),
    )


def check_split(split: str, *, open_holdout: bool) -> None:
    """Refuse a split that is none, and the holdout where nobody said that it may be opened.

    Raises:
        UsageError: If so.
    """
    from core.errors import UsageError

    if split not in ("train", "dev", "holdout"):
        raise UsageError(f"--split: received {split!r}; allowed: train, dev, holdout")
    if split == "holdout" and not open_holdout:
        raise UsageError(
            "looking at the holdout uses it up", hint="add --open-holdout; the gate will count the opening"
        )


def evaluated(
    where: Workspace, task: Task, prompts: str, split: str, options: RunOptions, *, repeat: int = 1
) -> tuple[str, Evaluation]:
    """Score stored prompts on a split; the evaluation is stored as a run of its own, whose id comes first."""
    import contextlib
    from dataclasses import replace

    from commands.job import find_prompts
    from optimizers.judge_check import check_references
    from programs.prompts import apply_prompts
    from tasks.open_run import open_run, open_store, redactor
    from tasks.purpose import Purpose
    from tracking.events import EventKind

    check_references(task)
    with contextlib.closing(open_store(where, redactor(where, task))) as store:
        chosen = find_prompts(store, task, prompts)
    params = {"prompts": prompts, "prompt_hash": chosen.hash, "split": split, "repeat": str(repeat)}
    identity = {name: params[name] for name in ("prompt_hash", "split", "repeat")}
    with open_run(where, task, Purpose("eval", params, identity), options) as run:
        if split == "holdout":
            _open(run, chosen.hash)
        rows = getattr(task.splits, split)
        run.progress.phase(f"{prompts} on {split}", len(rows) * repeat)
        evaluate = replace(run.evaluate, repeats=repeat)
        found = evaluate(apply_prompts(task.program, chosen), rows, split=split, program_hash=chosen.hash)
        run.record.emit(EventKind.EVALUATION, found)
        return run.id, found


def _open(run: OpenRun, prompt: str) -> None:
    """Open the holdout for a look, and say what that costs whatever is judged on it next."""
    opening = run.upcoming_opening(prompt)
    if opening is not None:
        gate = run.task.config.gate
        run.progress.note(
            f"this is opening {opening} of this holdout; what is judged on it next has level "
            f"{gate.level(opening + 1):.2g} instead of {gate.level(opening):.2g}"
        )
    run.open_holdout(prompt)


def _code(evaluation: Evaluation) -> int:
    """An evaluation in which no row has a score is a failure."""
    from metrics.metric import MetricError

    return 0 if evaluation.scored else MetricError.exit_code


def _keys(evaluation: Evaluation) -> KeyScores:
    """Every field's scores over the rows that have it, with its 95 % interval."""
    from stats import key_scores

    names = dict.fromkeys(name for row in evaluation.scored for name in row.fields)
    return key_scores({name: [row.fields.get(name) for row in evaluation.scored] for name in names})


def _body(task: Task, prompts: str, evaluation: Evaluation) -> dict[str, Any]:
    from core.evaluation import RowStatus

    keys = _keys(evaluation)
    return {
        "task": task.name,
        "prompts": prompts,
        "split": evaluation.split,
        "n": len(evaluation.rows),
        "score": evaluation.mean,
        "fields": evaluation.field_means(),
        "keys": {
            key: {"mean": known.mean, "n": known.n, "low": known.interval.low, "high": known.interval.high}
            for key, known in keys.keys.items()
        },
        "key_score": keys.overall,
        "status": {s.value: evaluation.count(s) for s in RowStatus if evaluation.count(s)},
        "calls": evaluation.usage.calls,
        "hits": evaluation.usage.hits,
        "cost_usd": evaluation.usage.cost_usd,
        "prompt_hash": evaluation.program_hash,
        "offline": task.offline,
    }


def _text(task: Task, prompts: str, evaluation: Evaluation) -> str:
    from core.evaluation import RowStatus

    score = "no row was scored" if evaluation.mean is None else f"{evaluation.mean:.3f}"
    lines = [
        f"{task.name}: {prompts} on {evaluation.split} ({len(evaluation.scored)} of {len(evaluation.rows)}): {score}"
    ]
    keys = _keys(evaluation)
    lines += [
        f"  {name:<24} {known.mean:.3f}  ({known.interval.low:.3f} to {known.interval.high:.3f}, n = {known.n})"
        for name, known in keys.keys.items()
    ]
    if any(known.n < len(evaluation.scored) for known in keys.keys.values()):
        lines.append(f"  {'mean of these':<24} {keys.overall:.3f}  where an evaluator abstains, the others count more")
    failed = [row for row in evaluation.rows if row.status is not RowStatus.OK]
    lines += [f"  {row.row_id}: {row.status}: {row.error}" for row in failed[:5]]
    if task.models["student"].offline:
        lines.append("offline: the embedded stand-in answered, not a language model")
    return "\n".join(lines)
