"""A report as data: a list of blocks that any renderer can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Banner:
    """The answer, in one word and one sentence. ``tone`` is good, bad, open or note."""

    title: str
    sentence: str
    tone: str


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of short texts."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Commands:
    """What to type next."""

    lines: tuple[tuple[str, str], ...]
    """(command, what it does)."""


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """Columns and rows of text; numbers are already formatted."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True)
class IntervalChart:
    """Differences with their intervals on one axis; the line at ``margin`` is what has to be exceeded."""

    rows: tuple[tuple[str, float, float, float], ...]
    """(label, difference, low, high)."""
    margin: float = 0.0


@dataclass(frozen=True)
class CurveChart:
    """Scores of candidates in order, the best so far, and levels worth comparing with."""

    points: tuple[tuple[int, float], ...]
    best: tuple[tuple[int, float], ...]
    levels: tuple[tuple[str, float], ...] = ()
    x_label: str = "candidate"
    y_label: str = "score"


@dataclass(frozen=True)
class Tree:
    """Candidates and what they were made from."""

    nodes: tuple[tuple[int, str, tuple[int, ...], bool], ...]
    """(index, label, parents, is it the winner)."""


@dataclass(frozen=True)
class Diff:
    """Two texts line by line: each line is (mark, text) with mark ' ', '+' or '-'."""

    title: str
    lines: tuple[tuple[str, str], ...]
    left_out: int = 0


@dataclass(frozen=True)
class Confusion:
    """Counts of gold (rows) against produced (columns), before and after."""

    field: str
    labels: tuple[str, ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Case:
    """One row of data side by side."""

    title: str
    before: float | None
    after: float | None
    input: str
    gold: str
    produced_before: str
    produced_after: str


@dataclass(frozen=True)
class Cases:
    """A few rows worth reading."""

    title: str
    cases: tuple[Case, ...]


Block = (
    Banner | Heading | Paragraph | Bullets | Commands | Facts | Table | IntervalChart | CurveChart | Tree | Diff
    | Confusion | Cases
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """A titled list of blocks."""

    title: str
    blocks: tuple[Block, ...]
    links: Mapping[str, str] = field(default_factory=dict)


def shorten(text: Any, limit: int) -> str:
    """A text cut to a length, with a word about what was cut."""
    body = str(text)
    return body if len(body) <= limit else f"{body[:limit]} … ({len(body) - limit:,} more characters)"
