"""How a batch of rows gets into the session store within one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import sqlalchemy as sa

from sessions.record import Session
from sessions.tables import FIELDS, SESSIONS, TRAJECTORIES, Column, session_of, unpacked

Row = tuple[Any, ...]
TOGETHER = 50
"""Rows of a statement in SQLite, which takes a seventh off their time; far below the number of values it allows."""


@dataclass(frozen=True)
class Appended:
    """What became of sessions that were handed to the store.

    Attributes:
        added: How many are new.
        replaced: Ids that were there and have now been overwritten, because that was asked for.
        same: Ids that were there already with the same content; nothing was done.
        refused: Ids that were there already with other content, which was kept.
    """

    added: int = 0
    replaced: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def __add__(self, other: Appended) -> Appended:
        return Appended(
            self.added + other.added,
            self.replaced + other.replaced,
            self.same + other.same,
            self.refused + other.refused,
        )


def write(
    db: sa.Connection, blocks: Sequence[Sequence[Column]], steps: Sequence[tuple[str, bytes]], *, replace: bool
) -> Appended:
    """Write blocks of columns with unique ids and packed trajectories; the caller holds the transaction."""
    if db.dialect.name == "postgresql":  # other writers wait, so that what is found here stays true
        db.exec_driver_sql("lock table sessions in share row exclusive mode")
    ids = [name for block in blocks for name in block[0]]
    there = _stored(db, ids)
    if not there:
        for columns in blocks:
            _insert(db, "sessions", FIELDS, columns)
        _insert(db, "trajectories", ("id", "steps"), _turned(steps))
        return Appended(added=len(ids))
    rows: list[Row] = [row for columns in blocks for row in zip(*columns, strict=True)]
    packed = dict(steps)
    same = tuple(row[0] for row in rows if row[0] in there and _session(row, packed.get(row[0])) == there[row[0]])
    differing = tuple(name for name in there if name not in set(same))
    if replace:
        for start in range(0, len(differing), 1_000):
            some = differing[start : start + 1_000]
            db.execute(sa.delete(SESSIONS).where(SESSIONS.c.id.in_(some)))
            db.execute(sa.delete(TRAJECTORIES).where(TRAJECTORIES.c.id.in_(some)))
    kept = set(same) if replace else set(there)
    fresh = [row for row in rows if row[0] not in kept]
    _insert(db, "sessions", FIELDS, _turned(fresh))
    _insert(db, "trajectories", ("id", "steps"), _turned([step for step in steps if step[0] not in kept]))
    if replace:
        return Appended(len(fresh) - len(differing), replaced=differing, same=same)
    return Appended(len(fresh), same=same, refused=differing)


def _turned(rows: Sequence[Row]) -> list[Column]:
    """Rows as columns."""
    return list(zip(*rows, strict=True))


def _session(row: Sequence[Any], body: bytes | None) -> Session:
    return session_of(row, None if body is None else unpacked(body))


def _stored(db: sa.Connection, ids: Sequence[str]) -> dict[str, Session]:
    """The sessions that are stored under any of these ids."""
    if db.dialect.name == "postgresql":
        found = db.exec_driver_sql("select id from sessions where id = any(%(ids)s)", {"ids": list(ids)})
    else:
        found = db.exec_driver_sql(
            "select id from sessions where id in (select value from json_each(?))", (json.dumps(list(ids)),)
        )
    names = list(found.scalars())
    sessions: dict[str, Session] = {}
    source = SESSIONS.outerjoin(TRAJECTORIES, TRAJECTORIES.c.id == SESSIONS.c.id)
    query = sa.select(*(SESSIONS.c[name] for name in FIELDS), TRAJECTORIES.c.steps).select_from(source)
    for start in range(0, len(names), 1_000):
        for row in db.execute(query.where(SESSIONS.c.id.in_(names[start : start + 1_000]))):
            sessions[row[0]] = _session(row[:-1], row[-1])
    return sessions


def _insert(db: sa.Connection, table: str, names: Sequence[str], columns: Sequence[Column]) -> None:
    """Insert columns by the driver's fastest way; names of tables and columns are our own.

    A column that says the same in every row is not sent with each of them: SQLite takes most of its time for binding.
    """
    if not columns:
        return
    varied = [place for place, column in enumerate(columns) if place == 0 or not _constant(column)]
    constant = [place for place in range(len(columns)) if place not in varied]
    cursor: Any = db.connection.cursor()
    if db.dialect.name == "postgresql":
        nothing = [place for place in constant if columns[place][0] is None]
        sent = [place for place in range(len(columns)) if place not in nothing]
        with cursor, cursor.copy(f"copy {table} ({', '.join(names[place] for place in sent)}) from stdin") as copy:
            for row in zip(*(columns[place] for place in sent), strict=True):
                copy.write_row(row)
        return
    shown = ", ".join(names[place] for place in (*varied, *constant))
    values = ", ".join([*("?" * len(varied)), *(_literal(columns[place][0]) for place in constant)])
    rows = list(zip(*(columns[place] for place in varied), strict=True))
    insert, whole = f"insert into {table} ({shown}) values ", len(rows) - len(rows) % TOGETHER
    many = [tuple(chain.from_iterable(rows[at : at + TOGETHER])) for at in range(0, whole, TOGETHER)]
    cursor.executemany(insert + ", ".join([f"({values})"] * TOGETHER), many)
    cursor.executemany(f"{insert}({values})", rows[whole:])


def _constant(column: Column) -> bool:
    """Whether a column holds one of a few plain values in every row."""
    first = column[0]
    return _literal(first) != "?" and column.count(first) == len(column)


def _literal(value: Any) -> str:
    """What stands in SQL for a plain value; ``?`` for any other."""
    if value is None:
        return "null"
    return f"'{value}'" if value in ("", "[]", "{}") else "?"
