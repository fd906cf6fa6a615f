"""How a batch of rows gets into the session store within one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sessions.record import Session
from sessions.tables import FIELDS, SESSIONS, TRAJECTORIES, session_of, unpacked

Row = tuple[Any, ...]


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


def write(db: sa.Connection, rows: Sequence[Row], steps: Sequence[tuple[str, bytes]], *, replace: bool) -> Appended:
    """Write rows of ``FIELDS`` with unique ids and their packed trajectories; the caller holds the transaction."""
    if db.dialect.name == "postgresql":  # other writers wait, so that what is found here stays true
        db.exec_driver_sql("lock table sessions in share row exclusive mode")
    there = _stored(db, [row[0] for row in rows])
    if not there:
        _insert(db, "sessions", FIELDS, rows)
        _insert(db, "trajectories", ("id", "steps"), steps)
        return Appended(added=len(rows))
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
    _insert(db, "sessions", FIELDS, fresh)
    _insert(db, "trajectories", ("id", "steps"), [step for step in steps if step[0] not in kept])
    if replace:
        return Appended(len(fresh) - len(differing), replaced=differing, same=same)
    return Appended(len(fresh), same=same, refused=differing)


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


def _insert(db: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows by the driver's fastest way; names of tables and columns are our own."""
    values = list(rows)
    if not values:
        return
    if db.dialect.name == "postgresql":
        cursor: Any = db.connection.cursor()
        with cursor, cursor.copy(f"copy {table} ({', '.join(columns)}) from stdin") as copy:
            for row in values:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(columns))
    db.exec_driver_sql(f"insert into {table} ({', '.join(columns)}) values ({marks})", values)
