"""``gate``: may this prompt replace that one? Asked about any two stored prompts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Models, Place, Settings, Starting, Strict
from commands.outcome import Outcome, verdict_body

if TYPE_CHECKING:
    from core.candidate import ProgramPrompts
    from core.verdict import Check, Verdict
    from core.workspace import Workspace
    from tasks.open_run import OpenRun, RunOptions
    from tasks.task import Task
    from tracking.store import Store

EXAMPLE = "python cli.py gate champion extraction-20260102 --task extraction --gate production"


def command(
    champion: Annotated[
        str, typer.Argument(help="What is in use: seed, champion, production, or a run id.", show_default=False)
    ],
    challenger: Annotated[str, typer.Argument(help="What may replace it: the same.", show_default=False)],
    task: Annotated[str, typer.Option("--task", metavar="TASK", help="A task name or the path of a task file.")],
    models: Models,
    spending: Starting,
    settings: Settings,
    place: Place,
    name: Annotated[
        str | None, typer.Option("--gate", metavar="NAME", help="heldout or production; the task's own by default.")
    ] = None,
    strict: Strict = False,
    junit: Annotated[
        str | None, typer.Option("--junit", metavar="FILE", help="Write every check as a JUnit test case.")
    ] = None,
) -> Outcome:
    """Let a gate decide whether one stored prompt may replace another; counts as an opening of the holdout."""
    from rich.console import Console

    from commands.job import STRICT_CODES
    from core.files import write_text
    from reports.junit import junit as junit_text
    from reports.progress import LiveProgress
    from tasks.open_run import open_task, redactor

    started, where = time.perf_counter(), place.find()
    found = open_task(where, task, settings.overrides(models.keys(), spending.keys(), {"gate.name": name}))
    with LiveProgress(Console(stderr=True), found.name) as progress:
        run_id, verdict, prompts = judged(where, found, champion, challenger, spending.options(progress))
    gate = found.config.gate.name
    if junit is not None:
        text = junit_text(verdict, suite=f"gate {gate}: {found.name}", seconds=time.perf_counter() - started)
        write_text(Path(junit), redactor(where, found).text(text))
    names = (champion, challenger)
    body = {"run_id": run_id, **_body(found, names, prompts, verdict)}
    return Outcome(body, _text(found, names, verdict), code=STRICT_CODES[verdict.decision] if strict else 0)


def judged(
    where: Workspace, task: Task, champion: str, challenger: str, options: RunOptions
) -> tuple[str, Verdict, tuple[ProgramPrompts, ProgramPrompts]]:
    """Ask the task's gate about two stored prompts; the answer is stored as a run of its own, whose id comes first."""
    import contextlib

    from commands.job import find_prompts
    from gates.gate import same_prompt
    from optimizers.evidence import decide
    from tasks.open_run import open_run, open_store, redactor
    from tasks.purpose import Purpose
    from tracking.events import EventKind

    with contextlib.closing(open_store(where, redactor(where, task))) as store:
        prompts = find_prompts(store, task, champion), find_prompts(store, task, challenger)
        owner = _owner(store, task, challenger)
    hashes = {"champion_hash": prompts[0].hash, "challenger_hash": prompts[1].hash}
    names = {"champion": champion, "challenger": challenger, "gate": task.config.gate.name}
    with open_run(where, task, Purpose("gate", names | hashes, hashes), options) as run:
        if prompts[0].hash == prompts[1].hash:
            verdict = same_prompt()
        else:
            run.warn_of_opening(prompts[1].hash, owner)
            search = _dev_scores(run, prompts)
            evidence, verdict = decide(run, (prompts[0], search[0]), (prompts[1], search[1]), owner=owner)
            run.record.emit(EventKind.EVALUATION, evidence.champion)
            run.record.emit(EventKind.EVALUATION, evidence.challenger)
        run.record.emit(EventKind.VERDICT, verdict)
    return run.id, verdict, prompts


def _dev_scores(run: OpenRun, prompts: tuple[ProgramPrompts, ProgramPrompts]) -> list[float | None]:
    """Both on dev, where the gate compares that with the holdout."""
    from gates.catalog import build_gate
    from programs.prompts import apply_prompts

    task = run.task
    if not any(check.name == "overfit" for check in build_gate(task.config.gate, task.root).checks):
        return [None, None]
    run.progress.phase("both prompts on dev", 2 * len(task.splits.dev))
    rows = task.splits.dev
    return [run.evaluate(apply_prompts(task.program, p), rows, split="dev", program_hash=p.hash).mean for p in prompts]


def _owner(store: Store, task: Task, which: str) -> str:
    """Whose opening of the holdout it is: asking again about the same prompt of the same run is the same opening."""
    if which in ("seed", "production"):
        return f"{task.name}-{which}"
    champion = store.champion(task.name)
    if which == "champion" and champion is not None:
        return champion.run_id or f"{task.name}-seed"
    return store.run(which).run_id


def _body(
    task: Task, names: tuple[str, str], prompts: tuple[ProgramPrompts, ProgramPrompts], verdict: Verdict
) -> dict[str, Any]:
    return {
        "task": task.name,
        "gate": task.config.gate.name,
        "champion": names[0],
        "challenger": names[1],
        "champion_hash": prompts[0].hash,
        "challenger_hash": prompts[1].hash,
        **verdict_body(verdict, len(task.splits.holdout)),
        "checks": [_check(check) for check in verdict.checks],
        "offline": task.offline,
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "status": check.status.value,
        "required": check.required,
        "message": check.message,
        "evidence": dict(check.evidence),
    }


def _text(task: Task, names: tuple[str, str], verdict: Verdict) -> str:
    lines = [f"{task.name}: {names[1]} against {names[0]}, gate {task.config.gate.name}: {verdict.decision.value}"]
    lines += [f"  {reason}" for reason in verdict.reasons]
    width = max((len(check.name) for check in verdict.checks), default=0)
    lines += [
        "",
        *(f"  {c.name:<{width}}  {c.status.value.replace('_', ' '):<13}  {c.message}" for c in verdict.checks),
    ]
    if task.offline:
        lines += ["", "offline: the embedded stand-in answered, not a language model"]
    return "\n".join(lines)
