"""``runs``: what was run, how it ended and what it has paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place
from commands.outcome import Outcome

if TYPE_CHECKING:
    from calls.ledger import Ledger
    from core.optimization import Plan
    from tracking.store import RunSummary, Store

EXAMPLE = "python cli.py runs extraction"
WIDE = 120
"""Columns of a screen from which a line holds everything; below, what ``resume`` and a first look need."""


def command(
    place: Place,
    task: Annotated[str | None, typer.Argument(help="Only runs of this task.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
) -> Outcome:
    """List runs with their state, verdict and what they have paid."""
    import contextlib
    import shutil
    import sys

    from calls.ledger import Ledger
    from core.redact import from_environment
    from tracking.store import Store

    where = place.find()
    redact = from_environment(where.root)
    with (
        contextlib.closing(Store(where.mlruns / "proven.db", redact)) as store,
        contextlib.closing(Ledger(where.mlruns / "ledger.db", redact)) as ledger,
    ):
        rows = [_row(store, ledger, run) for run in store.runs(task, limit)]
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return Outcome({"runs": rows}, table(rows, columns))


def _row(store: Store, ledger: Ledger, run: RunSummary) -> dict[str, Any]:
    from core.evaluation import total
    from core.optimization import Plan
    from core.plain import from_json
    from tracking.events import EventKind

    event = None if run.kind == "forecast" else store.last(run.run_id, EventKind.FORECAST)  # a dry run pays its pilot
    plan = None if event is None else from_json(Plan, event.payload)
    usage = total(ledger.usage(run.run_id).values())
    return {
        "run_id": run.run_id,
        "task": run.task,
        "kind": run.kind,
        "state": store.state(run),
        "verdict": run.verdict,
        "started_at": run.started_at,
        "calls": usage.calls,
        "failed": usage.errors,
        "tokens": usage.input_tokens + usage.output_tokens,
        "cost_usd": usage.cost_usd,
        "nominal": ledger.nominal(run.run_id),
        "forecast": None if plan is None else _forecast(plan, usage.calls, usage.cost_usd),
    }


def _forecast(plan: Plan, calls: int, cost: float | None) -> dict[str, Any]:
    """What was said beside what was paid: money, or calls where a price is unknown."""
    said, paid = plan.calls, float(calls)
    unit = "calls"
    if plan.cost_usd is not None and cost is not None:
        said, paid, unit = plan.cost_usd, cost, "usd"
    return {
        "unit": unit,
        "expected": said.expected,
        "low": said.low,
        "high": said.high,
        "actual": paid,
        "inside": said.low <= paid <= said.high,
    }


def _said(row: dict[str, Any]) -> str:
    """The interval that was said, and what was paid."""
    from core.money import money

    found = row["forecast"]
    if found is None:
        return "-"
    text = money if found["unit"] == "usd" else "{:.0f} calls".format
    return f"{text(found['low'])} to {text(found['high'])} -> {text(found['actual'])}"


HEADS = ("run", "kind", "state", "verdict", "money", "calls", "failed", "forecast -> paid")
FIRST_LOOK = 5
"""Columns that a narrow screen shows; the others are for wide ones and for pipes."""
NOMINAL = "* nominal: the embedded model answered, and nobody is billed"


def table(rows: list[dict[str, Any]], columns: int | None) -> str:
    """The runs as lines for a screen of so many columns, or for a pipe; a run's id is never cut.

    Where an id leaves no room for the rest, the rest stands below it.
    """
    if not rows:
        return "no runs yet; start one: python cli.py optimize extraction"
    narrow = columns is not None and columns < WIDE
    heads = HEADS[: FIRST_LOOK if narrow else None]
    lines = [heads, *(_cells(row)[: len(heads)] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    if columns is not None:
        widths[0] = max(4, min(widths[0], columns - sum(widths[1:]) - 2 * len(widths[1:])))
    said = []
    for cells in lines:
        if len(cells[0]) > widths[0]:
            said.append(cells[0])
            cells = ("", *cells[1:])
        said.append(_joined(cells, widths))
    if any(row["nominal"] and row["cost_usd"] for row in rows):
        said.append(NOMINAL)
    if any(row["state"] not in ("finished", "running") for row in rows):
        said.append("continue one with: python cli.py resume RUN")
    return "\n".join(said)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from core.money import money

    paid = money(row["cost_usd"]) + ("*" if row["nominal"] and row["cost_usd"] else "")
    about = (str(row[name] or "-") for name in ("run_id", "kind", "state", "verdict"))
    return (*about, paid, str(row["calls"]), str(row["failed"]), _said(row))


def _joined(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)).rstrip()
