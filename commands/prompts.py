"""``export``, ``promote``, ``rollback``, ``diff`` and ``history``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from commands.optimize import find_prompts
from commands.session import Finish, open_store, open_task, tracking
from core.errors import GateRefusalError, StoreError, UsageError
from core.files import write_text
from core.optimization import Optimization
from core.verdict import Decision
from core.workspace import Workspace
from programs.export import FORMATS, Export, plan_constant_edit
from programs.prompts import apply_prompts, diff_prompts, schema_hash
from tasks.task import Task
from tracking.events import EventKind
from tracking.store import Store


def _find_run(store: Store, task: Task, run: str | None) -> Optimization:
    """The named run; else the latest promoted one; else the latest finished one, which the gate then refuses."""
    if run is not None:
        return store.optimization(run)
    finished = [summary.run_id for summary in store.runs(task.name) if summary.state == "finished"]
    latest = None
    for run_id in finished:
        optimization = store.optimization(run_id)
        latest = latest or optimization
        if optimization.verdict.decision is Decision.PROMOTE:
            return optimization
    if latest is None:
        raise StoreError(f"{task.name} has no finished run", hint=f"python cli.py optimize {task.name}")
    return latest


def _check(optimization: Optimization, task: Task, *, force: bool) -> None:
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


def _provenance(optimization: Optimization, *, forced: bool) -> dict[str, Any]:
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


def _export(task: Task, optimization: Optimization, *, forced: bool) -> Export:
    program = apply_prompts(task.program, optimization.winner)
    return Export(program, task.adapter, task.config.adapter, _provenance(optimization, forced=forced))


def run_export(
    workspace: Workspace,
    name: str,
    *,
    form: str,
    out: str | None,
    target: str | None,
    run: str | None,
    predictor: str | None,
    force: bool,
    as_json: bool,
    finish: Finish,
) -> None:
    """Write a tuned prompt where production can use it."""
    chosen = FORMATS.get(form)
    if target is not None and chosen.name != "python":
        raise UsageError(f"--target goes with --format python, received --format {form}")
    task, store = open_task(workspace, name, []), open_store(workspace)
    optimization = _find_run(store, task, run)
    _check(optimization, task, force=force)
    forced = optimization.verdict.decision is not Decision.PROMOTE
    export = _export(task, optimization, forced=forced)
    note = ""
    if chosen.sidecar and any(prompt.demos for prompt in export.prompts.prompts):
        note = f"this prompt has demos, which --format {form} leaves out; use messages, dspy or yaml to keep them"
    if target is not None:
        edit = plan_constant_edit(target, export.one(predictor).instruction)
        write_text(edit.path, edit.after)
        text, written = edit.diff or "no change", edit.path
    else:
        text = chosen.render(export, predictor)
        written = Path(out) if out else None
        if written is not None:
            write_text(written, text)
            text = f"wrote {written}"
    if written is not None and chosen.sidecar:
        sidecar = written.with_name(written.name + ".provenance.json")
        write_text(sidecar, json.dumps(dict(export.provenance), indent=2) + "\n")
    body = {"format": form, "path": str(written) if written else None, "provenance": dict(export.provenance)}
    store.append(optimization.run_id, EventKind.EXPORTED, json.dumps(body))
    if note:
        body["note"], text = note, f"{text}\nnote: {note}"
    finish({**body, **({} if written else {"content": text})}, text.rstrip("\n"), as_json=as_json)


def run_promote(
    workspace: Workspace, name: str, *, run: str | None, force: bool, as_json: bool, finish: Finish
) -> None:
    """Make a run's prompt the champion: in the store, in ``prompts/`` and as MLflow's alias ``production``."""
    task, store = open_task(workspace, name, []), open_store(workspace)
    optimization = _find_run(store, task, run)
    _check(optimization, task, force=force)
    forced = optimization.verdict.decision is not Decision.PROMOTE
    provenance = _provenance(optimization, forced=forced)
    reason = "; ".join(optimization.verdict.reasons)
    with tracking(workspace, store) as tracker:
        store.promote(task.name, optimization.run_id, optimization.winner, provenance, forced, reason)
        tracker.nudge()
    path = _write_champion(workspace, task, optimization, forced=forced)
    text = f"{task.name}: champion is now {optimization.winner.hash} from {optimization.run_id}\nwrote {path}"
    finish({"task": task.name, "path": str(path), "provenance": provenance}, text, as_json=as_json)


def _write_champion(workspace: Workspace, task: Task, optimization: Optimization, *, forced: bool) -> Path:
    path = workspace.prompts / f"{task.name}.yaml"
    write_text(path, FORMATS.get("yaml").render(_export(task, optimization, forced=forced), None))
    return path


def run_rollback(workspace: Workspace, name: str, *, as_json: bool, finish: Finish) -> None:
    """Return to the champion before this one."""
    task, store = open_task(workspace, name, []), open_store(workspace)
    with tracking(workspace, store) as tracker:
        champion = store.rollback(task.name)
        tracker.nudge()
    path = workspace.prompts / f"{task.name}.yaml"
    program = apply_prompts(task.program, champion.prompts)
    export = Export(program, task.adapter, task.config.adapter, champion.provenance)
    write_text(path, FORMATS.get("yaml").render(export, None))
    text = f"{task.name}: champion is {champion.prompts.hash} from {champion.run_id} again\nwrote {path}"
    finish({"task": task.name, "run_id": champion.run_id, "prompt_hash": champion.prompts.hash}, text, as_json=as_json)


def run_diff(workspace: Workspace, name: str, before: str, after: str | None, *, as_json: bool, finish: Finish) -> None:
    """Show what changed between two prompts."""
    task, store = open_task(workspace, name, []), open_store(workspace)
    newest = after or _find_run(store, task, None).run_id
    text = diff_prompts(find_prompts(store, task, before), find_prompts(store, task, newest))
    body = {"task": task.name, "before": before, "after": newest, "diff": text}
    finish(body, text or f"no difference between {before} and {newest}", as_json=as_json)


def run_history(workspace: Workspace, name: str, *, as_json: bool, finish: Finish) -> None:
    """List the champions of a task and its latest runs."""
    task, store = open_task(workspace, name, []), open_store(workspace)
    champions, runs = store.history(task.name), store.runs(task.name, limit=20)
    lines = [f"champions of {task.name}:" if champions else f"{task.name} has no champion yet"]
    lines += [f"  {c.at}  {c.prompts.hash}  {c.run_id}{'  (forced)' if c.forced else ''}" for c in champions]
    lines += ["runs:"] + [f"  {r.started_at}  {r.run_id}  {r.state}  {r.verdict or '-'}" for r in runs]
    body = {
        "task": task.name,
        "champions": [
            {"at": c.at, "run_id": c.run_id, "prompt_hash": c.prompts.hash, "forced": c.forced} for c in champions
        ],
        "runs": [
            {"run_id": r.run_id, "state": r.state, "verdict": r.verdict, "started_at": r.started_at} for r in runs
        ],
    }
    finish(body, "\n".join(lines), as_json=as_json)
