"""``optimize``: the main job."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import SPEND, DryRun, Models, Place, Settings, Starting, Strict, TaskName
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.optimization import Plan
    from core.workspace import Workspace
    from tasks.open_run import RunOptions
    from tasks.task import Task

EXAMPLE = "python cli.py optimize extraction --optimizer mipro --budget medium --seed 1"


def command(
    task: TaskName,
    models: Models,
    spending: Starting,
    settings: Settings,
    place: Place,
    optimizer: Annotated[
        str | None,
        typer.Option(
            help="gepa, mipro, bootstrap, simba, metaprompt, race; or several, as in gepa,mipro: the best on dev wins."
        ),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="light, medium, heavy, or a number of program rollouts.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same result.")] = None,
    reflector: Annotated[str | None, typer.Option(help="Model that writes better prompts.")] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="seed, champion or production: what has to be beaten."),
    ] = None,
    dry_run: DryRun = False,
    strict: Strict = False,
    confirm_above: Annotated[
        float | None,
        typer.Option(metavar="DOLLARS", help="Ask first when the forecast may exceed this.", rich_help_panel=SPEND),
    ] = None,
    pilot: Annotated[
        int | None, typer.Option(min=0, help="Dev rows that the forecast measures.", rich_help_panel=SPEND)
    ] = None,
    trust_judge: Annotated[
        bool, typer.Option("--trust-judge", help="Go on with a judge that is noisier than the lift sought; recorded.")
    ] = False,
) -> Outcome:
    """Search for a better prompt and prove it on rows that no optimiser has seen."""
    from rich.console import Console

    from commands.job import job_outcome, run_job
    from reports.progress import LiveProgress
    from tasks.open_run import open_task

    flags: dict[str, Any] = {
        "optimizer.name": optimizer,
        "optimizer.budget": budget,
        "optimizer.seed": seed,
        "models.reflector": reflector,
        "run.confirm_above": confirm_above,
        "run.pilot": pilot,
        "judge.trusted": "true" if trust_judge else None,
    }
    where = place.find()
    found = open_task(where, task, settings.overrides(models.keys(), spending.keys(), flags))
    ready = prepared(where, found, baseline)
    with LiveProgress(Console(stderr=True), ready.name) as progress:
        options = spending.options(progress)
        if dry_run:
            return _dry_run(where, ready, options)
        done = run_job(where, ready, options, place.quoted)
    return job_outcome(done, place, strict=strict)


def prepared(where: Workspace, task: Task, baseline: str | None) -> Task:
    """The task, with the prompt that has to be beaten as its start."""
    import contextlib

    from commands.job import starting_prompts
    from optimizers.judge_check import check_references
    from tasks.open_run import open_store, redactor

    check_references(task)
    with contextlib.closing(open_store(where, redactor(where, task))) as store:
        return task.starting_from(*starting_prompts(where, store, task, baseline))


def _dry_run(where: Workspace, task: Task, options: RunOptions) -> Outcome:
    """Forecast a run; the pilot's answers stay in the ledger, so that the run does not pay them again."""
    from optimizers.optimize import forecast, purpose_of
    from reports.progress import plan_lines
    from tasks.open_run import open_run
    from tracking.events import EventKind

    with open_run(where, task, purpose_of(task, dry=True), options) as run:
        plan = run.priced(forecast(run))
        run.record.emit(EventKind.FORECAST, plan)
    name = task.config.optimizer.name
    return Outcome(_plan_body(task, name, plan), "\n".join(plan_lines(task.name, name, plan)))


def _plan_body(task: Task, optimizer: str, plan: Plan) -> dict[str, Any]:
    return {
        "task": task.name,
        "optimizer": optimizer,
        "baseline_prompt": task.baseline,
        "dry_run": True,
        "trials": plan.trials,
        "calls": {role: round(forecast.calls.expected) for role, forecast in plan.roles.items()},
        "input_tokens": round(plan.input_tokens.expected),
        "output_tokens": round(plan.output_tokens.expected),
        "cost_usd": plan.cost_usd.expected if plan.cost_usd else None,
        "cost_low": plan.cost_usd.low if plan.cost_usd else None,
        "cost_high": plan.cost_usd.high if plan.cost_usd else None,
        "minutes": plan.minutes.expected,
        "minutes_high": plan.minutes.high,
        "mde": plan.mde,
        "verdicts": [dataclasses.asdict(verdict) for verdict in plan.verdicts],
        "pilot_rows": plan.pilot_rows,
        "notes": list(plan.notes),
    }
