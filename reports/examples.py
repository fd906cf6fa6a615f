"""Rows of a matrix worth reading: the best and the worst of the cells that matter, and everything that failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.cells import Cell, Matrix
from core.evaluation import RowResult, RowStatus
from reports.blocks import Block, Example, Examples, Heading, Table, shorten
from reports.numbers import finite, number

CELLS, TEXT_CHARS, NAME_CHARS, ERROR_CHARS, IDS = 5, 1500, 80, 200, 12


def examples(matrix: Matrix) -> list[Block]:
    """The best row and the two worst of each interesting cell, with the reference and the judge's words."""
    reference = next((cell for cell in matrix.cells if cell.name == matrix.reference), None)
    answers = {row.row_id: row for row in reference.evaluation.rows} if reference else {}
    blocks: list[Block] = []
    for cell, why in _interesting(matrix):
        rows = sorted(
            (row for row in cell.evaluation.scored if finite(row.score) is not None),
            key=lambda row: -(row.score or 0.0),
        )
        if rows:
            chosen = [("best", rows[0]), *(("worst", row) for row in reversed(rows[1:][-2:]))]
            shown = tuple(_example(word, row, answers.get(row.row_id)) for word, row in chosen)
            blocks.append(Examples(f"{shorten(cell.name, NAME_CHARS)} ({why})", shown))
    return [Heading("Rows worth reading"), *blocks] if blocks else []


def _interesting(matrix: Matrix) -> list[tuple[Cell, str]]:
    """Cells a reader asks about, each with the reason; the reference is beside each of them anyway."""
    others = [cell for cell in matrix.cells if cell.name != matrix.reference and cell.evaluation.scored]
    scored = [cell for cell in others if cell.score is not None and finite(cell.score.value) is not None]
    ranked = sorted(scored, key=lambda cell: cell.score.value if cell.score else 0.0)
    wanted = [(cell, "cheapest that holds up") for cell in others if cell.name == matrix.cheapest]
    wanted += [(cell, "highest score") for cell in ranked[-1:]]
    wanted += [(cell, "lowest score") for cell in ranked[:1]]
    wanted += [(cell, "on the front") for cell in others if cell.on_front]
    first: dict[str, tuple[Cell, str]] = {}
    for cell, why in wanted:
        first.setdefault(cell.name, (cell, why))
    return list(first.values())[:CELLS]


def _example(word: str, row: RowResult, reference: RowResult | None) -> Example:
    gold = _pretty(row.gold) or (_pretty(reference.prediction) if reference else "")
    scores = [f"score: {number(row.score)}", *(f"{name}: {number(value)}" for name, value in row.fields.items())]
    sides = (
        ("input", "\n".join(str(value) for value in row.inputs.values())),
        ("reference", gold),
        ("candidate", _pretty(row.prediction)),
        ("the judge's words", row.feedback),
        ("scores", "\n".join(scores)),
    )
    title = f"{word}: {shorten(row.row_id, NAME_CHARS)}, {number(row.score)}"
    return Example(title, tuple((name, shorten(text, TEXT_CHARS) or "(nothing)") for name, text in sides))


def _pretty(value: Mapping[str, Any]) -> str:
    """One field as its text, several as lines with their names."""
    texts = {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, indent=1) for k, v in value.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "\n".join(f"{name}: {text}" for name, text in texts.items())


def failures(matrix: Matrix) -> list[Block]:
    """Rows without a score, the most frequent error first, with the rows and the cells they happened in."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for cell in matrix.cells:
        for row in cell.evaluation.rows:
            if row.status is RowStatus.OK or (row.status is RowStatus.SKIPPED and cell.stopped):
                continue
            error = shorten(row.error or "(no message)", ERROR_CHARS)
            groups.setdefault((row.status.value, error), {}).setdefault(cell.name, []).append(row.row_id)
    if not groups:
        return []
    ordered = sorted(groups.items(), key=lambda item: -sum(map(len, item[1].values())))
    rows = tuple(
        (error, status.replace("_", " "), str(sum(map(len, cells.values()))), "; ".join(map(_where, cells.items())))
        for (status, error), cells in ordered
    )
    return [Heading("Rows without a score"), Table(("error", "kind", "rows", "where"), rows, (2,))]


def _where(found: tuple[str, list[str]]) -> str:
    name, ids = found
    more = f" and {len(ids) - IDS} more" if len(ids) > IDS else ""
    return f"{shorten(name, NAME_CHARS)}: {', '.join(shorten(i, NAME_CHARS) for i in ids[:IDS])}{more}"
