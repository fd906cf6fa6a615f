"""Scores of candidates on dev rows as a field of squares: which rows nobody solves, and what each prompt is good at."""

from __future__ import annotations

from reports.blocks import GridChart, Table
from reports.drawn import NARROW, WIDE, Escape, cut, framed, text

LEVELS = 6
SHADES = " ·░▒▓█"
"""Levels from 0 to 1 in characters."""
TALLEST = 18
LINES = 20
"""Candidates that a terminal shows."""


def level(score: float) -> int:
    """Which of the levels a score falls into: the lowest is exactly 0 and the highest exactly 1."""
    if score <= 0 or score >= 1:
        return 0 if score <= 0 else LEVELS - 1
    return 1 + min(LEVELS - 3, int(score * (LEVELS - 2)))


def grid(chart: GridChart, escape: Escape, width: int = WIDE) -> str:
    """One square for each score; a level is one path, so that thousands of squares stay small."""
    left = 132 if width > NARROW else 78
    side = min(TALLEST, (width - left - 6) / max(1, len(chart.columns)))
    tall = max(9.0, side)
    paths: dict[int, list[str]] = {}
    labels = []
    for row, (name, scores) in enumerate(chart.rows):
        y = row * (tall + 2)
        labels.append(text(left - 8, y + tall / 2 + 4, escape(cut(name, left // 8)), anchor="end"))
        for column, score in enumerate(scores):
            if score is not None:
                gap = 1 if side > 4 else 0
                d = f"M{left + column * side:.1f},{y:.1f}h{side - gap:.1f}v{tall:.1f}h-{side - gap:.1f}z"
                paths.setdefault(level(score), []).append(d)
    squares = [f'<path class="q{shade}" d="{"".join(parts)}"/>' for shade, parts in sorted(paths.items())]
    bottom = len(chart.rows) * (tall + 2)
    return framed(
        width, bottom + 44, "Score of each candidate on each dev row; the stronger the colour, the higher",
        "".join([*squares, *labels, text(left, bottom + 14, escape(chart.x_label), style="soft"),
                 *_key(left, bottom + 24)]), escape,
    )  # fmt: skip


def _key(left: float, y: float) -> list[str]:
    """What the shades mean."""
    squares = [f'<path class="q{i}" d="M{left + 26 + 20 * i:.1f},{y:.1f}h18v12h-18z"/>' for i in range(LEVELS)]
    return [text(left, y + 11, "0", style="soft"), *squares, text(left + 32 + 20 * LEVELS, y + 11, "1", style="soft")]


def grid_table(chart: GridChart) -> Table:
    """How many rows each candidate solves and fails."""
    rows = []
    for name, scores in chart.rows:
        known = [score for score in scores if score is not None]
        solved, failed = sum(score >= 1 for score in known), sum(score <= 0 for score in known)
        rows.append((name, str(len(known)), str(solved), str(len(known) - solved - failed), str(failed)))
    return Table(("candidate", "dev rows", "full score", "between", "zero"), tuple(rows), (1, 2, 3, 4))


def grid_lines(chart: GridChart, width: int) -> tuple[str, ...]:
    """The same field in characters, as many rows of data as the screen has room for."""
    names = max((len(cut(name, 16)) for name, _ in chart.rows), default=0)
    room = max(1, width - names - 4)
    lines = [
        f"  {cut(name, 16):<{names}}  " + "".join("?" if s is None else SHADES[level(s)] for s in scores[:room])
        for name, scores in chart.rows[:LINES]
    ]
    cut_off = len(chart.columns) > room or len(chart.rows) > LINES
    return (*lines, f"  {chart.x_label}{'; the page has more' if cut_off else ''}; █ is 1, blank is 0")
