"""``playbook transfer``: what lessons gain where they were not learned."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.flags import Book, Chosen
from commands.outcome import Outcome

EXAMPLE = "python cli.py playbook transfer --key shop --by task --pattern '^shop:([a-z]+)'"


def command(
    book: Book,
    chosen: Chosen,
    by: Annotated[str, typer.Option(help="task_code, model, task, experiment or split.")] = "task_code",
    pattern: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Its first group in that field names the kind.")
    ] = None,
    tuned: Annotated[
        bool, typer.Option("--tuned", help="Sessions that say tags.learned_on, instead of the key's trials.")
    ] = False,
    store: Annotated[str | None, typer.Option("--store", metavar="URL", help="Database of sessions.")] = None,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Write the page there (.html or .md).")] = None,
) -> Outcome:
    """Lay out what entries gain by where they were learned and where they were tried, from the sessions of trials."""
    import json
    from pathlib import Path

    from core.errors import UsageError
    from core.files import write_text
    from core.plain import to_json
    from core.redact import from_environment
    from experiments.transfer import grouping, tagged_pairs, trial_pairs
    from playbook.transfer import transfer
    from reports import render_html, render_markdown, transfer_report
    from sessions.filters import FilterChain
    from sessions.learning import KEY
    from sessions.store import open_sessions

    group, where = grouping(by, pattern), book.find()
    known = book.open().read(book.key)
    with open_sessions(where, store, from_environment(where.root)) as opened:
        chain = chosen.chain() if tuned else chosen.chain().where(**{f"tags.{KEY}": book.key})
        sessions = list(opened.sessions(chain))
        names = tuple({one.provenance.session_id for one in known.entries.values()} - {""})
        origins = {one.id: one for one in opened.sessions(FilterChain().where(id=names))} if names else {}
    found = tagged_pairs(sessions, group) if tuned else trial_pairs(sessions, known, origins, group)
    if not found.pairs:
        raise UsageError(
            f"no pair among {len(sessions):,} sessions: none with and without a lesson whose source is known",
            hint="run: playbook trial ENTRY, for entries that were proposed from sessions; or tag with learned_on",
        )
    done = transfer(found.pairs)
    page = transfer_report(done, by, found.alone)
    if out is not None:
        write_text(Path(out).expanduser(), render_markdown(page) if out.endswith(".md") else render_html(page))
    cells = [
        {"source": source, "target": target, "transfer": source != target, "shown": one.shown,
         **json.loads(to_json(one))}
        for (source, target), one in done.cells.items()
    ]  # fmt: skip
    families = {
        name: {place: {"shown": one.shown, **json.loads(to_json(one))} for place, one in family.items()}
        for name, family in (("arriving", done.arriving), ("leaving", done.leaving))
    }
    body = {"by": by, "groups": done.groups, "pairs": len(found.pairs), "alone": found.alone, "cells": cells}
    return Outcome({**body, **families}, None, page)
