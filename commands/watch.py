"""``watch``: experiments at work, live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place
from commands.outcome import Outcome

if TYPE_CHECKING:
    from rich.table import Table

    from core.workspace import Workspace

EXAMPLE = "python cli.py watch --once"
EVERY = 1.0


def command(
    place: Place,
    once: Annotated[bool, typer.Option("--once", help="Print the table once; what a pipe gets anyway.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
) -> Outcome:
    """Show experiments, where their tests stand between their bounds, and how they ended; Ctrl-C leaves."""
    import sys

    from rich.console import Console
    from rich.live import Live

    where = place.find()
    console = Console()
    if once or not console.is_terminal or "--json" in sys.argv:
        rows = standing(where, limit)
        return Outcome({"experiments": rows}, _plain(rows))
    with Live(_table(standing(where, limit)), console=console, refresh_per_second=2, screen=False) as live:
        try:
            while True:
                time.sleep(EVERY)
                live.update(_table(standing(where, limit)))
        except KeyboardInterrupt:
            pass
    return Outcome({})


def standing(where: Workspace, limit: int) -> list[dict[str, Any]]:
    """Where each experiment stands, newest first."""
    import contextlib
    from itertools import islice

    from experiments.sequential import experiments
    from reports.progress import walk
    from tasks.open_run import open_store

    rows: list[dict[str, Any]] = []
    with contextlib.closing(open_store(where)) as store:
        for run, pairs, done in islice(experiments(store), limit):
            params = store.started(run.run_id).params
            last = pairs[-1] if pairs else None
            rows.append(
                {
                    "run_id": run.run_id,
                    "control": params.get("control", ""),
                    "test": params.get("test", ""),
                    "method": params.get("method", ""),
                    "state": store.state(run),
                    "decision": done.decision if done else None,
                    "pairs": last.n if last else 0,
                    "left_out": sum(pair.difference is None for pair in pairs),
                    "position": last.position if last else None,
                    "lower": last.lower if last else None,
                    "upper": last.upper if last else None,
                    "walk": walk(last) if last else "",
                    "saved": done.saved if done else None,
                }
            )
    return rows


HEADS = ("run", "test against control", "method", "state", "pairs", "where it stands")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    arms = f"{row['test']} against {row['control']}"
    return row["run_id"], arms, row["method"], row["decision"] or row["state"], str(row["pairs"]), row["walk"]


def _table(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(*HEADS, title="experiments")
    for row in rows:
        colour = {"accept": "green", "reject": "red"}.get(row["decision"] or "")
        table.add_row(*_cells(row), style=colour)
    return table


def _plain(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "no experiments yet; start one: python cli.py experiment --control FILE --test FILE"
    cells = [HEADS, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEADS))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )
