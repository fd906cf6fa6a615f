"""A report in the terminal: the verdict, the evidence, what changed, what it cost, what to do next."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from core.display import harmless
from reports.blocks import (
    Banner,
    Block,
    Bullets,
    Chart,
    Commands,
    Diff,
    Facts,
    FullText,
    Heading,
    HeatCell,
    HeatMap,
    Lineage,
    Paragraph,
    Report,
    ScatterChart,
    Table,
)
from reports.charts import drawing_of
from reports.lineage import tree_lines
from reports.numbers import finite, number, quantity, span

COLOURS = {"good": "bold green", "bad": "bold red", "open": "bold yellow", "note": "blue"}
SHOWN = (
    "Evidence", "Distillation: the student and its teacher", "What it saves", "The same prompt on other models",
    "Search", "What changed in the prompt", "Field by field, on the holdout", "Cost and time", "Next",
    "Rows without a score",
    "Worth knowing", "Models and prompts", "The choice",
    "Quality and cost", "The judge", "Racing",
    "Is it right?", "Does the order of the answers sway it?", "How much does it scatter?",
)  # fmt: skip
DIFF_LINES = 14
WIDE = 110
"""Columns of a screen from which every column of a table is shown."""
SQUARE = 19
"""Columns of the screen that one square of a heat map needs."""


def print_report(report: Report, console: Console) -> None:
    """Print the short form of a report; the long form is the HTML file."""
    section = ""
    ordered = _last(report.blocks, "Next")
    for block in ordered:
        if isinstance(block, Heading):
            section = block.text
            if section in SHOWN:
                console.print(Text(f"\n{section}", "bold"), highlight=False)
        elif isinstance(block, Banner) or section in SHOWN:
            _print(block, console)


def _last(blocks: tuple[Block, ...], name: str) -> list[Block]:
    """The blocks with one section moved to the end, where the eye is when the command is over."""
    before: list[Block] = []
    moved: list[Block] = []
    inside = False
    for block in blocks:
        if isinstance(block, Heading):
            inside = block.text == name
        (moved if inside else before).append(block)
    return before + moved


def _print(block: Block, console: Console) -> None:
    match block:
        case Banner(title, sentence, tone):
            console.print(Text.assemble((f"\n{harmless(title)}  ", COLOURS[tone]), harmless(sentence)), highlight=False)
        case Paragraph(text):
            console.print(Text(harmless(text)), highlight=False)
        case Bullets(items):
            for item in items:
                console.print(Text(f"- {harmless(item)}"), highlight=False)
        case Facts(title=title) if title:
            return  # for those who ask; they have the page
        case FullText():
            return
        case Facts(items):
            for name, value in items:
                console.print(Text.assemble((f"  {harmless(name)}: ", "dim"), harmless(value)), highlight=False)
        case Commands(lines):
            for command, what in lines:
                said = ((f"  {harmless(command)}", "cyan"), (f"\n      {harmless(what)}", "dim"))
                console.print(Text.assemble(*said), highlight=False)
        case _:
            _figure(block, console)


def _figure(block: Block, console: Console) -> None:
    match block:
        case Table():
            _table(block, console)
        case HeatMap():
            _heat_map(block, console)
        case ScatterChart():
            _front(block, console)
        case Chart():
            for line in drawing_of(block).lines(block, console.width):
                console.print(Text(harmless(line)), highlight=False)
        case Lineage():
            for line in tree_lines(block, console.width - 2):
                console.print(Text(f"  {harmless(line)}"), highlight=False)
        case Diff():
            _diff(block, console)
        case _:
            return


def _table(table: Table, console: Console) -> None:
    grid = RichTable(box=None, pad_edge=False, header_style="dim")
    shown = table.first if table.first and console.width < WIDE else tuple(range(len(table.columns)))
    for index in shown:
        justify = "right" if index in table.numeric else "left"
        grid.add_column(Text(harmless(table.columns[index])), justify=justify, overflow="fold")
    for row in (*table.rows, *table.totals):
        grid.add_row(*(Text(harmless(row[index])) for index in shown))
    console.print(grid)


def _heat_map(block: HeatMap, console: Console) -> None:
    """A grid where it fits the screen, a list of squares where it does not."""
    names = max((len(name) for name, _ in block.rows), default=0)
    grid = RichTable(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 1, 0))
    if min(names, 20) + (SQUARE + 2) * len(block.columns) <= console.width:
        for name in (block.corner, *block.columns):
            grid.add_column(Text(harmless(name)), overflow="fold")
        for name, cells in block.rows:
            grid.add_row(Text(harmless(name)), *(_square(cell, "\n") for cell in cells))
    else:
        grid.padding = (0, 2, 0, 0)
        for name in (block.corner, ""):
            grid.add_column(Text(harmless(name)), overflow="fold")
        for name, cells in block.rows:
            for column, cell in zip(block.columns, cells, strict=True):
                grid.add_row(Text(harmless(f"{name}, {column}")), _square(cell, "  "))
    console.print(grid, highlight=False)


def _square(cell: HeatCell | None, between: str) -> Text:
    if cell is None:
        return Text("not run", "dim")
    score = "no score" if finite(cell.value) is None else number(cell.value)
    text = Text(f"{score} ", "bold").append(f"{cell.mark} {harmless(cell.word)}".strip(), COLOURS.get(cell.tone, ""))
    if finite(cell.value) is not None and finite(cell.low) is not None:
        text.append(f"{between}{span(cell.low, cell.high)}", "not bold dim")
    for note in cell.notes:
        text.append(f"{between}{harmless(note)}", "not bold")
    return text.append(f"{between}{harmless(cell.problem)}", "not bold red") if cell.problem else text


def _front(chart: ScatterChart, console: Console) -> None:
    """The Pareto front as lines, cheapest first; a chart of characters would say less."""
    front = sorted((p for p in chart.points if p.front), key=lambda p: (finite(p.x) is None, finite(p.x) or 0.0))
    for point in front:
        where = f"{number(point.y)} at {quantity(point.x, chart.unit)}  "
        outcome = (f"{point.mark} {harmless(point.word)}", COLOURS.get(point.tone, ""))
        console.print(
            Text.assemble(("  front  ", "dim"), where, f"{harmless(point.label)}  ", outcome), highlight=False
        )


def _diff(diff: Diff, console: Console) -> None:
    changed = [(mark, text) for mark, text in diff.lines if mark != " "]
    for mark, text in changed[:DIFF_LINES]:
        console.print(Text(f"  {mark} {harmless(text)[:160]}", "green" if mark == "+" else "red"), highlight=False)
    more = len(changed) - DIFF_LINES + diff.left_out
    if more > 0:
        console.print(Text(f"  … {more} more changed lines in the report"), highlight=False)
