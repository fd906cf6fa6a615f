"""``playbook list``: the entries of a playbook, or the playbooks that there are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from commands.flags import Book
from commands.outcome import Outcome

EXAMPLE = "python cli.py playbook list --key support"


def command(
    book: Book,
    every: Annotated[bool, typer.Option("--all", help="Deprecated and rejected entries as well.")] = False,
) -> Outcome:
    """List the active entries with cue, action and score."""
    from playbook.entry import Lifecycle

    store = book.open()
    known, keys = store.read(book.key), store.keys()
    shown = [one for one in known.entries.values() if every or one.lifecycle is Lifecycle.ACTIVE]
    lines = [
        f"{one.lifecycle.value:10} {one.provenance.scores.get('total', 0):.2f}  {one.id}  "
        f"[{one.cue.type.value}] {one.cue.pattern} -> {one.action.imperative}"
        for one in shown
    ]
    others = ", ".join(key for key in keys if key != book.key)
    tail = f"{len(shown)} of {len(known.entries)} entries of {book.key!r}, version {known.version}"
    body = {
        "key": book.key, "version": known.version, "keys": keys,
        "entries": [{"id": one.id, **asdict(one)} for one in shown],
    }  # fmt: skip
    return Outcome(body, "\n".join([*lines, tail, *([f"other playbooks: {others}"] if others else [])]))
