"""``runs`` and ``stop``."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from calls.ledger import Ledger
from commands.session import Finish, calls, open_store
from core.errors import UsageError
from core.evaluation import total
from core.workspace import Workspace
from reports.progress import money
from tracking.store import RunSummary, Store


def run_runs(workspace: Workspace, task: str | None, *, limit: int, as_json: bool, finish: Finish) -> None:
    """List runs, newest first, with their state and what they have paid."""
    store = open_store(workspace)
    with calls(workspace) as ledger:
        rows = [_row(store, ledger, run) for run in store.runs(task, limit)]
    if not as_json:
        _print(rows)
    finish({"runs": rows}, None, as_json=as_json)


def _row(store: Store, ledger: Ledger, run: RunSummary) -> dict[str, Any]:
    usage = total(ledger.usage(run.run_id).values())
    return {
        "run_id": run.run_id,
        "task": run.task,
        "state": store.state(run),
        "verdict": run.verdict,
        "started_at": run.started_at,
        "calls": usage.calls,
        "failed": usage.errors,
        "tokens": usage.input_tokens + usage.output_tokens,
        "cost_usd": usage.cost_usd,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    console = Console(soft_wrap=True)
    if not rows:
        console.print("no runs yet; start one: python cli.py optimize extraction", highlight=False)
        return
    table = Table("run", "state", "verdict", "calls", "failed", "money", box=None, pad_edge=False)
    colours = {"finished": "green", "running": "cyan"}
    for row in rows:
        state = f"[{colours.get(row['state'], 'yellow')}]{row['state']}[/]"
        table.add_row(
            row["run_id"], state, row["verdict"] or "-", str(row["calls"]), str(row["failed"]), money(row["cost_usd"])
        )
    console.print(table)
    if any(row["state"] not in ("finished", "running") for row in rows):
        console.print("continue one with: python cli.py resume RUN", highlight=False)


def run_stop(workspace: Workspace, run: str, *, as_json: bool, finish: Finish) -> None:
    """Ask a running run, in whatever terminal, to end in order."""
    store = open_store(workspace)
    found = store.run(run)
    if not store.alive(found):
        raise UsageError(f"run {found.run_id} is {store.state(found)}; there is nothing to stop")
    store.request_stop(found.run_id)
    text = f"asked {found.run_id} to stop; it ends with its best prompt so far and can be continued"
    finish({"run_id": found.run_id, "stopping": True}, text, as_json=as_json)
