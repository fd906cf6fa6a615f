"""A report as one self-contained HTML file: no network, no script, everything from outside escaped."""

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
    Facts,
    Heading,
    IntervalChart,
    Paragraph,
    Report,
    Table,
    Tree,
)
from reports.charts import curve, intervals

MAX_BYTES = 2_000_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

STYLE = """
:root{--ink:#1c2330;--soft:#5b6575;--line:#dde2ea;--paper:#fff;--card:#f7f8fa;--good:#0b6e4f;--goodbg:#e3f4ec;
--bad:#a3301c;--badbg:#fbe9e5;--open:#7a5a00;--openbg:#fdf3d7;--note:#34507a;--notebg:#e8eef8;--blue:#0072b2;--orange:#d55e00}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#9aa5b5;--line:#343c49;--paper:#14181f;--card:#1c222c;
--good:#6fd3ac;--goodbg:#12312a;--bad:#f0a08f;--badbg:#3a1d18;--open:#ecc766;--openbg:#352b10;--note:#a9c3ee;--notebg:#1b2638;
--blue:#56b4e9;--orange:#e69f00}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}h1{font-size:1.35rem;margin:.2rem 0 1rem;font-weight:600}
h2{font-size:1.12rem;margin:2.4rem 0 .7rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.2rem 0 .4rem}p{margin:.5rem 0}ul{margin:.4rem 0;padding-left:1.2rem}
.banner{border-radius:.6rem;padding:1rem 1.2rem;margin:.8rem 0}.banner b{display:block;font-size:1.5rem;letter-spacing:.02em}
.banner.note b{font-size:1rem}.good{background:var(--goodbg);color:var(--good)}.bad{background:var(--badbg);color:var(--bad)}
.open{background:var(--openbg);color:var(--open)}.note{background:var(--notebg);color:var(--note);font-size:.92rem}
.banner span{color:var(--ink)}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--soft);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}dl{display:grid;grid-template-columns:minmax(9rem,18rem) 1fr;gap:.25rem 1rem;
margin:.6rem 0;font-size:.92rem}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
code,pre{font:.84rem/1.5 ui-monospace,Menlo,Consolas,monospace}pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
.commands div{background:var(--card);border-radius:.4rem;padding:.45rem .7rem;margin:.35rem 0}.commands small{color:var(--soft);display:block}
.diff{border:1px solid var(--line);border-radius:.5rem;overflow:hidden}.diff pre{padding:.05rem .7rem}
.add{background:var(--goodbg)}.del{background:var(--badbg)}.diff .add::before{content:"+ "}.diff .del::before{content:"- "}
.diff .same{color:var(--soft)}.diff .same::before{content:"  "}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;background:var(--card)}summary{cursor:pointer;padding:.5rem .8rem}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.8rem;padding:.2rem .8rem .8rem}
.sides h4{margin:.2rem 0;font-size:.8rem;color:var(--soft);font-weight:600}.tree{columns:2 16rem;font-size:.88rem}
.tree li.win{font-weight:700;color:var(--good)}svg{max-width:100%;height:auto;display:block}svg text{fill:var(--ink);font:13px system-ui,sans-serif}
svg .soft{fill:var(--soft)}svg .axis{stroke:var(--line)}svg .zero{stroke:var(--soft);stroke-dasharray:4 3}
svg .point{fill:var(--blue)}svg .best{stroke:var(--blue);fill:none;stroke-width:2}svg .level{stroke:var(--orange);stroke-dasharray:6 4}
svg .bar{stroke:var(--blue);stroke-width:3}.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1rem}
td.hit{background:var(--goodbg)}td.miss{background:var(--badbg)}
@media print{details{break-inside:avoid}main{max-width:none}}@media (max-width:30rem){dl{grid-template-columns:1fr}dt{margin-top:.4rem}}
"""


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
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(report.title)}</h1>{''.join(parts)}{extra}</main></body></html>\n"
    )


def _block(block: Block) -> str:
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
        case Table():
            return _table(block)
        case IntervalChart():
            return intervals(block, escape)
        case CurveChart():
            return curve(block, escape)
        case Tree(nodes):
            return _tree(nodes)
        case Diff():
            return _diff(block)
        case Confusion():
            return _confusion(block)
        case Cases(title, cases):
            return f"<h3>{escape(title)}</h3>{''.join(map(_case, cases))}"


def _table(table: Table) -> str:
    def cell(tag: str, index: int, text: str) -> str:
        mark = ' class="n"' if index in table.numeric else ""
        return f"<{tag}{mark}>{escape(text)}</{tag}>"

    head = "".join(cell("th", i, c) for i, c in enumerate(table.columns))
    body = "".join(f"<tr>{''.join(cell('td', i, c) for i, c in enumerate(row))}</tr>" for row in table.rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


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
            f'<div class="scroll"><h3>{escape(block.field)}, {title}</h3><table><thead><tr><th>gold \\ got</th>{head}</tr>'
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
