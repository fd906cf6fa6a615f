"""Hand-drawn SVG charts: few marks, labelled axes, readable without colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.catalog import Catalog
from reports.blocks import Chart, CurveChart, IntervalChart, Table

Escape = Callable[[object], str]
WIDTH = 720


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    return [low + (high - low) * i / (count - 1) for i in range(count)]


def intervals(chart: IntervalChart, escape: Escape) -> str:
    """Differences as dots on their intervals, with a line at the margin."""
    edges = [value for _, _, low, high in chart.rows for value in (low, high)] + [0.0, chart.margin]
    low, high = min(edges), max(edges)
    pad = (high - low) * 0.08 or 0.1
    low, high = low - pad, high + pad
    left, right, row_height = 170, 90, 34
    height = row_height * len(chart.rows) + 40

    def x(value: float) -> float:
        return left + (WIDTH - left - right) * (value - low) / (high - low)

    parts = [f'<line class="zero" x1="{x(chart.margin):.1f}" x2="{x(chart.margin):.1f}" y1="6" y2="{height - 28}"/>']
    for tick in _ticks(low, high):
        parts.append(f'<text class="soft" x="{x(tick):.1f}" y="{height - 8}" text-anchor="middle">{tick:+.2f}</text>')
    for index, (label, value, start, end) in enumerate(chart.rows):
        y = 22 + index * row_height
        parts.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{escape(label[:24])}</text>')
        parts.append(f'<line class="bar" x1="{x(start):.1f}" x2="{x(end):.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="point" cx="{x(value):.1f}" cy="{y}" r="6"/>')
        parts.append(f'<text x="{WIDTH - right + 14}" y="{y + 4}">{value:+.3f}</text>')
    title = "Change with its interval; the dashed line is what has to be exceeded"
    return _svg(height, title, "".join(parts), escape)


def curve(chart: CurveChart, escape: Escape) -> str:
    """Candidates as dots, the best so far as a step line, levels as dashed lines."""
    if not chart.points:
        return "<p>No candidate was scored.</p>"
    values = [score for _, score in chart.points] + [level for _, level in chart.levels]
    low, high = min(values), max(values)
    pad = (high - low) * 0.15 or 0.05
    scores = low >= 0 and high <= 1
    low, high = (max(0.0, low - pad), min(1.0, high + pad)) if scores else (low - pad, high + pad)
    last = max(index for index, _ in chart.points)
    left, right, top, bottom, height = 60, 150, 14, 44, 300

    def x(index: float) -> float:
        return left + (WIDTH - left - right) * (index / last if last else 0.5)

    def y(score: float) -> float:
        return top + (height - top - bottom) * (1 - (score - low) / (high - low))

    parts = []
    for tick in _ticks(low, high):
        parts.append(f'<line class="axis" x1="{left}" x2="{WIDTH - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="soft" x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.2f}</text>')
    labels = _spread([(level, name) for name, level in chart.levels], y)
    for (name, level), place in zip(sorted(chart.levels, key=lambda item: y(item[1])), labels, strict=True):
        parts.append(f'<line class="level" x1="{left}" x2="{WIDTH - right}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>')
        parts.append(f'<text x="{WIDTH - right + 6}" y="{place + 4:.1f}">{escape(name)} {level:.3f}</text>')
    path = f"M{x(chart.best[0][0]):.1f},{y(chart.best[0][1]):.1f}"
    path += "".join(f"H{x(index):.1f}V{y(score):.1f}" for index, score in chart.best[1:])
    parts.append(f'<path class="best" d="{path}"/>')
    parts += [f'<circle class="point" cx="{x(i):.1f}" cy="{y(s):.1f}" r="4"/>' for i, s in chart.points]
    for index in sorted({0, last // 2, last}):
        parts.append(f'<text class="soft" x="{x(index):.1f}" y="{height - 24}" text-anchor="middle">{index}</text>')
    middle = left + (WIDTH - left - right) / 2
    parts.append(
        f'<text class="soft" x="{middle}" y="{height - 6}" text-anchor="middle">{escape(chart.x_label)}</text>'
    )
    parts.append(f'<text class="soft" x="{left}" y="{top - 2}">{escape(chart.y_label)}</text>')
    return _svg(height, f"{chart.y_label} by {chart.x_label}", "".join(parts), escape)


def _spread(levels: list[tuple[float, str]], y: Callable[[float], float], gap: float = 18) -> list[float]:
    """Label positions in drawing order, moved apart so that they do not overlap."""
    places: list[float] = []
    for place in sorted(y(level) for level, _ in levels):
        places.append(max(place, places[-1] + gap) if places else place)
    return places


def _svg(height: float, title: str, body: str, escape: Escape) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )


def _interval_table(chart: IntervalChart) -> Table:
    rows = tuple((n, f"{v:+.3f}", f"{low:+.3f} to {high:+.3f}") for n, v, low, high in chart.rows)
    return Table(("", "change", f"interval (to exceed {chart.margin:+.3f})"), rows)


def _curve_table(chart: CurveChart) -> Table:
    scores = tuple((str(index), f"{score:.3f}") for index, score in chart.points)
    return Table((chart.x_label, chart.y_label), (*scores, *((name, f"{level:.3f}") for name, level in chart.levels)))


@dataclass(frozen=True)
class Drawing:
    """How one kind of chart is shown: drawn on a page, and as a table where nothing can be drawn."""

    chart: type[Chart]
    svg: Callable[[Any, Escape], str]
    table: Callable[[Any], Table]

    @property
    def name(self) -> str:
        """The chart's class."""
        return self.chart.__name__


CHARTS: Catalog[Drawing] = Catalog(
    "chart", (Drawing(IntervalChart, intervals, _interval_table), Drawing(CurveChart, curve, _curve_table))
)


def drawing_of(chart: Chart) -> Drawing:
    """How a chart is shown."""
    return CHARTS.get(type(chart).__name__)
