"""What the commands on prompts in production share: which run is meant, whether it may be used, where it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.candidate import ProgramPrompts
from core.errors import GateRefusalError, StoreError, UsageError
from core.files import write_text
from core.optimization import Optimization
from core.verdict import Decision
from core.workspace import Workspace
from programs.export import FORMATS, Export
from programs.prompts import apply_prompts, schema_hash
from tasks.task import Task
from tracking.store import OUTCOMES, Store


def find_run(store: Store, task: Task, run: str | None) -> Optimization:
    """The named run; else the latest promoted one; else the latest finished one, which the gate then refuses."""
    if run is not None:
        return store.optimization(run)
    finished = [summary.run_id for summary in store.runs(task.name, kinds=OUTCOMES) if summary.state == "finished"]
    latest = None
    for run_id in finished:
        optimization = store.optimization(run_id)
        latest = latest or optimization
        if optimization.verdict.decision is Decision.PROMOTE:
            return optimization
    if latest is None:
        raise StoreError(f"{task.name} has no finished run", hint=f"python cli.py optimize {task.name}")
    return latest


def check(optimization: Optimization, task: Task, *, force: bool) -> None:
    """Refuse what the gate has not accepted, and what was tuned for another signature."""
    if optimization.task != task.name:
        raise UsageError(f"run {optimization.run_id} is of task {optimization.task!r}, not {task.name!r}")
    if optimization.schema_hash != schema_hash(task.program):
        raise GateRefusalError(
            f"run {optimization.run_id} was tuned for other fields than {task.name} has now",
            hint=f"optimise again: python cli.py optimize {task.name}",
        )
    verdict = optimization.verdict
    if verdict.decision is not Decision.PROMOTE and not force:
        reason = verdict.reasons[0] if verdict.reasons else "no reason given"
        raise GateRefusalError(
            f"run {optimization.run_id} ended with {verdict.decision}: {reason}",
            hint="--force exports it all the same, and the record will say so",
        )


def provenance_of(optimization: Optimization, *, forced: bool) -> dict[str, Any]:
    """Where a prompt comes from, as it stands beside every export."""
    evidence = optimization.verdict.evidence
    return {
        "task": optimization.task,
        "run_id": optimization.run_id,
        "verdict": optimization.verdict.decision.value,
        "forced": forced,
        "lift": round(evidence.delta, 6) if evidence else None,
        "interval": [evidence.low, evidence.high] if evidence else None,
        "holdout_rows": evidence.n if evidence else None,
        "data_fingerprint": optimization.splits.fingerprint,
        "schema_hash": optimization.schema_hash,
        "prompt_hash": optimization.winner.hash,
        "student": optimization.params.get("student"),
        "optimizer": optimization.optimizer,
        "tuned_at": optimization.started_at,
        "offline": optimization.offline,
    }


def export_of(task: Task, optimization: Optimization, *, forced: bool) -> Export:
    """The winner of a run, ready to be rendered."""
    program = apply_prompts(task.program, optimization.winner)
    return Export(program, task.adapter, task.config.adapter, provenance_of(optimization, forced=forced))


def write_champion(place: Workspace, task: Task, prompts: ProgramPrompts, provenance: dict[str, Any]) -> Path:
    """Write prompts into ``prompts/``, from where production may read them."""
    export = Export(apply_prompts(task.program, prompts), task.adapter, task.config.adapter, provenance)
    path = place.prompts / f"{task.name}.yaml"
    write_text(path, FORMATS.get("yaml").render(export, None))
    return path
