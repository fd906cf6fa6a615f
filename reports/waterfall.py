"""Amounts that add up, as a cascade of bars: who spent what of the whole."""

from __future__ import annotations

from reports.blocks import Table, WaterfallChart
from reports.drawn import WIDE, Escape, cut, framed, text
from reports.numbers import percent, quantity


def waterfall(chart: WaterfallChart, escape: Escape, width: int = WIDE) -> str:
    """A bar for each amount, beginning where the one before it ends, and one for the whole."""
    wide = width == WIDE
    left, right, row = (170, 240, 34) if wide else (8, 8, 52)
    whole = chart.whole or 1.0
    parts, start = [], 0.0
    steps = [*chart.steps, ("all", chart.whole, "")]
    for index, (name, amount, note) in enumerate(steps):
        last = index == len(steps) - 1
        start = 0.0 if last else start
        y = (8 if wide else 24) + index * row
        x, size = left + (width - left - right) * start / whole, (width - left - right) * amount / whole
        kind = "sum" if last else "step"
        parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{max(1.0, size):.1f}" height="18"/>')
        figures = f"{quantity(amount, chart.unit)}{f', {note}' if note else ''}"
        if wide:
            parts.append(text(left - 12, y + 14, escape(cut(name, 24)), anchor="end"))
            parts.append(text(width - right + 14, y + 14, escape(cut(figures, 34))))
        else:
            parts.append(text(left, y - 6, escape(cut(f"{name}  {figures}", 44))))
        start += amount
    title = f"{chart.label} by role; each bar begins where the one before it ends"
    return framed(width, (8 if wide else 24) + row * len(steps), title, "".join(parts), escape)


def waterfall_table(chart: WaterfallChart) -> Table:
    """Each amount with its share of the whole."""
    rows = tuple(
        (name, quantity(amount, chart.unit), percent(amount / (chart.whole or 1.0)), note)
        for name, amount, note in chart.steps
    )
    return Table(("role", chart.label, "share", "calls"), rows, (1, 2))


def waterfall_lines(chart: WaterfallChart, width: int) -> tuple[str, ...]:
    """The cascade in characters."""
    names = max((len(cut(name, 14)) for name, _, _ in chart.steps), default=0)
    amounts = [quantity(amount, chart.unit) for _, amount, _ in chart.steps]
    room = max(8, min(40, width - names - max(map(len, amounts), default=0) - 6))
    lines, start, whole = [], 0.0, chart.whole or 1.0
    for (name, amount, _), figure in zip(chart.steps, amounts, strict=True):
        first, size = round(room * start / whole), max(1, round(room * amount / whole))
        first = min(first, room - size)
        bar = f"{' ' * first}{'█' * size}".ljust(room)
        lines.append(f"  {cut(name, 14):<{names}}  {bar}  {figure}")
        start += amount
    return tuple(lines)
