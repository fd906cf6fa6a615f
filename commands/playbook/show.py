"""``playbook show``: one entry with everything that is known of it, and its history."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from commands.flags import Book
from commands.outcome import Outcome

EXAMPLE = "python cli.py playbook show 3f2a --key support"


def command(
    name: Annotated[str, typer.Argument(metavar="ENTRY", help="Id of an entry, or its beginning.", show_default=False)],
    book: Book,
) -> Outcome:
    """Show one entry and what happened to it."""
    known = book.open().read(book.key)
    entry = known.find(name)
    history = [
        {"version": revision.version, "at": revision.at, "lifecycle": change.entry.lifecycle.value, "why": change.why}
        for revision, change in known.history(entry.id)
    ]
    scores = ", ".join(f"{score} {value:.2f}" for score, value in entry.provenance.scores.items())
    facts = {
        "id": entry.id, "lifecycle": entry.lifecycle.value, "audience": entry.audience,
        "cue": f"[{entry.cue.type.value}] {entry.cue.pattern}", "imperative": entry.action.imperative,
        "handle": entry.action.handle, "effect": entry.expected_effect, "scope": entry.scope.category.value,
        "constraints": entry.scope.constraints, "session": entry.provenance.session_id, "scores": scores,
    }  # fmt: skip
    lines = [f"{fact:12} {value}" for fact, value in facts.items() if value]
    lines += ["", *(f"v{one['version']}  {one['at']}  {one['lifecycle']:10} {one['why']}" for one in history)]
    return Outcome({"id": entry.id, **asdict(entry), "history": history}, "\n".join(lines))
