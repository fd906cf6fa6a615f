"""A grid of scores as an HTML table: number, interval, word and mark in each square, colour as an addition."""

from __future__ import annotations

from collections.abc import Callable

from reports.blocks import HeatCell, HeatMap
from reports.numbers import finite, number

Escape = Callable[[object], str]


def heat_map(block: HeatMap, escape: Escape) -> str:
    """A grid of scores; the little line in each square is the interval, on one scale for all squares."""
    squares = [cell for _, row in block.rows for cell in row if cell is not None]
    edges = [v for c in squares for v in (finite(c.value), finite(c.low), finite(c.high)) if v is not None]
    scale = (min(edges), max(edges)) if edges else (0.0, 1.0)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in block.columns)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(_square(cell, scale, escape) for cell in row)}</tr>'
        for name, row in block.rows
    )
    return (
        f'<div class="scroll"><table class="heat"><thead><tr><th scope="col">{escape(block.corner)}</th>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _square(cell: HeatCell | None, scale: tuple[float, float], escape: Escape) -> str:
    if cell is None:
        return '<td class="none">not run</td>'
    score = "no score" if finite(cell.value) is None else number(cell.value)
    spread = finite(cell.low) is not None and finite(cell.high) is not None
    interval = f"{number(cell.low)} to {number(cell.high)}" if spread else "interval unknown"
    told = "" if finite(cell.value) is not None and not spread else f"<small>{escape(interval)}</small>"
    notes = "".join(f"<small>{escape(note)}</small>" for note in cell.notes)
    problem = f'<small class="problem">✗ {escape(cell.problem)}</small>' if cell.problem else ""
    return (
        f'<td class="{escape(cell.tone)}"><b>{escape(score)}</b>{told}'
        f"{_strip(cell, scale)}<em>{escape(f'{cell.mark} {cell.word}'.strip())}</em>{notes}{problem}</td>"
    )


def _strip(cell: HeatCell, scale: tuple[float, float]) -> str:
    value, low, high = finite(cell.value), finite(cell.low), finite(cell.high)
    if value is None:
        return ""
    width = (scale[1] - scale[0]) or 1.0

    def x(number: float) -> float:
        return 4 + 92 * (number - scale[0]) / width

    spread = "" if low is None or high is None else f"M{x(low):.1f},6H{x(high):.1f}"
    return (
        '<svg class="strip" aria-hidden="true" viewBox="0 0 100 12" preserveAspectRatio="none">'
        f'<path class="axis" d="M0,6H100"/><path class="spread" d="{spread}"/>'
        f'<path class="dot" d="M{x(value):.1f},1V11"/></svg>'
    )
