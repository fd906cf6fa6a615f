"""``sessions export``: sessions as JSON lines, portable traces, CSV or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.flags import Chosen, SessionPlace, listed
from commands.outcome import Outcome

EXAMPLE = "python cli.py sessions export --out sessions.parquet --where model=gpt-4o"


def command(
    place: SessionPlace,
    chosen: Chosen,
    out: Annotated[str, typer.Option("--out", "--output", metavar="FILE", help="File to write.", show_default=False)],
    form: Annotated[
        str | None,
        typer.Option("--format", help="jsonl, traces, csv or parquet; told by the file's name when left out."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the newest.")] = None,
    include_status: Annotated[
        list[str] | None,
        typer.Option(
            "--include-status",
            metavar="STATUS",
            help="An outcome: only these, as in success,agent_failure. A review status: these as well; else "
            "what is reviewed and not approved stays out.",
        ),
    ] = None,
    trajectory_event_limit: Annotated[
        int | None,
        typer.Option("--trajectory-event-limit", min=0, help="Most steps of each trajectory; 0 leaves them out."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> Outcome:
    """Export the chosen sessions; exits 1 where there are none."""
    from core.errors import UsageError
    from sessions.exporting import SESSION_FORMATS, cut, write_sessions
    from sessions.filters import SessionFilter
    from sessions.learning import APPROVED, REVIEW

    path = Path(out).expanduser()
    suited = [each for each in SESSION_FORMATS if path.name.lower().endswith(each.suffix)]
    named = form or max(suited, key=lambda each: len(each.suffix)).name if form or suited else None
    if named is None:
        raise UsageError(
            f"--out: {out} does not tell the format", hint=f"add --format {', '.join(SESSION_FORMATS.names)}"
        )
    writer = SESSION_FORMATS.get(named)
    if path.exists() and not force:
        raise UsageError(f"{path} exists", hint="choose another name, or add --force to overwrite it")
    chain = chosen.chain()
    outcomes, statuses = _statuses([status for given in include_status or () for status in listed(given)])
    if outcomes:
        chain = chain.add(SessionFilter(match={"outcome": outcomes}))
    unreviewed, chain = chain, chain.add(SessionFilter(match={f"tags.{REVIEW}": (None, APPROVED, *statuses)}))
    if limit is not None:
        chain = chain.last(limit)
    with place.open() as store:
        whole = trajectory_event_limit != 0
        sessions = store.sessions(chain, trajectories=whole)
        count = write_sessions(cut(sessions, trajectory_event_limit), path, writer)
        there = count or store.count()
        held = 0 if count else store.count(unreviewed)
    if not count:
        hint = "loosen the filters" if there else "bring some in with: python cli.py sessions import FILE"
        hint = f"{held:,} are not approved; add --include-status pending" if held else hint
        text = f"nothing was exported: none of {there:,} sessions fits\n  hint: {hint}"
        return Outcome({"exported": 0, "path": None, "hint": hint}, text, code=1)
    return Outcome({"exported": count, "path": str(path), "format": writer.name}, f"wrote {path}: {count:,} sessions")


def _statuses(asked: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Outcomes and review statuses among what was asked for.

    Raises:
        UsageError: If one is neither.
    """
    from core.catalog import did_you_mean
    from core.errors import UsageError
    from sessions.learning import REVIEWS
    from sessions.record import Outcome as Ending

    known = (*(ending.value for ending in Ending), *REVIEWS)
    wrong = next((status for status in asked if status not in known), None)
    if wrong is not None:
        raise UsageError(
            f"--include-status: received {wrong!r}; allowed: {', '.join(known)}", hint=did_you_mean(wrong, known)
        )
    outcomes = tuple(status for status in asked if status not in REVIEWS)
    return outcomes, tuple(status for status in asked if status in REVIEWS)
