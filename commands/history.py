"""``history``: the champions of a task and its latest runs."""

from __future__ import annotations

from commands.flags import Place, TaskName
from commands.outcome import Outcome

EXAMPLE = "python cli.py history extraction"


def command(task: TaskName, place: Place) -> Outcome:
    """List the champions of a task and its latest runs."""
    import contextlib

    from tasks.files import find_task, list_tasks
    from tracking.store import Store

    where = place.find()
    with contextlib.closing(Store(where.mlruns / "proven.db")) as store:
        known = {run.task for run in store.runs()} | set(list_tasks(where.root))
        if task not in known:
            task = find_task(task, where.root).stem
        champions, runs = store.history(task), store.runs(task, limit=20)
    lines = [f"champions of {task}:" if champions else f"{task} has no champion yet"]
    lines += [f"  {c.at}  {c.prompts.hash}  {c.run_id or 'seed'}{'  (forced)' if c.forced else ''}" for c in champions]
    lines += ["runs:"] + [f"  {r.started_at}  {r.run_id}  {r.state}  {r.verdict or '-'}" for r in runs]
    body = {
        "task": task,
        "champions": [
            {"at": c.at, "run_id": c.run_id or None, "prompt_hash": c.prompts.hash, "forced": c.forced}
            for c in champions
        ],
        "runs": [
            {"run_id": r.run_id, "kind": r.kind, "state": r.state, "verdict": r.verdict, "started_at": r.started_at}
            for r in runs
        ],
    }
    return Outcome(body, "\n".join(lines))
