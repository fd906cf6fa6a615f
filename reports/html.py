"""A report as one self-contained HTML file: no network, one known script at most, everything from outside escaped."""

from __future__ import annotations

import html
import re

from reports.blocks import (
    Banner,
    Block,
    Bullets,
    Case,
    Cases,
    Commands,
    Confusion,
    CurveChart,
    Diff,
    Example,
    Examples,
    Facts,
    Figure,
    Heading,
    HeatMap,
    IntervalChart,
    Paragraph,
    Report,
    ScatterChart,
    Table,
    Tree,
    Words,
)
from reports.charts import curve, intervals
from reports.heat import heat_map
from reports.scatter import scatter
from reports.script import SCRIPT, SOURCE
from reports.style import STYLE

MAX_BYTES = 2_000_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(text: object) -> str:
    """Text for HTML: markup is shown, control and direction-changing characters are marked."""
    return html.escape(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text)), quote=True)


def render_html(report: Report) -> str:
    """One HTML file of at most 2 MB; what does not fit is left out and said so."""
    parts, size, left_out = [], 0, 0
    for block in report.blocks:
        part = _block(block)
        if size + len(part.encode()) > MAX_BYTES - 20_000:
            left_out += 1
            continue
        size += len(part.encode())
        parts.append(part)
    if left_out:
        parts.append(f"<p>{left_out} sections are left out to keep the file below 2 MB; the run's record has them.</p>")
    links = "".join(
        f'<li><a href="{escape(url)}">{escape(name)}</a></li>'
        for name, url in report.links.items()
        if url.startswith(("http://", "https://"))
    )
    extra = f"<h2>In MLflow</h2><p>Start it with <code>python cli.py ui</code>.</p><ul>{links}</ul>" if links else ""
    scripted = any(isinstance(block, Table) and _sortable(block) for block in report.blocks)
    allowed = f"; script-src {SOURCE}" if scripted else ""
    script = f"<script>{SCRIPT}</script>" if scripted else ""
    policy = f"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'{allowed}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(report.title)}</h1>{''.join(parts)}{extra}</main>{script}</body></html>\n"
    )


def _block(block: Block) -> str:
    return _figure(block) if isinstance(block, Figure) else _words(block)


def _words(block: Words) -> str:
    match block:
        case Banner(title, sentence, tone):
            return f'<div class="banner {escape(tone)}"><b>{escape(title)}</b><span>{escape(sentence)}</span></div>'
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Bullets(items):
            return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
        case Commands(lines):
            rows = "".join(f"<div><code>{escape(c)}</code><small>{escape(w)}</small></div>" for c, w in lines)
            return f'<div class="commands">{rows}</div>'
        case Facts(items):
            return f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in items)}</dl>"


def _figure(block: Figure) -> str:
    match block:
        case Table():
            return _table(block)
        case HeatMap():
            return heat_map(block, escape)
        case ScatterChart():
            return scatter(block, escape)
        case IntervalChart():
            return f'<div class="scroll">{intervals(block, escape)}</div>'
        case CurveChart():
            return f'<div class="scroll">{curve(block, escape)}</div>'
        case Tree(nodes):
            return _tree(nodes)
        case Diff():
            return _diff(block)
        case Confusion():
            return _confusion(block)
        case Cases(title, cases):
            return f"<h3>{escape(title)}</h3>{''.join(map(_case, cases))}"
        case Examples(title, examples):
            return f"<h3>{escape(title)}</h3>{''.join(map(_example, examples))}"


def _sortable(table: Table) -> bool:
    return len(table.rows) > 1


def _table(table: Table) -> str:
    def line(tag: str, texts: tuple[str, ...]) -> str:
        marks = [' class="n"' if index in table.numeric else "" for index in range(len(texts))]
        return "<tr>" + "".join(f"<{tag}{m}>{escape(t)}</{tag}>" for m, t in zip(marks, texts, strict=True)) + "</tr>"

    kinds = "sortable filterable" if table.filterable else "sortable"
    mark = f' class="{kinds}"' if _sortable(table) else ""
    body = "".join(line("td", texts) for texts in table.rows)
    foot = "".join(line("td", texts) for texts in table.totals)
    return (
        f'<div class="scroll"><table{mark}><thead>{line("th", table.columns)}</thead><tbody>{body}</tbody>'
        f"<tfoot>{foot}</tfoot></table></div>"
    )


def _example(example: Example) -> str:
    sides = "".join(
        f'<div><h4>{escape(name)}</h4><pre dir="auto">{escape(text)}</pre></div>' for name, text in example.sides
    )
    return f'<details><summary>{escape(example.title)}</summary><div class="sides">{sides}</div></details>'


def _tree(nodes: tuple[tuple[int, str, tuple[int, ...], bool], ...]) -> str:
    children: dict[int, list[int]] = {}
    by_index = {node[0]: node for node in nodes}
    for index, _, parents, _ in nodes:
        known = [p for p in parents if p in by_index]
        if known:
            children.setdefault(known[0], []).append(index)
    placed = {child for kids in children.values() for child in kids}

    def item(index: int, depth: int) -> str:
        _, label, parents, wins = by_index[index]
        inside = "".join(item(child, depth + 1) for child in children.get(index, ())) if depth < 30 else ""
        mark = ' class="win"' if wins else ""
        more = f" (also from #{', #'.join(map(str, parents[1:]))})" if len(parents) > 1 else ""
        return f"<li{mark}>{escape(label + more)}{'<ul>' + inside + '</ul>' if inside else ''}</li>"

    return f'<ul class="tree">{"".join(item(node[0], 0) for node in nodes if node[0] not in placed)}</ul>'


def _diff(diff: Diff) -> str:
    names = {"+": "add", "-": "del", " ": "same"}
    rows = "".join(f'<pre class="{names[mark]}">{escape(text) or "&nbsp;"}</pre>' for mark, text in diff.lines)
    more = f"<p>{diff.left_out} more lines are left out.</p>" if diff.left_out else ""
    return f'<h3>{escape(diff.title)}</h3><div class="diff">{rows}</div>{more}'


def _confusion(block: Confusion) -> str:
    def grid(title: str, counts: tuple[tuple[int, ...], ...]) -> str:
        head = "".join(f'<th class="n">{escape(label)}</th>' for label in block.labels)
        body = ""
        for i, label in enumerate(block.labels):
            cells = "".join(_count(count, i == j) for j, count in enumerate(counts[i]))
            body += f"<tr><th>{escape(label)}</th>{cells}</tr>"
        return (
            f'<div class="scroll"><h3>{escape(block.field)}, {title}</h3><table><thead><tr>'
            f"<th>gold, then what came</th>{head}</tr>"
            f"</thead><tbody>{body}</tbody></table></div>"
        )

    return f'<div class="pair">{grid("before", block.before)}{grid("tuned", block.after)}</div>'


def _count(count: int, agrees: bool) -> str:
    tone = ("hit" if agrees else "miss") if count else ""
    return f'<td class="n {tone}">{count or "·"}</td>'


def _case(case: Case) -> str:
    def score(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    sides = "".join(
        f"<div><h4>{name}</h4><pre>{escape(text)}</pre></div>"
        for name, text in (
            ("input", case.input),
            ("gold", case.gold),
            (f"before, {score(case.before)}", case.produced_before),
            (f"tuned, {score(case.after)}", case.produced_after),
        )
    )
    return (
        f"<details><summary>{escape(case.title)}: {score(case.before)} → {score(case.after)}</summary>"
        f'<div class="sides">{sides}</div></details>'
    )
