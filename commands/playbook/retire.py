"""``playbook retire``: a person takes an entry out of force."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.flags import Book
from commands.outcome import Outcome

EXAMPLE = "python cli.py playbook retire 3f2a --key support --why 'the tool is gone'"


def command(
    name: Annotated[str, typer.Argument(metavar="ENTRY", help="Id of an entry, or its beginning.", show_default=False)],
    book: Book,
    why: Annotated[str, typer.Option(help="The reason, for the record.")] = "retired by hand",
) -> Outcome:
    """Deprecate an entry; it stays on record."""
    from playbook.lifecycle import retirement

    store = book.open()
    before = store.read(book.key)
    entry = before.find(name)
    after = store.revise(book.key, "retired", lambda known: (retirement(known, known.find(entry.id), why), None))
    done = after.version > before.version
    text = f"{entry.id} is deprecated" if done else f"{entry.id} was {entry.lifecycle.value} already"
    return Outcome({"id": entry.id, "retired": done, "version": after.version}, text)
