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
    """Names and values; with a ``title`` they are folded away behind it, for those who ask."""

    items: tuple[tuple[str, str], ...]
    title: str = ""


@dataclass(frozen=True)
class FullText:
    """A whole text that a reader may want to copy, such as a prompt; folded away unless ``open``."""

    title: str
    text: str
    open: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows of text; numbers are already formatted.

    Attributes:
        columns: Heads.
        rows: One text per column.
        numeric: Columns that hold numbers; they stand right and sort by value.
        filterable: Whether the page offers a box that keeps the rows with certain words.
        totals: Rows that stay at the end however the table is sorted.
        first: Columns that a narrow terminal shows; empty for all.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()
    filterable: bool = False
    totals: tuple[tuple[str, ...], ...] = ()
    first: tuple[int, ...] = ()


@dataclass(frozen=True)
class HeatCell:
    """One square of a heat map: a score with its interval, and what it amounts to.

    Attributes:
        value: The score in [0, 1]; None where there is none.
        low: Lower end of its interval.
        high: Upper end of its interval.
        word: What it amounts to, readable without colour.
        tone: good, bad, open or note; it gives the colour.
        mark: One character that stands for the word.
        notes: What else a reader must see.
        problem: What went wrong, such as failed rows.
    """

    value: float | None
    low: float | None
    high: float | None
    word: str
    tone: str
    mark: str = ""
    notes: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class HeatMap:
    """Scores in a grid; None where there is no such combination."""

    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell | None, ...]], ...]


@dataclass(frozen=True)
class ScatterPoint:
    """One thing with a cost and a score; it is drawn where both are known and listed in any case."""

    label: str
    x: float | None
    y: float | None
    low: float | None
    high: float | None
    word: str
    tone: str
    mark: str = ""
    front: bool = False


@dataclass(frozen=True)
class ScatterChart:
    """Scores with their intervals against costs, the Pareto front, and levels worth comparing with.

    ``unit`` is what costs are in: usd, tokens, seconds or steps.
    """

    points: tuple[ScatterPoint, ...]
    x_label: str
    y_label: str
    levels: tuple[tuple[str, float], ...] = ()
    unit: str = "usd"


class Chart:
    """Base of what is drawn; `reports/charts.py` says how each kind is."""


@dataclass(frozen=True)
class IntervalChart(Chart):
    """Differences with their intervals on one axis; the line at ``margin`` is what has to be exceeded."""

    rows: tuple[tuple[str, float, float, float], ...]
    """(label, difference, low, high)."""
    margin: float = 0.0


@dataclass(frozen=True)
class MoveChart(Chart):
    """Scores before and after on one axis from 0 to 1, with the interval in which the later one lies."""

    rows: tuple[tuple[str, float, float, float | None, float | None], ...]
    """(label, before, after, low, high)."""


@dataclass(frozen=True)
class CurveChart(Chart):
    """Scores of candidates in order, the best so far, and levels worth comparing with."""

    points: tuple[tuple[int, float], ...]
    best: tuple[tuple[int, float], ...]
    levels: tuple[tuple[str, float], ...] = ()
    x_label: str = "candidate"
    y_label: str = "score"


@dataclass(frozen=True)
class GridChart(Chart):
    """Scores in [0, 1] of several prompts on many rows: a square each, the stronger the higher; None is no score."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    """(label, a score for each column)."""
    x_label: str = "dev rows, the hardest first"


@dataclass(frozen=True)
class WaterfallChart(Chart):
    """Amounts that add up to a whole, each beginning where the one before it ends."""

    steps: tuple[tuple[str, float, str], ...]
    """(label, amount, what else to know of it)."""
    label: str = "dollars"
    unit: str = "usd"

    @property
    def whole(self) -> float:
        """The sum of all amounts."""
        return sum(amount for _, amount, _ in self.steps)


@dataclass(frozen=True)
class CalibrationChart(Chart):
    """Scores that a judge gave against the scores that it should have given, both in [0, 1]; the diagonal is right."""

    points: tuple[tuple[float, float], ...]
    """(gold score, judge's score)."""


@dataclass(frozen=True)
class Diff:
    """Two texts line by line: each line is (mark, text) with mark ' ', '+' or '-'."""

    title: str
    lines: tuple[tuple[str, str], ...]
    left_out: int = 0


@dataclass(frozen=True)
class Born:
    """A candidate in a lineage.

    Attributes:
        index: Its number in the search; 0 is what the search began with.
        score: Its mean dev score; None where it has none.
        origin: How it came about, in a word or two.
        parents: Numbers of those it was made from; a merge has two.
        winner: Whether it is the one that the search ended with.
        complete: Whether all dev rows have a score.
        changes: What it changed, against each of its parents.
    """

    index: int
    score: float | None
    origin: str
    parents: tuple[int, ...] = ()
    winner: bool = False
    complete: bool = True
    changes: tuple[Diff, ...] = ()

    @property
    def kind(self) -> str:
        """What it is, in one word: winner, seed, merge or candidate."""
        if self.winner:
            return "winner"
        return "seed" if self.index == 0 else "merge" if len(self.parents) > 1 else "candidate"


@dataclass(frozen=True)
class Lineage:
    """Candidates and what they were made from: a drawn tree in which each leads to what it changed."""

    nodes: tuple[Born, ...]


@dataclass(frozen=True)
class Confusion:
    """Counts of gold (rows) against produced (columns), before and after."""

    field: str
    labels: tuple[str, ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Produced:
    """What one prompt made of a row: the text of each field, with its score where it has one."""

    score: float | None
    fields: tuple[tuple[str, str, float | None], ...]


@dataclass(frozen=True)
class RowLine:
    """One row of data under both prompts. ``kind`` is gain, loss, same or no score; ``open`` unfolds its input."""

    name: str
    kind: str
    change: float | None
    input: str
    gold: str
    before: Produced
    after: Produced
    open: bool = False


@dataclass(frozen=True)
class RowTable:
    """Every row of a split under both prompts, the largest changes first."""

    rows: tuple[RowLine, ...]
    left_out: int = 0


@dataclass(frozen=True)
class Example:
    """One row of data: named texts that are read side by side."""

    title: str
    sides: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Examples:
    """A few rows of one thing worth reading."""

    title: str
    examples: tuple[Example, ...]


Words = Banner | Heading | Paragraph | Bullets | Commands | Facts | FullText
Figure = Table | HeatMap | ScatterChart | Chart | Lineage | Diff | Confusion | RowTable | Examples
Block = Words | Figure


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
