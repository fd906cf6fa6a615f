"""Running an assembled task through the main job, from the open run to the written report."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isinf
from pathlib import Path
from typing import Any

from commands.flags import Place
from commands.outcome import Outcome, verdict_body
from core.candidate import ProgramPrompts
from core.economy import Distillation
from core.errors import BudgetError, UsageError
from core.files import write_text
from core.optimization import BASELINES, Optimization
from core.plain import from_json
from core.verdict import Decision
from core.workspace import Workspace
from optimizers.distill import conclude
from optimizers.optimize import optimize, purpose_of
from programs.prompts import read_prompts
from reports import optimization_report, render_html
from reports.blocks import Report
from reports.deciding import lift_line
from reports.distillation_page import closing_commands, closing_lines, economy
from tasks.open_run import OpenRun, RunOptions, open_run, open_store
from tasks.production import production_prompts, read_registered
from tasks.task import Task
from tracking.events import EventKind
from tracking.provenance import provenance_path, read_provenance
from tracking.store import Store

STRICT_CODES = {Decision.PROMOTE: 0, Decision.HOLD: 1, Decision.INCONCLUSIVE: 2}


@dataclass(frozen=True)
class Finished:
    """A search with its report: the outcome as it was stored, without secrets."""

    place: Workspace
    result: Optimization
    study: Distillation | None
    page: Report
    path: Path

    def told(self) -> None:
        """Note that it has reached whoever asked; until then, the same command tells it instead of starting anew."""
        with contextlib.closing(open_store(self.place)) as store:
            store.told(self.result.run_id)


def run_job(
    place: Workspace,
    task: Task,
    options: RunOptions,
    named: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Finished:
    """Search, decide, and write the report.

    Args:
        place: The workspace.
        task: The task.
        options: How the run is to behave.
        named: The workspace as commands that are shown name it.
        tags: Further tags of the run's record.
    """
    with open_run(place, task, replace(purpose_of(task), tags=tags or {}), options) as run:
        done = optimize(run)
        if task.config.distillation is not None and not run.store.has(run.id, EventKind.DISTILLATION):
            conclude(run, done)
        return _written(run, named)


def _written(run: OpenRun, named: str | None) -> Finished:
    """Write page and provenance; everything in them is read back from the store, where secrets are masked."""
    store, result = run.store, run.store.optimization(run.id)
    event = store.last(run.id, EventKind.DISTILLATION)
    study = from_json(Distillation, event.payload) if event is not None else None
    links = run.tracker.links(result.task, result.run_id)
    page = optimization_report(result, links=links, distillation=study, workspace=named)
    path = run.place.mlruns / "reports" / f"{result.run_id}.html"
    write_text(path, render_html(page))
    write_text(provenance_path(run.place, result.run_id), read_provenance(store, result.run_id).payload + "\n")
    run.record.emit(EventKind.REPORT, {"path": str(path)})
    return Finished(run.place, result, study, page, path)


def job_outcome(done: Finished, place: Place, *, strict: bool) -> Outcome:
    """What a search says at its end, to programs and to people."""
    result = done.result
    lines = [""] if done.study is None else ["", *closing_lines(result, place.quoted), ""]
    lines += [f"mlflow   python cli.py ui{place.suffix}"]
    compare = done.page.links.get("row by row")
    lines += [f"rows     {compare}"] if compare else []
    code = STRICT_CODES[result.verdict.decision] if strict else 0
    if result.ended != "finished":
        lines.append(f"continue python cli.py resume {result.run_id}{place.suffix}")
        code = BudgetError.exit_code
    evidence = result.verdict.evidence
    lines += [f"verdict  {result.verdict.decision.value}"]
    lines += [f"lift     {lift_line(evidence) if evidence else 'not measured: the holdout was not opened'}"]
    lines += [f"report   {done.path}"]
    body = _body(result, done.path)
    if done.study is not None:
        body |= _study_body(result, done.study, place.quoted)
    return Outcome(body, "\n".join(lines), done.page, code=code, told=done.told)


def _body(result: Optimization, report: Path) -> dict[str, Any]:
    evidence, usage = result.verdict.evidence, result.total_usage
    changed = result.winner.hash != result.baseline.hash
    return {
        "task": result.task,
        "optimizer": result.optimizer,
        "baseline_prompt": result.params.get("baseline"),
        "found_by": (result.candidates[result.winner_index].optimizer or result.optimizer) if changed else None,
        **verdict_body(result.verdict, result.splits.holdout),
        "mde": evidence.mde if evidence else result.plan.mde,
        "dev_baseline": result.dev_baseline.mean,
        "dev_candidate": result.candidates[result.winner_index].claim,
        "candidates": len(result.candidates),
        "refused": dict(result.refused),
        "left_out": [asdict(part) for part in result.left_out],
        "calls": usage.calls,
        "hits": usage.hits,
        "cost_usd": usage.cost_usd,
        "forecast_usd": result.plan.cost_usd.expected if result.plan.cost_usd else None,
        "seconds": round(result.seconds, 3),
        "ended": result.ended,
        "seed": result.seed,
        "prompt_hash": result.winner.hash,
        "offline": result.offline,
        "warnings": list(result.warnings),
        "run_id": result.run_id,
        "report": str(report),
    }


def _study_body(result: Optimization, study: Distillation, named: str | None) -> dict[str, Any]:
    before, after = result.holdout_baseline, result.holdout_candidate
    money = economy(result, study)
    export, promote = closing_commands(result, named)
    return {
        "winner": result.winner.instructions(),
        "agreement_before": before.mean if before else None,
        "agreement_after": after.mean if after else None,
        "teacher_cost": money.teacher_cost,
        "student_cost": money.student_cost,
        "tuning_cost": money.tuning_cost,
        "break_even": None if money.break_even is None or isinf(money.break_even) else money.break_even,
        "transfer": {t.model: t.evaluation.mean if t.evaluation else None for t in study.transfers},
        "export": export,
        "promote": promote,
    }


def starting_prompts(where: Workspace, store: Store, task: Task, wanted: str | None) -> tuple[ProgramPrompts, str]:
    """What has to be beaten, and what that is: a key of ``BASELINES``.

    Unless one is asked for it is the prompt that ``production`` names in the task file, else the champion when there is
    one, else the seed.

    Raises:
        UsageError: If there is no such thing, no champion, or no ``production`` in the task file.
        ConfigError: If the prompt that ``production`` names is not there.
    """
    if wanted not in (None, *BASELINES):
        raise UsageError(f"--baseline: received {wanted!r}; allowed: {', '.join(BASELINES)}")
    seed, champion, source = read_prompts(task.program), store.champion(task.name), task.config.production
    if wanted == "champion" and champion is None:
        raise UsageError(f"{task.name} has no champion yet", hint=f"python cli.py promote {task.name}")
    if wanted == "production" and source is None:
        raise UsageError(
            f"--baseline production: the task file of {task.name} has no key production",
            hint="it names the prompt that is in use: a text file, mlflow:NAME@ALIAS, module:NAME or champion",
        )
    if wanted == "seed":
        return seed, "seed"
    if source not in (None, "champion") and wanted != "champion":
        return production_prompts(task, where, store, read_registered(where), []), "production"
    if source == "champion" and champion is None:
        production_prompts(task, where, store, read_registered(where), [])  # says that there is none
    if champion is None or champion.seed:
        return seed, "seed"
    return champion.prompts, "champion"


def find_prompts(store: Store, task: Task, which: str) -> ProgramPrompts:
    """Prompts by name: ``seed``, ``champion``, ``production``, or the winner of a run."""
    if which == "seed":
        return read_prompts(task.program)
    if which == "production":
        where = Workspace(task.root)
        return production_prompts(task, where, store, read_registered(where), [])
    if which == "champion":
        champion = store.champion(task.name)
        if champion is None:
            raise UsageError(f"{task.name} has no champion yet", hint=f"python cli.py promote {task.name}")
        return champion.prompts
    return store.optimization(which).winner
