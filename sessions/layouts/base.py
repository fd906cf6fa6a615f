"""What a layout of logs is, and the sessions that it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sessions.layouts.mapping import Aggregate
from sessions.layouts.paths import Place
from sessions.record import Session

Complain = Callable[[int, str], None]
"""Takes the line and what is wrong with it; reading goes on."""


@dataclass(frozen=True)
class Draft:
    """A session of a log, before it is known whether its id is its own; an empty id means that the log has none."""

    session: Session
    line: int


@dataclass(frozen=True)
class Layout:
    """One layout that logs come in.

    Attributes:
        name: What people type.
        summary: One line for the catalog.
        read: Makes drafts of the documents of one file, and complains about whatever it cannot read.
        recognises: Whether a document is of this layout; the first layout of the catalog that says so reads the file.
        aggregates: Figures in a file of this layout that its sessions are held against.
    """

    name: str
    summary: str
    read: Callable[[Iterable[Place], Complain], Iterator[Draft]]
    recognises: Callable[[Any], bool]
    aggregates: tuple[Aggregate, ...] = ()
