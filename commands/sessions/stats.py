"""``sessions stats``: metrics of sessions by any fields, as a table or as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import By, Chosen, SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from sessions.group import Group
    from sessions.metrics import Estimate

EXAMPLE = "python cli.py sessions stats --by model --metric success_rate --metric cost --csv rates.csv"
DEFAULT = ("success_rate", "tokens", "cost", "cost_per_success", "latency")
HEADS = ("metric", "value", "low", "high", "n", "left_out", "tasks", "method", "new_low", "new_high", "denominator")


def command(
    place: SessionPlace,
    chosen: Chosen,
    by: By,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="What to measure; --metric list names all.")
    ] = None,
    passes: Annotated[
        int, typer.Option("--pass", min=0, metavar="K", help="Also pass^1..K over repeats of a task.")
    ] = 0,
    out: Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Write CSV; - for stdout.")] = None,
) -> Outcome:
    """Measure sessions: each metric with its denominator, n, what was left out, and a 95 % interval."""
    from sessions.metrics import METRICS, estimate, pass_hat

    if metric == ["list"]:
        return _catalog()
    names = list(dict.fromkeys(metric or DEFAULT))
    wanted = [METRICS.get(name) for name in names]
    summed = [*wanted, METRICS.get("success_rate")] if passes and "success_rate" not in names else wanted
    with place.open() as store:
        groups = store.tally(summed, by.fields(), chosen.chain())
    rows = [
        (group, found)
        for group in groups
        for found in (
            *(estimate(group, one) for one in wanted),
            *(pass_hat(group, k) for k in range(1, passes + 1)),
        )
    ]
    body = {"by": by.fields(), "groups": [_group(group) for group in groups], "estimates": [_row(*row) for row in rows]}
    if out is None:
        return Outcome(body, _table(rows) if rows else "no sessions")
    text = _csv(by.fields(), rows)
    if out == "-":
        return Outcome(body, text.rstrip("\n"))
    from core.files import write_text

    write_text(Path(out), text)
    return Outcome({**body, "path": out}, f"wrote {out}: {len(rows)} rows")


def _catalog() -> Outcome:
    from sessions.metrics import METRICS

    lines = [f"{one.name}\n    {one.summary}; over {one.denominator}" for one in METRICS]
    body = {one.name: {"summary": one.summary, "over": one.denominator, "unit": one.unit} for one in METRICS}
    return Outcome({"metrics": body}, "\n".join(lines))


def _group(group: Group) -> dict[str, Any]:
    return {"key": group.key, "sessions": group.sessions, "outcomes": {o.value: n for o, n in group.outcomes.items()}}


def _denominator(found: Estimate) -> str:
    from sessions.metrics import METRICS

    return METRICS.get(found.metric).denominator if found.metric in METRICS else "tasks with at least k trials"


def _row(group: Group, found: Estimate) -> dict[str, Any]:
    return {"group": group.key, **asdict(found), "denominator": _denominator(found)}


def _csv(by: list[str], rows: list[tuple[Group, Estimate]]) -> str:
    """One line per group and metric; a text that a spreadsheet would take for a formula gets a quote before it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*by, *HEADS])
    for group, found in rows:
        values = {**asdict(found), "denominator": _denominator(found)}
        key = [f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t") else value for value in group.key]
        writer.writerow([*key, *("" if values[head] is None else values[head] for head in HEADS)])
    return stream.getvalue()


def _table(rows: list[tuple[Group, Estimate]]) -> str:
    from reports.numbers import quantity
    from sessions.metrics import METRICS

    cells = [("group", "metric", "value", "95 %", "n", "left out", "tasks")]
    for group, found in rows:
        unit = METRICS.get(found.metric).unit if found.metric in METRICS else "share"
        interval = "-" if found.low is None else f"{quantity(found.low, unit)} to {quantity(found.high, unit)}"
        value = "undefined" if found.value is None else quantity(found.value, unit)
        counts = (f"{found.n:,}", f"{found.left_out:,}", f"{found.tasks:,}")
        cells.append((group.name, found.metric, value, interval, *counts))
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)
