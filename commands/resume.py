"""``resume``: go on with a run that did not come to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.flags import Models, Place, RunName, Spending, Strict
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.workspace import Workspace
    from tasks.task import Task

EXAMPLE = "python cli.py resume extraction-20260102 --max-cost 5"


def command(run: RunName, models: Models, spending: Spending, place: Place, strict: Strict = False) -> Outcome:
    """Continue a run that was interrupted, stopped or ran out of budget; nothing is paid twice."""
    from rich.console import Console

    from commands.job import job_outcome, run_job
    from reports.progress import LiveProgress

    where = place.find()
    task = _as_it_was(where, run, spending, models)
    with LiveProgress(Console(stderr=True), task.name) as progress:
        done = run_job(where, task, spending.options(progress), place.quoted)
    return job_outcome(done, place, strict=strict)


def _as_it_was(where: Workspace, run: str, spending: Spending, models: Models) -> Task:
    """The task as the run started with it, with other caps.

    Raises:
        UsageError: If the run is over, is of a kind that is not continued, or anything has changed since.
    """
    import contextlib

    from dotenv import load_dotenv

    from core.candidate import Candidate
    from core.errors import UsageError
    from core.plain import from_json
    from optimizers.optimize import purpose_of
    from tasks.config import TaskConfig
    from tasks.open_run import open_store
    from tasks.purpose import identity
    from tasks.task import assemble
    from tracking.events import EventKind
    from tracking.store import OUTCOMES, UNFINISHED

    with contextlib.closing(open_store(where)) as store:
        summary = store.run(run)
        if summary.state not in UNFINISHED:
            raise UsageError(f"run {summary.run_id} is {summary.state}; there is nothing to continue")
        start = store.started(summary.run_id)
        if summary.kind not in OUTCOMES:
            raise UsageError(
                f"run {summary.run_id} is of kind {summary.kind}",
                hint=f"it continues by the same command: {start.command}",
            )
        candidates = store.events(summary.run_id, kind=EventKind.CANDIDATE)
    caps = {"max_cost": spending.max_cost, "max_calls": spending.max_calls, "max_tokens": spending.max_tokens}
    caps |= {"max_minutes": spending.max_minutes, "threads": models.threads}
    config = TaskConfig.model_validate(start.config)
    given = {key: value for key, value in caps.items() if value is not None}
    config = config.model_copy(update={"run": config.run.model_copy(update=given)})
    if models.student is not None:
        raise UsageError("--student: a run is continued with its own models", hint="start a new one: optimize")
    load_dotenv(where.root / ".env", override=False)
    task = assemble(config, where)
    now = identity(task, purpose_of(task))
    if now != dict(start.identity) and candidates:  # it may have started from a champion
        first = from_json(Candidate, candidates[0].payload)
        task = task.starting_from(first.prompts, start.params.get("baseline", "champion"))
        now = identity(task, purpose_of(task))
    if now != dict(start.identity):
        parts = sorted(part for part in {*now, *start.identity} if now.get(part) != start.identity.get(part))
        changed = [f"{part}: {start.identity.get(part)} -> {now.get(part)}" for part in parts]
        raise UsageError(
            f"run {summary.run_id} cannot be continued, something has changed since: {'; '.join(changed)}",
            hint=f"undo the change, or start a new run: python cli.py optimize {start.task}",
        )
    return task
