"""``sessions export``: sessions as JSON lines, CSV or Parquet."""

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
    out: Annotated[str, typer.Option(metavar="FILE", help="File to write.", show_default=False)],
    form: Annotated[
        str | None, typer.Option("--format", help="jsonl, csv or parquet; told by the file's name when left out.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the newest.")] = None,
    include_status: Annotated[
        str | None,
        typer.Option("--include-status", metavar="LIST", help="Only these outcomes, as in success,agent_failure."),
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

    path = Path(out).expanduser()
    named = form or next((each.name for each in SESSION_FORMATS if each.suffix == path.suffix.lower()), None)
    if named is None:
        raise UsageError(
            f"--out: {out} does not tell the format", hint=f"add --format {', '.join(SESSION_FORMATS.names)}"
        )
    writer = SESSION_FORMATS.get(named)
    if path.exists() and not force:
        raise UsageError(f"{path} exists", hint="choose another name, or add --force to overwrite it")
    chain = chosen.chain()
    if include_status is not None:
        chain = chain.add(SessionFilter(match={"outcome": listed(include_status)}))
    if limit is not None:
        chain = chain.last(limit)
    with place.open() as store:
        whole = trajectory_event_limit != 0
        sessions = store.sessions(chain, trajectories=whole)
        count = write_sessions(cut(sessions, trajectory_event_limit), path, writer)
        there = count or store.count()
    if not count:
        hint = "loosen the filters" if there else "bring some in with: python cli.py sessions import FILE"
        text = f"nothing was exported: none of {there:,} sessions fits\n  hint: {hint}"
        return Outcome({"exported": 0, "path": None, "hint": hint}, text, code=1)
    return Outcome({"exported": count, "path": str(path), "format": writer.name}, f"wrote {path}: {count:,} sessions")
