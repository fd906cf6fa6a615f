"""What is in each square of a grid of scores, and where its interval lies on one scale for all squares."""

from __future__ import annotations

from dataclasses import dataclass

from reports.blocks import HeatCell, HeatMap
from reports.numbers import finite, number

Scale = tuple[float, float]


@dataclass(frozen=True)
class Square:
    """A square as texts, and the two paths of its little line, which are empty where nothing is known."""

    tone: str
    score: str
    interval: str
    word: str
    notes: tuple[str, ...]
    problem: str
    spread: str
    dot: str


def drawn_rows(block: HeatMap) -> tuple[tuple[str, tuple[Square | None, ...]], ...]:
    """The rows of a grid; None where there is no such combination."""
    squares = [cell for _, row in block.rows for cell in row if cell is not None]
    edges = [v for c in squares for v in (finite(c.value), finite(c.low), finite(c.high)) if v is not None]
    scale = (min(edges), max(edges)) if edges else (0.0, 1.0)
    return tuple((name, tuple(_square(cell, scale) for cell in row)) for name, row in block.rows)


def _square(cell: HeatCell | None, scale: Scale) -> Square | None:
    if cell is None:
        return None
    value, low, high = finite(cell.value), finite(cell.low), finite(cell.high)
    spread = low is not None and high is not None
    unknown = "" if value is not None else "interval unknown"
    return Square(
        tone=cell.tone,
        score="no score" if value is None else number(value),
        interval=f"{number(low)} to {number(high)}" if spread else unknown,
        word=f"{cell.mark} {cell.word}".strip(),
        notes=cell.notes,
        problem=cell.problem,
        spread="" if low is None or high is None else f"M{_place(low, scale):.1f},6H{_place(high, scale):.1f}",
        dot="" if value is None else f"M{_place(value, scale):.1f},1V11",
    )


def _place(value: float, scale: Scale) -> float:
    return 4 + 92 * (value - scale[0]) / ((scale[1] - scale[0]) or 1.0)
