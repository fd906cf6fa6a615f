"""Hand-drawn SVG charts: few marks, labelled axes, readable without colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.catalog import Catalog
from reports.blocks import (
    CalibrationChart,
    Chart,
    CurveChart,
    GridChart,
    IntervalChart,
    MoveChart,
    Table,
    WaterfallChart,
)
from reports.calibration import calibration, calibration_lines, calibration_table
from reports.drawn import WIDE, Escape, cut, framed, ticks
from reports.grid import grid, grid_lines, grid_table
from reports.waterfall import waterfall, waterfall_lines, waterfall_table


def intervals(chart: IntervalChart, escape: Escape, width: int = WIDE) -> str:
    """Differences as dots on their intervals, with a line at the margin."""
    edges = [value for _, _, low, high in chart.rows for value in (low, high)] + [0.0, chart.margin]
    low, high = min(edges), max(edges)
    pad = (high - low) * 0.08 or 0.1
    low, high = low - pad, high + pad
    wide = width == WIDE
    left, right, row_height = (190, 90, 34) if wide else (24, 64, 48)
    height = row_height * len(chart.rows) + 40

    def x(value: float) -> float:
        return left + (width - left - right) * (value - low) / (high - low)

    parts = [f'<line class="zero" x1="{x(chart.margin):.1f}" x2="{x(chart.margin):.1f}" y1="6" y2="{height - 28}"/>']
    room = 0.12 if wide else 0.25
    marks = [t for t in ticks(low, high, 5 if wide else 3) if abs(t - chart.margin) > room * (high - low)]
    labels = [(chart.margin, "0" if chart.margin == 0 else f"{chart.margin:+.2f}"), *((t, f"{t:+.2f}") for t in marks)]
    for tick, text in labels:
        parts.append(f'<text class="soft" x="{x(tick):.1f}" y="{height - 8}" text-anchor="middle">{text}</text>')
    for index, (label, value, start, end) in enumerate(chart.rows):
        y = (22 if wide else 36) + index * row_height
        parts.append(_label(label[:40], escape, left, y, wide=wide))
        parts.append(f'<line class="bar" x1="{x(start):.1f}" x2="{x(end):.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="point" cx="{x(value):.1f}" cy="{y}" r="6"/>')
        parts.append(f'<text x="{width - right + 14}" y="{y + 4}">{value:+.3f}</text>')
    title = "Change with its interval; the dashed line is what has to be exceeded"
    return framed(width, height, title, "".join(parts), escape)


def _label(text: str, escape: Escape, left: float, y: float, *, wide: bool) -> str:
    """A row's name: before its line where there is room, else above it."""
    if wide:
        return f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{escape(cut(text, int((left - 12) / 7.2)))}</text>'
    return f'<text x="{left}" y="{y - 14}">{escape(text)}</text>'


def moves(chart: MoveChart, escape: Escape, width: int = WIDE) -> str:
    """Scores before (a ring) and after (a dot) on one axis from 0 to 1, with the interval of the later one."""
    wide = width == WIDE
    left, right, row_height = (170, 130, 34) if wide else (14, 14, 52)
    height = row_height * len(chart.rows) + 34

    def x(value: float) -> float:
        return left + (width - left - right) * value

    parts = []
    for tick in ticks(0.0, 1.0, 5):
        parts.append(f'<line class="axis" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="4" y2="{height - 26}"/>')
        parts.append(f'<text class="soft" x="{x(tick):.1f}" y="{height - 8}" text-anchor="middle">{tick:g}</text>')
    for index, (label, before, after, low, high) in enumerate(chart.rows):
        y = (20 if wide else 38) + index * row_height
        numbers = f"{before:.3f} → {after:.3f}"
        parts.append(_label(label if wide else f"{label[:24]}  {numbers}", escape, left, y, wide=wide))
        if wide:
            parts.append(f'<text x="{width - right + 14}" y="{y + 4}">{numbers}</text>')
        if low is not None and high is not None:
            parts.append(f'<line class="range" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<line class="bar" x1="{x(before):.1f}" x2="{x(after):.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="ring" cx="{x(before):.1f}" cy="{y}" r="6"/>')
        parts.append(f'<circle class="point" cx="{x(after):.1f}" cy="{y}" r="6"/>')
    title = "Score before (ring) and tuned (dot); the band is where the tuned score lies, given the one before"
    return framed(width, height, title, "".join(parts), escape)


def curve(chart: CurveChart, escape: Escape, width: int = WIDE) -> str:
    """Candidates as dots, the best so far as a step line, levels as dashed lines."""
    if not chart.points:
        return "<p>No candidate was scored.</p>"
    values = [score for _, score in chart.points] + [level for _, level in chart.levels]
    low, high = min(values), max(values)
    pad = (high - low) * 0.15 or 0.05
    scores = low >= 0 and high <= 1
    low, high = (max(0.0, low - pad), min(1.0, high + pad)) if scores else (low - pad, high + pad)
    last = max(index for index, _ in chart.points)
    wide = width == WIDE
    left, right, top, bottom, height = (60, 150, 14, 44, 300) if wide else (38, 16, 14, 44, 260)

    def x(index: float) -> float:
        return left + (width - left - right) * (index / last if last else 0.5)

    def y(score: float) -> float:
        return top + (height - top - bottom) * (1 - (score - low) / (high - low))

    parts = []
    for tick in ticks(low, high):
        parts.append(f'<line class="axis" x1="{left}" x2="{width - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="soft" x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.2f}</text>')
    labels = _spread([(level, name) for name, level in chart.levels], y)
    for (name, level), place in zip(sorted(chart.levels, key=lambda item: y(item[1])), labels, strict=True):
        parts.append(f'<line class="level" x1="{left}" x2="{width - right}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>')
        beside = f'x="{width - right + 6}" y="{place + 4:.1f}"' if wide else f'x="{left + 4}" y="{place - 4:.1f}"'
        parts.append(f"<text {beside}>{escape(name)} {level:.3f}</text>")
    path = f"M{x(chart.best[0][0]):.1f},{y(chart.best[0][1]):.1f}"
    path += "".join(f"H{x(index):.1f}V{y(score):.1f}" for index, score in chart.best[1:])
    parts.append(f'<path class="best" d="{path}"/>')
    parts += [f'<circle class="point" cx="{x(i):.1f}" cy="{y(s):.1f}" r="4"/>' for i, s in chart.points]
    for index in sorted({0, last // 2, last}):
        parts.append(f'<text class="soft" x="{x(index):.1f}" y="{height - 24}" text-anchor="middle">{index}</text>')
    middle = left + (width - left - right) / 2
    parts.append(
        f'<text class="soft" x="{middle}" y="{height - 6}" text-anchor="middle">{escape(chart.x_label)}</text>'
    )
    parts.append(f'<text class="soft" x="{left}" y="{top - 2}">{escape(chart.y_label)}</text>')
    return framed(width, height, f"{chart.y_label} by {chart.x_label}", "".join(parts), escape)


def _spread(levels: list[tuple[float, str]], y: Callable[[float], float], gap: float = 18) -> list[float]:
    """Label positions in drawing order, moved apart so that they do not overlap."""
    places: list[float] = []
    for place in sorted(y(level) for level, _ in levels):
        places.append(max(place, places[-1] + gap) if places else place)
    return places


def _interval_table(chart: IntervalChart) -> Table:
    rows = tuple((n, f"{v:+.3f}", f"{low:+.3f} to {high:+.3f}") for n, v, low, high in chart.rows)
    return Table(("", "change", f"interval (to exceed {chart.margin:+.3f})"), rows)


def _interval_lines(chart: IntervalChart, width: int) -> tuple[str, ...]:
    """Intervals drawn with characters on one scale: ``|`` is what has to be exceeded, ``o`` the difference."""
    edges = [value for _, _, low, high in chart.rows for value in (low, high)] + [chart.margin]
    start, end = min(edges), max(edges)
    names = max((len(cut(name, 14)) for name, *_ in chart.rows), default=0)
    room = max(10, min(50, width - names - 20))

    def place(value: float) -> int:
        return round((room - 1) * (value - start) / ((end - start) or 1.0))

    lines = []
    for name, value, low, high in chart.rows:
        line = ["-" if place(low) <= at <= place(high) else " " for at in range(room)]
        line[place(chart.margin)] = "|"
        line[place(value)] = "o"
        lines.append(f"  {cut(name, 14):<{names}}  {start:+.2f} {''.join(line)} {end:+.2f}")
    return tuple(lines)


def _move_table(chart: MoveChart) -> Table:
    rows = tuple((n, f"{b:.3f}", f"{a:.3f}", f"{a - b:+.3f}") for n, b, a, _, _ in chart.rows)
    return Table(("", "before", "tuned", "change"), rows, (1, 2, 3))


def _curve_table(chart: CurveChart) -> Table:
    scores = tuple((str(index), f"{score:.3f}") for index, score in chart.points)
    return Table((chart.x_label, chart.y_label), (*scores, *((name, f"{level:.3f}") for name, level in chart.levels)))


@dataclass(frozen=True)
class Drawing:
    """How one kind of chart is shown: drawn on a page, as a table in Markdown, as lines in a terminal."""

    chart: type[Chart]
    svg: Callable[[Any, Escape, int], str]
    table: Callable[[Any], Table]
    lines: Callable[[Any, int], tuple[str, ...]] = lambda chart, width: ()
    """Lines of at most so many characters; none where the sentences around the chart say as much."""

    @property
    def name(self) -> str:
        """The chart's class."""
        return self.chart.__name__


CHARTS: Catalog[Drawing] = Catalog(
    "chart",
    (
        Drawing(IntervalChart, intervals, _interval_table, _interval_lines),
        Drawing(MoveChart, moves, _move_table),
        Drawing(CurveChart, curve, _curve_table),
        Drawing(GridChart, grid, grid_table, grid_lines),
        Drawing(WaterfallChart, waterfall, waterfall_table, waterfall_lines),
        Drawing(CalibrationChart, calibration, calibration_table, calibration_lines),
    ),
)


def drawing_of(chart: Chart) -> Drawing:
    """How a chart is shown."""
    return CHARTS.get(type(chart).__name__)
