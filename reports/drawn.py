"""What every drawing shares: the two widths that it is made in, its frame, and names that fit."""

from __future__ import annotations

from collections.abc import Callable

Escape = Callable[[object], str]
WIDE, NARROW = 720, 340
"""Widths that a chart is drawn in: one for screens and paper, one for phones, where a scaled text cannot be read."""


def framed(width: float, height: float, title: str, body: str, escape: Escape) -> str:
    """An SVG of this size; the title is read out and shown on hovering."""
    return (
        f'<svg role="img" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )


def text(x: float, y: float, words: str, *, anchor: str = "", style: str = "") -> str:
    """A text whose words are escaped already; ``anchor`` is start, middle or end."""
    kind = f' class="{style}"' if style else ""
    place = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}"{place}>{words}</text>'


def cut(words: str, length: int) -> str:
    """A name that is no longer than ``length`` characters."""
    return words if len(words) <= length else f"{words[: max(0, length - 1)]}…"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Places on an axis, evenly from end to end."""
    return [low + (high - low) * i / (count - 1) for i in range(count)]
