"""The store of sessions: SQLite in the workspace, or a Postgres that a team shares, behind one model."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.schema import CreateIndex, CreateTable

from core.errors import DataError, OutputError, StoreError
from core.files import keep_private, make_database
from core.lock import FileLock
from core.redact import NOTHING, Redactor
from core.workspace import Workspace
from sessions.columns import MEASURES, Totals, read_columns, read_totals
from sessions.filters import EVERYTHING, FilterChain
from sessions.record import Session, Step
from sessions.tables import (
    BLOCK,
    FIELDS,
    ORDER,
    SCHEMA,
    SESSIONS,
    TABLES,
    TRAJECTORIES,
    VERSION,
    columns_of,
    packed,
    session_of,
    unpacked,
)
from sessions.writing import Appended, write

if TYPE_CHECKING:
    import numpy as np

    from sessions.group import Group
    from sessions.metrics import Metric

URL_VARIABLE = "STORAGE__DATABASE_URL"
BATCH = 20_000
"""Sessions that share a transaction when many are loaded."""
CACHE_KIB = 32_768
"""Of SQLite, for each connection: what it sorts beyond that goes through a file."""
ATTEMPTS = 5
BUSY_SECONDS = 60
Result = TypeVar("Result")


class SessionStore:
    """Sessions under unique ids. Safe for many threads and processes.

    Args:
        url: An SQLAlchemy URL of SQLite or Postgres.
        redact: Masks secrets before anything is stored.

    Raises:
        StoreError: If there is no such database, it cannot be opened, or a newer version wrote it.
    """

    def __init__(self, url: str, redact: Redactor = NOTHING) -> None:
        self._redact = redact
        self._engine = _engine(url)
        self.name = self._engine.url.render_as_string(hide_password=True)
        try:
            self._create()
        except (OSError, sqlite3.DatabaseError, exc.SQLAlchemyError) as error:
            self._engine.dispose()
            raise StoreError(
                f"{self.name}: cannot be used as a session store: {_said(error)}",
                hint="is it an SQLite file of sessions, or a Postgres that is up and lets you make tables?",
            ) from None

    def __enter__(self) -> SessionStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # Writing

    def append(self, sessions: Iterable[Session], *, replace: bool = False) -> Appended:
        """Add sessions, in transactions of 20 000: a session is there whole or not at all.

        An id that is there already is reported, and overwritten only with ``replace``. When this returns, what was
        added is on disk. A transaction that the database turns down for a moment is tried again.

        Raises:
            DataError: If a session cannot be kept, or an id comes twice within a transaction. Nothing of that
                transaction is stored.
            OutputError: If the database cannot be written.
        """
        done, remaining = Appended(), iter(sessions)
        while batch := list(islice(remaining, BATCH)):
            blocks = [columns_of(batch[at : at + BLOCK], self._redact) for at in range(0, len(batch), BLOCK)]
            ids = [name for block in blocks for name in block[0]]
            if len(set(ids)) < len(ids):
                twice = [name for name, count in Counter(ids).items() if count > 1]
                raise DataError(f"session {twice[0]!r} is there twice among those to be stored")
            steps = [
                (name, packed(session.trajectory, self._redact))
                for name, session in zip(ids, batch, strict=True)
                if session.trajectory is not None
            ]
            done += self._retried(lambda db, blocks=blocks, steps=steps: write(db, blocks, steps, replace=replace))
        return done

    def delete(self, chain: FilterChain) -> int:
        """Remove what a chain selects; says how many."""

        def work(db: sa.Connection) -> int:
            chosen = sa.select(SESSIONS.c.seq).where(*chain.clauses(self._dialect))
            seqs = list(db.execute(chosen).scalars())
            for start in range(0, len(seqs), 5_000):
                some = SESSIONS.c.seq.in_(seqs[start : start + 5_000])
                ids = sa.select(SESSIONS.c.id).where(some)
                db.execute(sa.delete(TRAJECTORIES).where(TRAJECTORIES.c.id.in_(ids)))
                db.execute(sa.delete(SESSIONS).where(some))
            return len(seqs)

        return self._retried(work)

    # Reading

    def count(self, chain: FilterChain = EVERYTHING) -> int:
        """How many sessions a chain selects."""
        with self._reading() as db:
            query = sa.select(sa.func.count()).select_from(SESSIONS).where(*chain.clauses(self._dialect))
            return int(db.execute(query).scalar_one())

    def sessions(self, chain: FilterChain = EVERYTHING, *, trajectories: bool = False) -> Iterator[Session]:
        """The sessions of a chain, by start and then by arrival, a few thousand in memory at a time."""
        columns = [SESSIONS.c[name] for name in FIELDS]
        source: Any = SESSIONS
        if trajectories:
            columns.append(TRAJECTORIES.c.steps)
            source = SESSIONS.outerjoin(TRAJECTORIES, TRAJECTORIES.c.id == SESSIONS.c.id)
        query = sa.select(*columns).select_from(source).where(*chain.clauses(self._dialect)).order_by(*ORDER)
        streamed = {"stream_results": True, "yield_per": 2_000}
        with self._reading() as db, db.execute(query, execution_options=streamed) as found:
            for row in found:
                body = row[-1] if trajectories else None
                yield session_of(row[: len(FIELDS)], None if body is None else unpacked(body))

    def get(self, session_id: str) -> Session:
        """One session with its trajectory.

        Raises:
            StoreError: If there is none of that id.
        """
        chain = FilterChain().where(id=session_id)
        found = list(self.sessions(chain, trajectories=True))
        if not found:
            raise StoreError(f"no session {session_id!r} in {self.name}", hint="list them with: sessions list")
        return found[0]

    def trajectory(self, session_id: str) -> tuple[Step, ...] | None:
        """The steps of one session; None where none were stored."""
        with self._reading() as db:
            query = sa.select(TRAJECTORIES.c.steps).where(TRAJECTORIES.c.id == session_id)
            body = db.execute(query).scalar_one_or_none()
        return None if body is None else unpacked(body)

    def columns(self, names: Sequence[str], chain: FilterChain = EVERYTHING) -> dict[str, np.ndarray]:
        """Fields of the selected sessions as arrays of equal length, in the order of :meth:`sessions`.

        Numbers and truth values are float64 with NaN where nothing is known; everything else is an object array
        of texts (lists and mappings as JSON).
        """
        with self._reading() as db:
            return read_columns(db, names, chain.clauses(self._dialect))

    def totals(
        self, by: Sequence[str] = (), chain: FilterChain = EVERYTHING, measures: Sequence[str] = MEASURES
    ) -> tuple[Totals, ...]:
        """Counts by outcome and sums of measures for each group, added up in the database, ordered by group."""
        with self._reading() as db:
            return read_totals(db, by, measures, chain.clauses(self._dialect))

    def tally(
        self, metrics: Sequence[Metric], by: Sequence[str] = (), chain: FilterChain = EVERYTHING
    ) -> tuple[Group, ...]:
        """Sums of metrics per group and task, added up in the database; see :func:`sessions.tally.tally`."""
        from sessions.table_tally import tally_table

        with self._reading() as db:
            return tally_table(db, metrics, by, chain.clauses(self._dialect))

    def read(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Some reading of one's own on a connection, such as a query of :mod:`sessions.learning`."""
        with self._reading() as db:
            return work(db)

    def clauses(self, chain: FilterChain) -> list[sa.ColumnElement[bool]]:
        """A chain as conditions on the table of sessions, in the SQL of this database."""
        return chain.clauses(self._dialect)

    # Within

    @property
    def _dialect(self) -> str:
        return self._engine.dialect.name

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as db:
                yield db
        except (exc.OperationalError, exc.DatabaseError) as error:
            raise StoreError(f"{self.name}: cannot be read: {_said(error)}") from None

    def _retried(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Do some writing in one transaction, again where the database was busy or away for a moment."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._engine.connect().execution_options(writes=True) as db, db.begin():
                    return work(db)
            except exc.OperationalError as error:
                if attempt == ATTEMPTS:
                    raise OutputError(
                        f"{self.name}: cannot be written, after {ATTEMPTS} attempts: {_said(error)}",
                        hint="free disk space or see to the database, then run the same command again",
                    ) from None
                time.sleep(random.uniform(0.5, 1.0) * 0.1 * 2**attempt)
            except exc.DatabaseError as error:
                raise OutputError(f"{self.name}: cannot be written: {_said(error)}") from None
        raise AssertionError("unreachable")

    def _create(self) -> None:
        if self._dialect == "sqlite":
            path = Path(str(self._engine.url.database))
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock", timeout=BUSY_SECONDS):
                make_database(path, _script(self._engine.dialect), SCHEMA.name)
                keep_private(path)
            with self._engine.connect() as db:
                version = db.execute(sa.select(SCHEMA.c.version)).scalar_one()
        else:
            with self._engine.begin() as db:
                db.execute(sa.text("select pg_advisory_xact_lock(728113)"))  # two processes that make it at once
                TABLES.create_all(db)
                found = db.execute(sa.select(SCHEMA.c.version)).scalar_one_or_none()
                if found is None:
                    db.execute(sa.insert(SCHEMA).values(version=VERSION))
                version = found or VERSION
        if version > VERSION:
            raise StoreError(
                f"{self.name}: written by a newer version (schema {version}, this one knows {VERSION})",
                hint="update the project",
            )


def open_sessions(workspace: Workspace, url: str | None = None, redact: Redactor = NOTHING) -> SessionStore:
    """The store that was named, else that of ``STORAGE__DATABASE_URL``, else ``mlruns/sessions.db``.

    Raises:
        StoreError: If it cannot be opened.
    """
    named = url or os.environ.get(URL_VARIABLE)
    return SessionStore(named or f"sqlite:///{workspace.mlruns / 'sessions.db'}", redact)


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError:
        raise StoreError(
            "the URL of the session store cannot be read (not shown, it may hold a password)",
            hint="allowed: sqlite:///FILE, postgresql://USER@HOST/DATABASE",
        ) from None
    kind = parsed.get_backend_name()
    if kind in ("postgresql", "postgres"):
        try:
            engine = sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
        except ImportError:
            raise StoreError(
                "Postgres needs its driver, which is not installed", hint="pip install 'psycopg[binary]'"
            ) from None
        return engine
    if kind != "sqlite" or not parsed.database:
        raise StoreError(
            f"{parsed.render_as_string(hide_password=True)}: not a session store",
            hint="allowed: sqlite:///FILE, postgresql://USER@HOST/DATABASE",
        )
    engine = sa.create_engine(parsed.set(drivername="sqlite+pysqlite"), connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepared)
    event.listen(engine, "begin", _begun)
    return engine


def _prepared(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own transactions would begin too late, as readers
    connection.execute("pragma synchronous=full")
    connection.execute(f"pragma cache_size=-{CACHE_KIB}")


def _begun(db: sa.Connection) -> None:
    db.exec_driver_sql("begin immediate" if db.get_execution_options().get("writes") else "begin")


def _script(dialect: sa.Dialect) -> str:
    parts = [str(CreateTable(table).compile(dialect=dialect)) for table in TABLES.sorted_tables]
    parts += [str(CreateIndex(i).compile(dialect=dialect)) for table in TABLES.sorted_tables for i in table.indexes]
    return ";".join([*parts, f"insert into session_schema values ({VERSION});"])


def _said(error: Exception) -> str:
    """What the database said, without the statement and its values."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
