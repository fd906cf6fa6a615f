"""Many sessions at once: columns as arrays, and sums that the database adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa

from core.catalog import did_you_mean
from core.errors import UsageError
from sessions.record import Outcome
from sessions.tables import FIELDS, LISTS, MAPPINGS, ORDER, SESSIONS

MEASURES = ("steps", "tokens", "input_tokens", "output_tokens", "cost_usd", "latency_s")
CHUNK = 50_000
TREES = (*LISTS, *MAPPINGS)


@dataclass(frozen=True)
class Totals:
    """Counts and sums of one group of sessions, as the database adds them up.

    Attributes:
        group: Values of the fields that it was grouped by.
        sessions: How many there are.
        outcomes: How many ended in each way.
        sums: Sum by field, over the sessions that know it; None where none does.
        known: How many sessions know it.
    """

    group: tuple[Any, ...]
    sessions: int
    outcomes: Mapping[Outcome, int]
    sums: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    known: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def successes(self) -> int:
        """Sessions that solved their task."""
        return self.outcomes[Outcome.SUCCESS]

    @property
    def decided(self) -> int:
        """Sessions in the denominator of a success rate."""
        return self.successes + self.outcomes[Outcome.AGENT_FAILURE]

    @property
    def left_out(self) -> int:
        """Sessions that say nothing about the agent: infrastructure failed, or nobody knows."""
        return self.sessions - self.decided


def read_columns(
    db: sa.Connection, names: Sequence[str], clauses: Sequence[sa.ColumnElement[bool]]
) -> dict[str, np.ndarray]:
    """Fields of the sessions that fit, as arrays of equal length in the order of sessions.

    Raises:
        UsageError: If a field is unknown.
    """
    columns = [_column(name) for name in names]
    plain = [sa.cast(c, sa.Text()) if name in TREES else c for name, c in zip(names, columns, strict=True)]
    query = sa.select(*plain).where(*clauses).order_by(*ORDER)
    kinds = [object if isinstance(column.type, sa.Text) else np.float64 for column in columns]
    parts: list[list[np.ndarray]] = [[np.empty(0, kind)] for kind in kinds]
    for rows in db.execution_options(stream_results=True).execute(query).partitions(CHUNK):
        for part, values, kind in zip(parts, zip(*rows, strict=True), kinds, strict=True):
            part.append(np.array(values, dtype=kind))
    return {name: np.concatenate(part) for name, part in zip(names, parts, strict=True)}


def read_totals(
    db: sa.Connection, by: Sequence[str], measures: Sequence[str], clauses: Sequence[sa.ColumnElement[bool]]
) -> tuple[Totals, ...]:
    """Counts by outcome and sums of measures for each group, ordered by group.

    Raises:
        UsageError: If a field is unknown, or a measure is not a number.
    """
    keys, summed = [_column(name) for name in by], [_column(name) for name in measures]
    for name, column in zip(measures, summed, strict=True):
        if isinstance(column.type, sa.Text):
            raise UsageError(f"{name}: not a number that can be added up")
    counted = list(Outcome)[:-1]  # the last is what is left, which spares the database a sum
    outcomes = [sa.func.count().filter(SESSIONS.c.outcome == outcome.value) for outcome in counted]
    floats = db.dialect.name == "sqlite"  # where total() adds as floating point, also what is a whole number
    sums = [sa.func.total(column) if floats else sa.func.sum(sa.cast(column, sa.Float(53))) for column in summed]
    known = [sa.func.count(column) for column in summed]
    query = sa.select(*keys, sa.func.count(), *outcomes, *sums, *known).where(*clauses)
    if keys:
        query = query.group_by(*keys).order_by(*keys)
    found: list[Totals] = []
    for row in db.execute(query):
        values = list(row)
        group = tuple(values[: len(keys)])
        counts = values[len(keys) + 1 : len(keys) + 1 + len(outcomes)]
        rest = values[len(keys) + 1 + len(outcomes) :]
        number, have = values[len(keys)], rest[len(sums) :]
        found.append(
            Totals(
                group,
                number,
                dict(zip(Outcome, [*counts, number - sum(counts)], strict=True)),
                {name: value if n else None for name, value, n in zip(measures, rest, have, strict=False)},
                dict(zip(measures, have, strict=True)),
            )
        )
    return tuple(found)


def _column(name: str) -> sa.ColumnElement[Any]:
    if name == "tokens":  # as the property of a session
        return all_tokens().label("tokens")
    if name not in FIELDS:
        raise UsageError(
            f"unknown field {name!r} of a session; known: {', '.join(FIELDS)}, tokens", hint=did_you_mean(name, FIELDS)
        )
    return SESSIONS.c[name]


def all_tokens() -> sa.ColumnElement[Any]:
    """Input and output together, as the property of a session."""
    c = SESSIONS.c
    return sa.func.coalesce(c.input_tokens + c.output_tokens, c.input_tokens, c.output_tokens, c.total_tokens)
