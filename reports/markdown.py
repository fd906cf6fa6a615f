"""A report as Markdown, for a pull request or a wiki."""

from __future__ import annotations

import re

from reports.blocks import (
    Banner,
    Block,
    Bullets,
    Cases,
    Commands,
    Confusion,
    CurveChart,
    Diff,
    Facts,
    Heading,
    IntervalChart,
    Paragraph,
    Report,
    Table,
    Tree,
)

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: object) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", _CONTROL.sub("", str(text)).replace("\n", " "))


def render_markdown(report: Report) -> str:
    """The whole report as Markdown; charts become the numbers behind them."""
    return "\n\n".join([f"# {plain(report.title)}", *filter(None, map(_block, report.blocks))]) + "\n"


def _rows(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    lines = ["| " + " | ".join(map(plain, columns)) + " |", "|" + "---|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(map(plain, row)) + " |" for row in rows])


def _fence(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}diff\n{_CONTROL.sub('', text)}\n{marks}"


def _block(block: Block) -> str:
    match block:
        case Banner(title, sentence, _):
            return f"> **{plain(title)}** {plain(sentence)}"
        case Heading(text):
            return f"## {plain(text)}"
        case Paragraph(text):
            return plain(text)
        case Bullets(items):
            return "\n".join(f"- {plain(item)}" for item in items)
        case Commands(lines):
            return "\n".join(f"    {command}  # {what}" for command, what in lines)
        case Facts(items):
            return _rows(("", ""), tuple(items))
        case Table(columns, rows, _):
            return _rows(columns, rows)
        case IntervalChart(rows, margin):
            lines = tuple((n, f"{v:+.3f}", f"{low:+.3f} to {high:+.3f}") for n, v, low, high in rows)
            return _rows(("", "change", f"interval (to exceed {margin:+.3f})"), lines)
        case CurveChart(points, _, levels, x_label, y_label):
            rows = tuple((str(i), f"{s:.3f}") for i, s in points) + tuple((n, f"{v:.3f}") for n, v in levels)
            return _rows((x_label, y_label), rows)
        case Tree(nodes):
            return "\n".join(f"- {plain(label)}{' **winner**' if wins else ''}" for _, label, _, wins in nodes)
        case Diff(title, lines, left_out):
            body = "\n".join(f"{mark} {text}" for mark, text in lines) + (f"\n… {left_out} more" if left_out else "")
            return f"### {plain(title)}\n\n{_fence(body)}"
        case Confusion(field, labels, before, after):
            rows = tuple(
                (label, *(f"{b} → {a}" for b, a in zip(x, y, strict=True)))
                for label, x, y in zip(labels, before, after, strict=True)
            )
            return _rows((f"{field}: gold / got", *labels), rows)
        case Cases(title, cases):
            rows = tuple(
                (c.title, _score(c.before), _score(c.after), c.gold[:200], c.produced_after[:200]) for c in cases
            )
            return f"### {plain(title)}\n\n" + _rows(("row", "before", "tuned", "gold", "tuned output"), rows)


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
