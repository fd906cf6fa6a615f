"""``sessions list``: which sessions there are, newest last, and how many ended in which way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Chosen, SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from sessions.columns import Totals
    from sessions.record import Session

EXAMPLE = "python cli.py sessions list --last 20 --where model=gpt-4o"


def command(
    place: SessionPlace,
    chosen: Chosen,
    limit: Annotated[int, typer.Option(min=1, help="How many are shown, the newest.")] = 20,
) -> Outcome:
    """List sessions with their task, model, outcome, tokens and cost."""
    chain = chosen.chain()
    with place.open() as store:
        [totals] = store.totals((), chain)
        found = list(store.sessions(chain.last(limit)))
    body = {
        "sessions": [_row(session) for session in found],
        "count": totals.sessions,
        "outcomes": {outcome.value: count for outcome, count in totals.outcomes.items()},
    }
    return Outcome(body, _table(found, totals))


def _row(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "started_at": session.started_at,
        "experiment": session.experiment,
        "model": session.model,
        "task": session.task,
        "trial": session.trial,
        "outcome": session.outcome.value,
        "steps": session.steps,
        "tokens": session.tokens,
        "cost_usd": session.cost_usd,
    }


def _table(found: list[Session], totals: Totals) -> str:
    from core.money import money

    if not totals.sessions:
        return "no sessions; bring some in with: python cli.py sessions import FILE"
    rows = [("id", "started", "model", "task", "outcome", "steps", "tokens", "cost")]
    for session in found:
        rows.append(
            (
                session.id,
                (session.started_at or "-")[:16].replace("T", " "),
                session.model[:24] or "-",
                session.task[:24] or "-",
                session.outcome.value,
                "-" if session.steps is None else str(session.steps),
                "-" if session.tokens is None else f"{session.tokens:,}",
                money(session.cost_usd),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    counts = ", ".join(f"{count:,} {outcome.value}" for outcome, count in totals.outcomes.items() if count)
    return "\n".join([*lines, "", f"{totals.sessions:,} sessions: {counts}"])
