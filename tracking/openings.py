"""How often the rows of a holdout have been seen: openings, recognised by what the rows say."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.splits import HoldoutIdentity

SHARED = 0.1
"""From this share of its rows on, a holdout counts as opened by an earlier opening that had these rows too."""

SCHEMA = """
create table if not exists openings (
    task text not null, holdout text not null, run_id text not null, candidate text not null, at text not null,
    primary key (task, holdout, run_id, candidate)
);
create table if not exists holdout_rows (
    holdout text not null, row text not null, primary key (holdout, row)
) without rowid;
create index if not exists holdout_rows_by_row on holdout_rows (row);
"""
"""Rows are stored once for each holdout, by fingerprint. A holdout that an older version opened has none until it is
opened again; until then it is recognised by its own fingerprint alone."""

_EARLIER = """
with asked (row) as (select value from json_each(:rows)),
shared (holdout, count) as (
    select holdout, count(*) from holdout_rows where row in (select row from asked) group by holdout
)
"""


def record_opening(db: sqlite3.Connection, opened: tuple[str, str, str], holdout: HoldoutIdentity, at: str) -> int:
    """Record an opening by ``(task, run, candidate)`` and return its number; see :func:`count_earlier`.

    The same run and candidate with rows that say the same have one opening, whatever their task and file are called.
    """
    task, run_id, candidate = opened
    seq = _same(db, run_id, candidate, holdout)
    if seq is None:
        cursor = db.execute(
            "insert into openings (task, holdout, run_id, candidate, at) values (?, ?, ?, ?, ?)",
            (task, holdout.fingerprint, run_id, candidate, at),
        )
        seq = int(cursor.lastrowid or 0)
    db.executemany(
        "insert or ignore into holdout_rows (holdout, row) values (?, ?)",
        ((holdout.fingerprint, row) for row in sorted(holdout.rows)),
    )
    return count_earlier(db, holdout, before=seq) + 1


def upcoming(db: sqlite3.Connection, run_id: str, candidate: str | None, holdout: HoldoutIdentity) -> int | None:
    """The number that an opening would have; None where the run has made it already. Writes nothing.

    ``candidate`` may be unknown yet: then any opening of these rows by the run is the one that it has made.
    """
    return None if _same(db, run_id, candidate, holdout) is not None else count_earlier(db, holdout) + 1


def count_earlier(db: sqlite3.Connection, holdout: HoldoutIdentity, before: int | None = None) -> int:
    """How many openings count against a holdout: all, of whatever task, that shared a tenth or more of its rows.

    The share is one of the rows now opened, so that rows which are truly new make a new holdout, and a small holdout
    that is opened again inside a large one does not count. ``before`` leaves out that opening and all later ones.
    """
    query = _EARLIER + (
        "select count(*) from openings left join shared using (holdout) "
        "where (openings.holdout = :holdout or shared.count >= :least) "
        "and (:before is null or openings.rowid < :before)"
    )
    values = {
        "rows": json.dumps(sorted(holdout.rows)),
        "holdout": holdout.fingerprint,
        "least": SHARED * len(holdout.rows),
        "before": before,
    }
    return int(db.execute(query, values).fetchone()[0])


def _same(db: sqlite3.Connection, run_id: str, candidate: str | None, holdout: HoldoutIdentity) -> int | None:
    """The opening that this run made for this candidate, or for any, with the same rows."""
    query = _EARLIER + (
        "select min(openings.rowid) from openings left join shared using (holdout) "
        "where run_id = :run and candidate = coalesce(:candidate, candidate) and ("
        "openings.holdout = :holdout or (shared.count = :size "
        "and :size = (select count(*) from holdout_rows where holdout_rows.holdout = openings.holdout)))"
    )
    values = {
        "rows": json.dumps(sorted(holdout.rows)),
        "holdout": holdout.fingerprint,
        "size": len(holdout.rows),
        "run": run_id,
        "candidate": candidate,
    }
    found = db.execute(query, values).fetchone()[0]
    return None if found is None else int(found)
