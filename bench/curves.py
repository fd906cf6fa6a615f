"""Curves in small multiples as one SVG: a panel for each subject, a curve for each contestant, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#0b6e99", "#c4500f", "#3f7d20", "#7a3e9d", "#a8324a", "#666666")
WIDTH, HEIGHT, COLUMNS = 300, 220, 3
LEFT, RIGHT, TOP, BOTTOM, KEY = 44, 14, 30, 34, 26

Place = Callable[[float], float]


@dataclass(frozen=True)
class Curve:
    """Points of a contestant: x, y, and the ends of y's interval where it has one."""

    name: str
    points: tuple[tuple[float, float, tuple[float, float] | None], ...]


@dataclass(frozen=True)
class Panel:
    """The curves about one subject; ``level`` is drawn as a dashed line."""

    name: str
    level: float | None
    curves: tuple[Curve, ...]


def drawing(panels: Sequence[Panel], x_label: str, y_label: str) -> str:
    """The whole picture. x is logarithmic; each panel has a range of y of its own.

    Raises:
        ValueError: If no panel has a point.
    """
    xs = sorted({x for panel in panels for curve in panel.curves for x, _, _ in curve.points})
    if not xs:
        raise ValueError(f"drawing: received {len(panels)} panels without a point")
    names = list(dict.fromkeys(curve.name for panel in panels for curve in panel.curves))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    width, height = COLUMNS * WIDTH, math.ceil(len(panels) / COLUMNS) * HEIGHT + KEY
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><title>{escape(y_label)} against {escape(x_label)}</title>'
        f'<rect width="{width}" height="{height}" fill="white"/>'
    ]
    for place, name in enumerate(names):
        parts.append(
            f'<circle cx="{LEFT + 110 * place}" cy="13" r="5" fill="{colours[name]}"/>'
            f'<text x="{LEFT + 110 * place + 9}" y="17">{escape(name)}</text>'
        )
    for place, panel in enumerate(panels):
        across, down = place % COLUMNS * WIDTH, place // COLUMNS * HEIGHT + KEY
        inside = "".join(_panel(panel, xs, colours, f"{y_label} against {x_label}"))
        parts.append(f'<g transform="translate({across},{down})">{inside}</g>')
    return "".join(parts) + "</svg>\n"


def _panel(panel: Panel, xs: Sequence[float], colours: dict[str, str], label: str) -> Iterator[str]:
    ys = [y for curve in panel.curves for _, y, _ in curve.points] + ([] if panel.level is None else [panel.level])
    ys += [end for curve in panel.curves for _, _, ends in curve.points if ends for end in ends]
    low, high = (min(ys), max(ys)) if ys else (0.0, 1.0)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)

    def x(value: float) -> float:
        span = math.log(xs[-1] / xs[0]) or 1.0
        return LEFT + 8 + (WIDTH - LEFT - RIGHT - 16) * (math.log(value / xs[0]) / span)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low))

    yield f'<text x="{LEFT}" y="{TOP - 10}" font-weight="bold">{escape(panel.name)}</text>'
    for share in (0, 0.5, 1):
        value = low + share * (high - low)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#dddddd"/>'
        yield f'<text x="{LEFT - 5}" y="{y(value) + 4:.1f}" text-anchor="end" fill="#555555">{value:.2f}</text>'
    for value in xs:
        place = f'x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 15}"'
        yield f'<text {place} text-anchor="middle" fill="#555555">{value:g}</text>'
    yield f'<text x="{LEFT}" y="{HEIGHT - 4}" fill="#888888" font-size="9">{escape(label)}</text>'
    if panel.level is not None:
        ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(panel.level):.1f}" y2="{y(panel.level):.1f}"'
        yield f'<line {ends} stroke="#888888" stroke-dasharray="3"/>'
    for place, curve in enumerate(panel.curves):
        yield from _curve(curve, 3.0 * (place - (len(panel.curves) - 1) / 2), x, y, colours[curve.name])


def _curve(curve: Curve, shift: float, x: Place, y: Place, colour: str) -> Iterator[str]:
    """Moved sideways a little, so that whiskers of two curves do not cover each other."""
    placed = [(x(at) + shift, y(value), ends) for at, value, ends in sorted(curve.points, key=lambda p: p[0])]
    line = " ".join(f"{across:.1f},{down:.1f}" for across, down, _ in placed)
    yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    for across, down, ends in placed:
        if ends:
            yield (
                f'<line x1="{across:.1f}" x2="{across:.1f}" y1="{y(ends[0]):.1f}" y2="{y(ends[1]):.1f}" '
                f'stroke="{colour}" opacity="0.6"/>'
            )
        yield f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{colour}"/>'
