"""Scores of champion and challenger, row by row; where one is missing, what is least kind to the challenger."""

from __future__ import annotations

from collections.abc import Callable

from core.evaluation import Evaluation, RowResult
from gates.gate import GateInput

Scores = tuple[list[float], list[float]]


def score_pairs(gate_input: GateInput) -> Scores:
    """The scores of both; a row without one counts as 0 for the challenger and as 1 for the champion."""
    return _pairs(gate_input, lambda row: row.score)


def field_pairs(gate_input: GateInput, name: str) -> Scores | None:
    """The same for one field; None when a row that has a score lacks the field, or no row has it."""
    scored = (*gate_input.champion.scored, *gate_input.challenger.scored)
    if not scored or any(name not in row.fields for row in scored):
        return None
    return _pairs(gate_input, lambda row: row.fields.get(name))


def scored_twice(gate_input: GateInput) -> tuple[tuple[RowResult, RowResult], ...]:
    """The rows that carry a score of both."""
    rows = zip(gate_input.champion.rows, gate_input.challenger.rows, strict=True)
    return tuple((a, b) for a, b in rows if a.score is not None and b.score is not None)


def _pairs(gate_input: GateInput, of: Callable[[RowResult], float | None]) -> Scores:
    from stats import least_kind

    return least_kind(_each(gate_input.champion, of), _each(gate_input.challenger, of))


def _each(evaluation: Evaluation, of: Callable[[RowResult], float | None]) -> list[float | None]:
    return [of(row) for row in evaluation.rows]
