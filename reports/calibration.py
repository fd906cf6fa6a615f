"""What a judge said against what it should have said: dots that lie on the diagonal where it is right."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from statistics import fmean

from reports.blocks import CalibrationChart, Table
from reports.drawn import NARROW, WIDE, Escape, framed, text, ticks

BINS = 5


def calibration(chart: CalibrationChart, escape: Escape, width: int = WIDE) -> str:
    """Gold from left to right, the judge from bottom to top; a dot is the larger the more outputs are there."""
    side = 340 if width > NARROW else 270
    left, top = 56, 14

    def place(gold: float, judged: float) -> tuple[float, float]:
        return left + side * gold, top + side * (1 - judged)

    parts = []
    for tick in ticks(0.0, 1.0):
        x, y = place(tick, tick)
        parts.append(f'<line class="axis" x1="{left}" x2="{left + side}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + side}"/>')
        parts.append(text(left - 8, y + 4, f"{tick:g}", anchor="end", style="soft"))
        parts.append(text(x, top + side + 18, f"{tick:g}", anchor="middle", style="soft"))
    (x1, y1), (x2, y2) = place(0.0, 0.0), place(1.0, 1.0)
    parts.append(f'<line class="level" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"/>')
    spots = Counter((round(50 * gold) / 50, round(50 * judged) / 50) for gold, judged in chart.points)
    for (gold, judged), count in sorted(spots.items()):
        x, y = place(gold, judged)
        radius = 4 * min(3.0, sqrt(count))
        parts.append(f'<circle class="point seen" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
    parts.append(text(left + side / 2, top + side + 38, "gold score", anchor="middle", style="soft"))
    parts.append(text(left + 6, top + 14, "judge's score", style="soft"))
    title = "The judge's score against the gold score; on the dashed diagonal they are equal"
    return framed(left + side + 16, top + side + 46, title, "".join(parts), escape)


def calibration_table(chart: CalibrationChart) -> Table:
    """What the judge gives on average, by fifths of the gold score."""
    rows = []
    for fifth in range(BINS):
        judged = [j for gold, j in chart.points if min(BINS - 1, int(gold * BINS)) == fifth]
        name = f"{fifth / BINS:.1f} to {(fifth + 1) / BINS:.1f}"
        rows.append((name, str(len(judged)), f"{fmean(judged):.3f}" if judged else "-"))
    return Table(("gold score", "outputs", "judge's mean score"), tuple(rows), (1, 2))


def calibration_lines(chart: CalibrationChart, width: int) -> tuple[str, ...]:
    """The same fifths as bars of characters."""
    lines = []
    for name, count, mean in calibration_table(chart).rows:
        bar = "-" if mean == "-" else "█" * max(1, round(float(mean) * min(30, width - 44)))
        lines.append(f"  gold {name}  {bar} {'' if mean == '-' else mean} ({count})")
    return tuple(lines)
