"""A report as Markdown, for a pull request or a wiki."""

from __future__ import annotations

import re

from core.display import harmless
from reports.blocks import (
    Banner,
    Block,
    Bullets,
    Chart,
    Commands,
    Confusion,
    Diff,
    Example,
    Examples,
    Facts,
    Figure,
    FullText,
    Heading,
    HeatCell,
    HeatMap,
    Lineage,
    Paragraph,
    Report,
    RowLine,
    RowTable,
    ScatterChart,
    ScatterPoint,
    Table,
    Words,
)
from reports.charts import drawing_of
from reports.lineage import told
from reports.numbers import UNKNOWN, finite, number, quantity, span

MOST_ROWS = 20
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~])")
_HTML = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
"""As entities, because not every Markdown reader lets a backslash stand before these."""
_LIST_MARK = re.compile(r"^([-+]|\d{1,9}(?=[.)]))(?=[-.)]*(\s|$))")


def plain(text: object) -> str:
    """Text that Markdown shows as it is, on one line: neither its syntax nor HTML in it has any effect."""
    return _SPECIAL.sub(r"\\\1", " ".join(harmless(text).split()).translate(_HTML))


def _paragraph(text: str) -> str:
    """Plain text that stands at the beginning of a line, where a dash or a number would begin a list."""
    return _LIST_MARK.sub(lambda mark: f"\\{mark[0]}" if mark[0] in "-+" else f"{mark[0]}\\", plain(text))


def render_markdown(report: Report) -> str:
    """The whole report as Markdown; charts become the numbers behind them."""
    return "\n\n".join([f"# {plain(report.title)}", *filter(None, map(_block, report.blocks))]) + "\n"


def _rows(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    lines = ["| " + " | ".join(map(plain, columns)) + " |", "|" + "---|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(map(plain, row)) + " |" for row in rows])


def _fence(text: str, language: str = "diff") -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{harmless(text)}\n{marks}"


def _block(block: Block) -> str:
    return _figure(block) if isinstance(block, Figure) else _words(block)


def _words(block: Words) -> str:
    match block:
        case Banner(title, sentence, _):
            return f"> **{plain(title)}** {plain(sentence)}"
        case Heading(text):
            return f"## {plain(text)}"
        case Paragraph(text):
            return _paragraph(text)
        case Bullets(items):
            return "\n".join(f"- {_paragraph(item)}" for item in items)
        case Commands(lines):
            return "\n".join(f"    {_line(command)}  # {_line(what)}" for command, what in lines)
        case Facts(items):
            return _rows(("", ""), tuple(items))
        case FullText(title, text):
            return f"### {plain(title)}\n\n{_fence(text, '')}"


def _figure(block: Figure) -> str:
    match block:
        case Table(columns, rows):
            return _rows(columns, (*rows, *block.totals))
        case HeatMap(corner, columns, rows):
            return _rows((corner, *columns), tuple((name, *map(_square, cells)) for name, cells in rows))
        case ScatterChart(points, x_label, y_label, _, unit):
            head = ("", x_label, y_label, "interval", "outcome", "on the front")
            return _rows(head, tuple(_point(point, unit) for point in points))
        case Chart():
            table = drawing_of(block).table(block)
            return _rows(table.columns, table.rows)
        case Lineage(nodes):
            return "\n".join(f"- {plain(told(node))}" for node in nodes)
        case Diff(title, lines, left_out):
            body = "\n".join(f"{mark} {text}" for mark, text in lines) + (f"\n… {left_out} more" if left_out else "")
            return f"### {plain(title)}\n\n{_fence(body)}"
        case Confusion(field, labels, before, after):
            rows = tuple(
                (label, *(f"{b} → {a}" for b, a in zip(x, y, strict=True)))
                for label, x, y in zip(labels, before, after, strict=True)
            )
            return _rows((f"{field}: gold / got", *labels), rows)
        case RowTable(rows):
            head = ("row", "", "before", "tuned", "gold", "tuned output")
            left = len(rows) - MOST_ROWS + block.left_out
            more = f"\n\n{left} further rows are on the page and in the run's record." if left > 0 else ""
            return _rows(head, tuple(_data_row(row) for row in rows[:MOST_ROWS])) + more
        case Examples(title, examples):
            return "\n\n".join([f"### {plain(title)}", *map(_example, examples)])


def _data_row(row: RowLine) -> tuple[str, ...]:
    after = "; ".join(f"{name}: {text}" for name, text, _ in row.after.fields)
    return row.name, row.kind, _score(row.before.score), _score(row.after.score), row.gold[:200], after[:200]


def _line(text: str) -> str:
    return " ".join(harmless(text).split())


def _square(cell: HeatCell | None) -> str:
    if cell is None:
        return "not run"
    spread = f" ({span(cell.low, cell.high)})" if finite(cell.low) is not None else ""
    score = "no score" if finite(cell.value) is None else f"{number(cell.value)}{spread}"
    return ", ".join(filter(None, (score, f"{cell.mark} {cell.word}".strip(), *cell.notes, cell.problem)))


def _point(point: ScatterPoint, unit: str) -> tuple[str, ...]:
    score = UNKNOWN if finite(point.y) is None else number(point.y)
    front = "yes" if point.front else "no"
    return (
        point.label,
        quantity(point.x, unit),
        score,
        span(point.low, point.high),
        f"{point.mark} {point.word}",
        front,
    )


def _example(example: Example) -> str:
    parts = "\n\n".join(f"{plain(name)}\n\n{_fence(text, '')}" for name, text in example.sides)
    return f"**{plain(example.title)}**\n\n{parts}"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
