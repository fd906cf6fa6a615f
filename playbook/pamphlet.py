"""The active entries as a text that goes into a prompt."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from playbook.entry import Entry

LONGEST = 1_000
HEAD = "What earlier work has taught:"


@dataclass(frozen=True)
class Pamphlet:
    """A text for a prompt.

    Attributes:
        text: At most as many characters as were allowed; empty where no entry fits.
        digest: SHA-256 of the text.
        entries: Ids of the entries in it.
        left_out: Ids of those that did not fit.
    """

    text: str
    digest: str
    entries: tuple[str, ...]
    left_out: tuple[str, ...]


def pamphlet(entries: Sequence[Entry], most: int = LONGEST) -> Pamphlet:
    """Entries in the order given, whole: one that does not fit is left out, and a shorter one after it may fit."""
    text, used, left = HEAD, list[str](), list[str]()
    for entry in entries:
        longer = f"{text}\n- {told(entry)}"
        if len(longer) <= most:
            text = longer
            used.append(entry.id)
        else:
            left.append(entry.id)
    text = text if used else ""
    return Pamphlet(text, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), tuple(used), tuple(left))


def told(entry: Entry) -> str:
    """An entry as a sentence for an agent."""
    parts = [f"When you meet {entry.cue.description or repr(entry.cue.pattern)}: {entry.action.imperative.rstrip('.')}"]
    parts += [f"use {entry.action.handle}"] if entry.action.handle else []
    parts += [f"only {entry.scope.constraints}"] if entry.scope.constraints else []
    parts += [entry.expected_effect.rstrip(".")] if entry.expected_effect else []
    return "; ".join(part for part in parts).replace("\n", " ") + "."
