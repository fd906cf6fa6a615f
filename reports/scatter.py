"""Quality against cost as SVG: numbered marks with intervals, the Pareto front, and a key that names every point."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from reports.blocks import ScatterChart, ScatterPoint
from reports.numbers import finite, number, quantity

Escape = Callable[[object], str]
WIDTH, HEIGHT = 520, 380
LEFT, RIGHT, TOP, BOTTOM = 52, 34, 26, 52
SHAPES = {
    "◆": "M0,-8L8,0L0,8L-8,0Z",
    "▲": "M0,-7L7,6L-7,6Z",
    "▼": "M0,7L7,-6L-7,-6Z",
    "?": "M-6,-6H6V6H-6Z",
}
CIRCLE = "M-6,0A6,6 0 1 0 6,0A6,6 0 1 0 -6,0Z"
NEAR = ((10, -8), (-10, -8), (10, 16), (-10, 16), (16, 4), (-16, 4), (0, -14), (0, 22))
DOLLAR_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Scales:
    """From values to places in the drawing; ``log`` is whether the cost axis is logarithmic."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    log: bool

    def x(self, value: float) -> float:
        """Horizontal place of a cost."""
        share = (self._along(value) - self._along(self.x_low)) / (self._along(self.x_high) - self._along(self.x_low))
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def y(self, value: float) -> float:
        """Vertical place of a score."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - self.y_low) / (self.y_high - self.y_low))

    def _along(self, value: float) -> float:
        return math.log10(value) if self.log else value


def scatter(chart: ScatterChart, escape: Escape) -> str:
    """The chart beside its key; points without a cost or a score are in the key alone."""
    points = [p for p in chart.points if _drawable(p)]
    key = "".join(_key(place, p, chart.unit, escape) for place, p in enumerate(chart.points, 1))
    drawing = _drawing(chart, points, escape) if points else "<p>No point has both a cost and a score.</p>"
    return f'<div class="scatter"><div class="scroll">{drawing}</div><ol class="key">{key}</ol></div>'


def _drawable(point: ScatterPoint) -> bool:
    return finite(point.x) is not None and finite(point.y) is not None and abs(point.x or 0.0) < 1e12


def _key(place: int, point: ScatterPoint, unit: str, escape: Escape) -> str:
    front = ", <b>on the front</b>" if point.front else ""
    cost = "cost unknown" if finite(point.x) is None else quantity(point.x, unit)
    where = f"{number(point.y)}, {cost}" if finite(point.y) is not None else f"no score, {cost}"
    mark = f'<span class="{escape(point.tone)}">{escape(point.mark)} {escape(point.word)}</span>'
    return f'<li value="{place}">{escape(point.label)}<small>{mark}, {escape(where)}{front}</small></li>'


def _drawing(chart: ScatterChart, points: list[ScatterPoint], escape: Escape) -> str:
    scales = _scales(chart, points)
    parts = [
        _grid(scales, chart.unit),
        *(_level(name, level, points, scales, escape) for name, level in _levels(chart, scales)),
    ]
    parts += [_whisker(point, scales) for point in points]
    parts.append(_front(points, scales))
    parts += [_mark(point, scales, escape) for point in points]
    numbers = {id(point): place for place, point in enumerate(chart.points, 1)}
    parts += _numbers([(numbers[id(p)], scales.x(_x(p)), scales.y(_y(p))) for p in points])
    label = f"{chart.x_label}{' (log scale)' if scales.log else ''}"
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(f'<text class="soft" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>')
    parts.append(f'<text class="soft" x="4" y="14">{escape(chart.y_label)}</text>')
    title = f"{chart.y_label} against {chart.x_label}; the line is the Pareto front, the key names the numbers"
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _x(point: ScatterPoint) -> float:
    return point.x or 0.0


def _y(point: ScatterPoint) -> float:
    return min(1.0, max(0.0, point.y or 0.0))


def _ends(point: ScatterPoint) -> tuple[float, float]:
    low, high = finite(point.low), finite(point.high)
    if low is None or high is None:
        return _y(point), _y(point)
    return min(1.0, max(0.0, low)), min(1.0, max(0.0, high))


def _scales(chart: ScatterChart, points: list[ScatterPoint]) -> Scales:
    costs = [_x(p) for p in points]
    log = min(costs) > 0 and max(costs) > 8 * min(costs)
    if log:
        x_low, x_high = min(costs) / 1.6, max(costs) * 1.6
    else:
        pad = (max(costs) - min(costs)) * 0.1 or abs(max(costs)) * 0.5 or 1.0
        x_low, x_high = min(costs) - pad, max(costs) + pad
    edges = [end for p in points for end in (_y(p), *_ends(p))]
    edges += [level for _, level in chart.levels if finite(level) is not None and 0 <= level <= 1]
    pad = (max(edges) - min(edges)) * 0.08 or 0.05
    return Scales(x_low, x_high, max(0.0, min(edges) - pad), min(1.0, max(edges) + pad), log)


def _x_ticks(scales: Scales) -> list[float]:
    if not scales.log:
        return [scales.x_low + (scales.x_high - scales.x_low) * i / 4 for i in range(5)]
    decades = range(math.floor(math.log10(scales.x_low)), math.ceil(math.log10(scales.x_high)) + 1)
    wide = scales.x_high > 300 * scales.x_low
    ticks = [step * 10.0**decade for decade in decades for step in ((1,) if wide else DOLLAR_STEPS)]
    return [tick for tick in ticks if scales.x_low <= tick <= scales.x_high][:12]


def _grid(scales: Scales, unit: str) -> str:
    parts = []
    for i in range(5):
        tick = scales.y_low + (scales.y_high - scales.y_low) * i / 4
        y = scales.y(tick)
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="soft" x="{LEFT - 8}" y="{y + 5:.1f}" text-anchor="end">{tick:.2f}</text>')
    for tick in _x_ticks(scales):
        x = scales.x(tick)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        dollar = "$" if unit == "usd" else ""
        text = f"{dollar}{tick:,.3g}" if scales.log else quantity(tick, unit).replace("$-", "-$")
        if scales.log or tick >= 0:
            parts.append(
                f'<text class="soft" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{text}</text>'
            )
    return "".join(parts)


def _levels(chart: ScatterChart, scales: Scales) -> list[tuple[str, float]]:
    return [(n, v) for n, v in chart.levels if finite(v) is not None and scales.y_low <= v <= scales.y_high]


def _level(name: str, level: float, points: list[ScatterPoint], scales: Scales, escape: Escape) -> str:
    """A dashed line with its name where fewest points are in the way."""
    y, reach = scales.y(level), 8 * len(name)
    near = [scales.x(_x(p)) for p in points if scales.y(_ends(p)[1]) - 8 < y < scales.y(_ends(p)[0]) + 20]
    starts = (
        LEFT + 4,
        WIDTH - RIGHT - reach,
        (LEFT + WIDTH - RIGHT - reach) / 2,
        LEFT + 90,
        WIDTH - RIGHT - reach - 90,
    )
    place = min(starts, key=lambda start: sum(start - 20 < x < start + reach + 12 for x in near))
    return (
        f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="soft" x="{place:.1f}" y="{y - 4:.1f}">{escape(name)}</text>'
    )


def _whisker(point: ScatterPoint, scales: Scales) -> str:
    (low, high), x = _ends(point), scales.x(_x(point))
    top, bottom = scales.y(high), scales.y(low)
    return (
        f'<path class="whisker" d="M{x:.1f},{top:.1f}V{bottom:.1f}'
        f'M{x - 3:.1f},{top:.1f}h6M{x - 3:.1f},{bottom:.1f}h6"/>'
    )


def _front(points: list[ScatterPoint], scales: Scales) -> str:
    front = sorted((p for p in points if p.front), key=lambda p: (_x(p), _y(p)))
    if not front:
        return ""
    path = f"M{scales.x(_x(front[0])):.1f},{scales.y(_y(front[0])):.1f}"
    path += "".join(f"H{scales.x(_x(p)):.1f}V{scales.y(_y(p)):.1f}" for p in front[1:])
    return f'<path class="best" d="{path}"/>'


def _mark(point: ScatterPoint, scales: Scales, escape: Escape) -> str:
    shape = SHAPES.get(point.mark, CIRCLE)
    place = f"translate({scales.x(_x(point)):.1f},{scales.y(_y(point)):.1f})"
    return f'<path class="mark {escape(point.tone)}" transform="{place}" d="{shape}"/>'


def _numbers(places: list[tuple[int, float, float]]) -> list[str]:
    """The number of each point beside it, where it covers least of what is there already."""
    taken = [(x, y) for _, x, y in places]
    parts = []
    for name, x, y in places:
        spots = [(x + dx, y + dy - 4) for dx, dy in NEAR]
        best = min(spots, key=lambda spot: sum(_crowd(spot, other) for other in taken if other != (x, y)))
        taken.append(best)
        parts.append(f'<text class="name" x="{best[0]:.1f}" y="{best[1] + 4:.1f}" text-anchor="middle">{name}</text>')
    return parts


def _crowd(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(0.0, 18 - math.dist(one, other))
