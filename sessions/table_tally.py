"""The sums of :mod:`sessions.tally`, added up by the database: a million sessions in seconds, and none in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from core.catalog import did_you_mean
from core.errors import UsageError
from sessions.columns import all_tokens
from sessions.group import Group, Sums, Vector
from sessions.metrics import Metric
from sessions.record import Outcome
from sessions.tables import FIELDS, LISTS, MAPPINGS, SESSIONS
from sessions.tally import grouped

Clauses = Sequence[sa.ColumnElement[bool]]


class TableColumns:
    """The columns of a formula (:class:`sessions.formula.Columns`) in the table of sessions."""

    def __init__(self) -> None:
        c = SESSIONS.c
        self.score, self.steps = c.score, c.steps
        self.cost_usd, self.latency_s, self.optimal_steps = c.cost_usd, c.latency_s, c.optimal_steps
        self.tokens = all_tokens()
        self.impossible, self.rejected = (
            sa.case((column.is_(True), 1.0), (column.is_(False), 0.0), else_=None)
            for column in (c.impossible, c.rejected)
        )

    def ended(self, *outcomes: Outcome) -> Any:
        """Whether a session ended in one of these ways."""
        return SESSIONS.c.outcome.in_([outcome.value for outcome in outcomes])

    def known(self, column: Any) -> Any:
        """Whether a value is known."""
        return column.is_not(None)

    def where(self, condition: Any, then: Any, otherwise: Any) -> Any:
        """One of two values by a condition; an unknown condition is no."""
        return sa.case((condition, then), else_=otherwise)


def tally_table(db: sa.Connection, metrics: Sequence[Metric], by: Sequence[str], clauses: Clauses) -> tuple[Group, ...]:
    """What :func:`sessions.tally.tally` says about the sessions that fit, in the same order.

    Raises:
        UsageError: If a field is unknown or cannot be grouped by.
    """
    dialect = db.dialect.name
    keys = [_key(name, dialect) for name in by]
    task = SESSIONS.c.task
    alone = sa.case((task == "", SESSIONS.c.id), else_="")
    counts = [sa.func.sum(sa.case((SESSIONS.c.outcome == outcome.value, 1), else_=0)) for outcome in Outcome]
    sums = [column for metric in metrics for column in _sums(metric)]
    query = sa.select(*keys, task, alone, *counts, *sums).where(*clauses).group_by(*keys, task, alone)
    rows = db.execute(query.order_by(*keys, task, alone)).all()
    width = len(keys)
    cells = [(tuple(_text(value) for value in row[:width]), row[width] or f"\0{row[width + 1]}") for row in rows]
    table = np.array([[float(value or 0) for value in row[width + 2 :]] for row in rows], dtype=np.float64)
    table = table.reshape(len(rows), len(counts) + len(sums))
    outcomes = {outcome: table[:, place] for place, outcome in enumerate(Outcome)}
    found: dict[str, Sums] = {}
    for number, metric in enumerate(metrics):
        first = len(counts) + 3 * number
        numerators, denominators, counted = (_column(table, first + place) for place in range(3))
        found[metric.name] = Sums(numerators, denominators, counted)
    return grouped(cells, outcomes, found, always=not by)


def _column(table: Vector, place: int) -> Vector:
    return table[:, place]


def _sums(metric: Metric) -> list[Any]:
    scope, numerator, denominator = metric.formula(TableColumns())
    counted = sa.func.sum(sa.case((scope, 1), else_=0))

    def total(value: Any) -> Any:
        if isinstance(value, float) and value == 1.0:
            return counted
        return sa.func.sum(sa.case((scope, sa.cast(value, sa.Float(53))), else_=0.0))

    return [total(numerator), total(denominator), counted]


def _key(name: str, dialect: str) -> Any:
    head, _, inside = name.partition(".")
    if head not in FIELDS or head in LISTS or bool(inside) != (head in MAPPINGS) or '"' in inside:
        known = [*(field for field in FIELDS if field not in (*LISTS, *MAPPINGS)), *(f"{m}.NAME" for m in MAPPINGS)]
        raise UsageError(
            f"cannot group by {name!r}; allowed: {', '.join(known)}", hint=did_you_mean(name, tuple(known))
        )
    column: Any = SESSIONS.c[head]
    if not inside:
        return column
    if dialect == "postgresql":
        return sa.type_coerce(column, JSONB)[inside].astext
    return sa.func.json_extract(column, f'$."{inside}"')


def _text(value: Any) -> str:
    return "" if value is None else str(value)
