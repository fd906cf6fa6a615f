"""The report of a prompt x model matrix: the answer first, then the grid, then everything behind it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from core.cells import Cell, ComparisonOutcome, Matrix, RaceInfo
from core.evaluation import RowStatus
from reports.answer import answer, cell_name, short
from reports.blocks import (
    Banner,
    Block,
    Bullets,
    Commands,
    Facts,
    Heading,
    HeatCell,
    HeatMap,
    Paragraph,
    Report,
    ScatterChart,
    ScatterPoint,
    Table,
    shorten,
)
from reports.choice import choice, criteria_map, per_thousand
from reports.costs import cascade, cost_words, usage_table
from reports.examples import examples, failures
from reports.judge import judge_blocks
from reports.numbers import (
    UNKNOWN,
    beside,
    dollars,
    finite,
    measure,
    money_word,
    number,
    percent,
    seconds,
    signed,
    span,
)

REASON_CHARS = 300
NO_BREAK = "\N{NO-BREAK SPACE}"
OFFLINE = (
    "The answers or the judgements come from the embedded offline stand-in, a small rule learner, not from a language "
    "model. The comparison is real; the scores say nothing about any language model{money}."
)
NOMINAL = ", and money is nominal"
CRITERIA = (
    "The mean of each criterion, and how far it lies from the reference's. Where a cell gets next to nothing the "
    "criterion has collapsed: the weighted score hides that, and the cell is not to be used."
)


@dataclass(frozen=True)
class Look:
    """How an outcome is shown: a mark that reads without colour, and the tone that gives the colour."""

    mark: str
    tone: str


LOOKS = {
    ComparisonOutcome.REFERENCE: Look("◆", "note"),
    ComparisonOutcome.EQUAL: Look("=", "note"),
    ComparisonOutcome.BETTER: Look("▲", "good"),
    ComparisonOutcome.GOOD_ENOUGH: Look("✓", "good"),
    ComparisonOutcome.WORSE: Look("▼", "bad"),
    ComparisonOutcome.CANNOT_TELL: Look("?", "open"),
}


def matrix_report(matrix: Matrix, links: Mapping[str, str] | None = None) -> Report:
    """Build the blocks of a matrix's report; ``links`` are named addresses of the run in MLflow."""
    blocks: list[Block] = [
        answer(matrix),
        *(
            [Banner("Offline stand-in", OFFLINE.format(money=NOMINAL if matrix.nominal else ""), "note")]
            if matrix.offline
            else []
        ),
        *_next(matrix),
        *_criteria(matrix),
        *_grid(matrix),
        *choice(matrix),
        *_scatter(matrix),
        *_cells(matrix),
        *examples(matrix),
        *_companions(matrix),
        *([Heading("The judge"), *judge_blocks(matrix.judge, matrix.margin)] if matrix.judge else []),
        *failures(matrix),
        *([Heading("Worth knowing"), Bullets(matrix.warnings)] if matrix.warnings else []),
        *_race(matrix.race),
        *_cost(matrix),
        *_origin(matrix),
    ]
    return Report(f"{matrix.task}: prompts × models", tuple(blocks), dict(links or {}))


def _failed(cell: Cell) -> int:
    """Rows that were tried and have no score."""
    return sum(row.status not in (RowStatus.OK, RowStatus.SKIPPED) for row in cell.evaluation.rows)


def _problem(cell: Cell) -> str:
    failed = _failed(cell)
    told = [f"{failed} of {len(cell.evaluation.rows)} failed"] if failed else []
    told += ["not to be used"] if cell.defects else []
    return "; ".join([*told, *(["stale: see Worth knowing"] if cell.stale else [])])


def _square(m: Matrix, cell: Cell) -> HeatCell:
    look, score = LOOKS[cell.comparison.outcome], cell.score
    notes = ["★ cheapest that holds up"] if cell.name == m.cheapest else []
    if cell.stopped:
        notes.append(f"stopped after {len(cell.evaluation.scored)} rows")
    if cell.comparison.outcome is ComparisonOutcome.CANNOT_TELL and cell.comparison.needed is not None:
        notes.append(f"needs about {cell.comparison.needed:,} rows")
    return HeatCell(
        score.value if score else None,
        score.low if score else None,
        score.high if score else None,
        cell.comparison.outcome.value,
        "bad" if cell.defects else look.tone,
        look.mark,
        tuple(notes),
        _problem(cell),
    )


def _grid(m: Matrix) -> list[Block]:
    prompts = list(dict.fromkeys(cell.prompt for cell in m.cells))
    models = list(dict.fromkeys(cell.model for cell in m.cells))
    found = {(cell.model, cell.prompt): _square(m, cell) for cell in m.cells}
    rows = tuple((short(model), tuple(found.get((model, p)) for p in prompts)) for model in models)
    return [
        Heading("Models and prompts"),
        Paragraph(
            f"Mean {m.metric} score of each cell with its interval. ◆ is the reference, {short(m.reference)}; each "
            f"other cell is compared with it row by row: ▲ better, ✓ good enough (at most {number(m.margin)} worse), "
            "▼ worse, = same outputs, ? cannot tell."
        ),
        HeatMap("model", tuple(map(short, prompts)), rows),
    ]


def _scatter(m: Matrix) -> list[Block]:
    points = []
    for cell in m.cells:
        look, score = LOOKS[cell.comparison.outcome], cell.score
        ends = (score.value, score.low, score.high) if score else (None, None, None)
        word = cell.comparison.outcome.value
        points.append(
            ScatterPoint(cell_name(cell), cell.cost_per_1000, *ends, word, look.tone, look.mark, front=cell.on_front)
        )
    reference = next((c for c in m.cells if c.name == m.reference), None)
    level = finite(reference.score.value) if reference is not None and reference.score is not None else None
    levels = () if level is None else (("reference", level), ("reference less margin", level - m.margin))
    front = any(point.front for point in points)
    said = "On the line, the front, nothing else is both better and cheaper." if front else "No cell is on the front."
    return [
        Heading("Quality and cost"),
        Paragraph(f"Up is better, left is cheaper. {said}"),
        ScatterChart(tuple(points), f"{money_word(nominal=m.nominal)} for 1,000 rows", "mean score", levels),
    ]


def _criteria(m: Matrix) -> list[Block]:
    means = [(cell, cell.evaluation.field_means()) for cell in m.cells]
    names = [c.name for c in m.criteria] or list(dict.fromkeys(name for _, found in means for name in found))
    if not names:
        return []
    weights = {c.name: f"{short(c.name)} ({percent(c.weight).replace(' ', NO_BREAK)})" for c in m.criteria}
    labels = {name: weights.get(name, short(name)) for name in names}
    measured = any(found for _, found in means)
    blocks: list[Block] = [
        Heading("Criterion by criterion" if measured else "What the judge was asked"),
        *([Paragraph(CRITERIA), criteria_map(m, labels)] if measured else []),
    ]
    if any(c.description for c in m.criteria):
        blocks.append(Facts(tuple((weights[c.name], shorten(c.description, REASON_CHARS)) for c in m.criteria)))
    return blocks


def _cells(m: Matrix) -> list[Block]:
    head = (
        "cell", "outcome", "score", "interval", "difference", "its interval", "rows", "needed", per_thousand(m),
        "median latency", "failed", "why",
    )  # fmt: skip
    return [
        Heading("All cells"),
        Paragraph(
            f"A difference is the cell minus the reference on the same rows; the intervals hold for all cells at once "
            f"with {percent(1 - m.alpha)}. Needed: about so many rows would settle a ?."
        ),
        Table(head, tuple(_cell(cell) for cell in m.cells), (2, 3, 4, 5, 6, 7, 8, 9, 10), filterable=True),
    ]


def _cell(cell: Cell) -> tuple[str, ...]:
    s, score = cell.comparison, cell.score
    alone = s.outcome is ComparisonOutcome.REFERENCE
    needed = UNKNOWN if s.needed is None else f"{s.needed:,}"
    return (
        cell_name(cell),
        f"{LOOKS[s.outcome].mark} {s.outcome.value}".replace(" ", NO_BREAK),
        number(score.value if score else None),
        span(score.low, score.high) if score else UNKNOWN,
        "-" if alone else signed(s.delta),
        "-" if alone else span(s.low, s.high, sign=True),
        "-" if alone else f"{s.n:,}",
        needed if s.outcome is ComparisonOutcome.CANNOT_TELL else "-",
        dollars(cell.cost_per_1000),
        seconds(cell.latency),
        f"{_failed(cell)} of {len(cell.evaluation.rows)}",
        shorten("; ".join(filter(None, (cell.stopped, cell.stale, s.reason))), REASON_CHARS),
    )


def _companions(m: Matrix) -> list[Block]:
    names = list(dict.fromkeys(name for cell in m.cells for name in cell.companions))
    if not names:
        return []
    rows = tuple((cell_name(cell), *(measure(cell.companions.get(name)) for name in names)) for cell in m.cells)
    return [
        Heading("Beside the judge"),
        Paragraph(
            "Means of measures that do not enter the score: of the texts themselves, and of how the judge was asked "
            "and how far its judgements lie apart."
        ),
        Table(
            ("cell", *(short(beside(name)) for name in names)),
            rows,
            tuple(range(1, len(names) + 1)),
        ),
    ]


def _race(race: RaceInfo | None) -> list[Block]:
    if race is None:
        return []
    saved = race.planned - race.made
    share = percent(saved / race.planned) if race.planned else UNKNOWN
    said = f"{race.made:,} of {race.planned:,} outputs were made; {saved:,} ({share}) were saved by stopping "
    stopped = tuple(shorten(text, REASON_CHARS) for text in race.stopped)
    tail = "cells that were clearly dominated:" if stopped else "no cell early."
    if not stopped:
        return [Heading("Racing"), Paragraph(f"{race.made:,} of {race.planned:,} outputs were made; {tail}")]
    return [Heading("Racing"), Paragraph(f"{said}{tail}"), Bullets(stopped)]


def _cost(m: Matrix) -> list[Block]:
    said = " ".join([f"The matrix took {seconds(m.seconds)}.", *cost_words(m.usage, nominal=m.nominal)])
    charts = cascade(m.usage, nominal=m.nominal)
    return [Heading("Cost and time"), Paragraph(said), *charts, usage_table(m.usage, nominal=m.nominal)]


def _origin(m: Matrix) -> list[Block]:
    prompts = {cell.prompt: cell.prompt_hash for cell in m.cells}
    facts = [
        *((short(key), shorten(value, REASON_CHARS)) for key, value in m.corpus.items()),
        ("task", f"{m.task}: {shorten(m.description, REASON_CHARS)}" if m.description else m.task),
        ("run", m.run_id),
        ("started", m.started_at),
        ("metric", m.metric),
        ("reference", short(m.reference)),
        ("margin and level", f"{number(m.margin)}, {percent(m.alpha)} over all cells"),
        *((f"prompt {short(name)}", mark) for name, mark in prompts.items()),
    ]
    return [Heading("Where rows and references came from"), Facts(tuple(facts))]


def _next(m: Matrix) -> list[Block]:
    task = shlex.quote(m.task)
    chosen = next((cell for cell in m.cells if cell.name == m.cheapest), None)
    needed = [
        c.comparison.needed
        for c in m.cells
        if c.comparison.needed and c.comparison.outcome is ComparisonOutcome.CANNOT_TELL
    ]
    lines: list[tuple[str, str]] = []
    if chosen is not None:
        model = shlex.quote(chosen.model)
        lines.append((f"python cli.py optimize {task} --student {model}", "find a better prompt for this model"))
    else:
        lines.append((f"python cli.py optimize {task}", "find a better prompt, proven on unseen rows"))
    if needed:
        lines += _more_rows(m, task, min(needed))
    lines.append(
        (f"python cli.py matrix {task} --set matrix.margin=0.1", "try a wider margin; repeated calls are free")
    )
    return [Heading("Next"), Commands(tuple(lines))]


def _more_rows(m: Matrix, task: str, needed: int) -> list[tuple[str, str]]:
    """The command that takes more rows, where the corpus has any."""
    rows = max((len(cell.evaluation.rows) for cell in m.cells), default=0)
    count = needed if m.available is None else min(needed, m.available)
    if count <= rows:
        return []
    said = "more rows for what is open" if count == needed else f"{needed:,} rows needed; the corpus has {count:,}"
    return [(f"python cli.py matrix {task} --set corpus.count={count}", said)]
