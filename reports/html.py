"""A report as one self-contained HTML file: no network, one known script at most, everything from outside escaped."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from core.display import harmless
from reports.blocks import Block, Born, Chart, Diff, Heading, HeatMap, Lineage, Report, ScatterChart
from reports.charts import drawing_of
from reports.diffs import word_changes
from reports.drawn import NARROW, WIDE
from reports.heat import drawn_rows
from reports.lineage import legend, lineage, told
from reports.scatter import scatter
from reports.script import SCRIPT, SOURCE
from reports.style import STYLE

MAX_BYTES = 2_000_000
ALLOWED = r"https?://|[A-Za-z0-9_.-]+\.html$"
"""Where links may lead: to MLflow, and to a page beside this one."""
CONTENTS = 3
"""Sections up to which a page needs no table of contents."""


def render_html(report: Report) -> str:
    """One HTML file of at most 2 MB; what does not fit is left out and said so."""
    parts, size, left_out = [], 0, 0
    contents: list[tuple[str, str]] = []
    for block in report.blocks:
        part = _block(block)
        if size + len(part.encode()) > MAX_BYTES - 20_000:
            left_out += 1
            continue
        size += len(part.encode())
        parts.append(part)
        if isinstance(block, Heading):
            contents.append((block.text, _anchor(block.text)))
    # Text from outside is escaped, so that a quotation mark after the class can only be the template's.
    scripted = any('class="sortable' in part or 'class="copy"' in part for part in parts)
    allowed = f"; script-src {SOURCE}" if scripted else ""
    return (
        _templates()
        .get_template("page.html")
        .render(
            title=report.title,
            parts=parts,
            left_out=left_out,
            contents=contents if len(contents) > CONTENTS else [],
            links=[(name, url) for name, url in report.links.items() if re.match(ALLOWED, url)],
            policy=Markup(
                f"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'{allowed}"
            ),
            style=Markup(STYLE),
            script=Markup(SCRIPT) if scripted else "",
        )
    )


@cache
def _templates() -> Environment:
    """The templates; every value in them is made harmless and escaped, but what the charts have drawn as markup."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else harmless(value),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.globals |= {"score": _score, "change": _change, "share": _share}
    return templates


def escape(text: object) -> Markup:
    """Text for HTML: markup is shown, control and direction-changing characters are marked."""
    return Markup.escape(harmless(text))


def _block(block: Block) -> Markup:
    match block:
        case Chart():
            drawn = drawing_of(block).svg
            return _macro("Drawing", Markup(drawn(block, escape, WIDE)), Markup(drawn(block, escape, NARROW)))
        case ScatterChart():
            return Markup(scatter(block, escape))
        case HeatMap():
            return _macro("HeatMap", block, drawn_rows(block))
        case Lineage() if block.nodes:
            drawn = (Markup(lineage(block, escape, width)) for width in (WIDE, NARROW))
            return _macro(
                "Lineage", *drawn, legend(block), [(node, told(node), _changes(node)) for node in block.nodes]
            )
        case Diff():
            return _macro("Diff", block, word_changes(block.lines))
        case Heading(text):
            return _macro("Heading", text, _anchor(text))
        case _:
            return _macro(type(block).__name__, block)


def _macro(name: str, *values: Any) -> Markup:
    return getattr(_templates().get_template("blocks.html").module, name)(*values)


def _changes(node: Born) -> Markup:
    return Markup().join(_macro("Diff", change, word_changes(change.lines)) for change in node.changes)


def _anchor(text: str) -> str:
    """A section's name in an address."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"


def _change(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _share(value: float | None) -> int:
    """A size in [-1, 1] as whole per cent of a bar."""
    return round(100 * min(1.0, abs(value or 0.0)))


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
