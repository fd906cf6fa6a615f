"""MLflow's SQLite database: made in one step, mended when it was left half made, upgraded with a copy beside it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from core.errors import OutputError, StoreError
from core.files import keep_private
from core.lock import FileLock, Locked

LOCK = ".mlflow.lock"
PARTS = ("", "-wal", "-shm", "-journal")


def prepare(path: Path, mlruns: Path) -> None:
    """Make or open the database under a lock, so that whoever opens it afterwards finds it whole and up to date.

    A process that is killed while it makes the database leaves a file of another name, which the next one removes.

    Raises:
        StoreError: If the file is no database, or MLflow cannot upgrade it.
        OutputError: If another process does not let go of the lock.
    """
    try:
        with FileLock(str(mlruns / LOCK), timeout=120):
            if _half_made(path):
                _set_aside(path)
            if not path.exists():
                _make(path, mlruns)
            own = path.resolve().parent == mlruns  # in a database of several workspaces the rest is others'
            if own:
                keep_private(path)
            _upgrade(path)
            with _opened(path) as db:
                db.execute("pragma journal_mode=wal")
                if own:
                    _relocate(db, mlruns)
    except Locked:
        raise OutputError(f"{path}: another process holds the lock") from None
    except sqlite3.DatabaseError as error:
        hint = "move the file away, then: python cli.py sync"
        raise StoreError(f"{path}: MLflow's database cannot be used: {error}", hint=hint) from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as db:
        yield db


def _make(path: Path, mlruns: Path) -> None:
    """Make the database under another name and rename it once it is whole."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(f".{path.name}.making")
    for part in PARTS:
        making.with_name(making.name + part).unlink(missing_ok=True)
    keep_private(making)
    made = SqlAlchemyStore(f"sqlite:///{making}", (mlruns / "artifacts").as_uri())
    made.engine.dispose()
    os.replace(making, path)


def _half_made(path: Path) -> bool:
    """Whether a process was killed while it made this database.

    MLflow makes the first experiment last; tables of its without any experiment hold nothing yet.
    """
    if not path.exists():
        return False
    with _opened(path) as db:
        tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
        if "experiments" in tables:
            return not db.execute("select count(*) from experiments").fetchone()[0]
        return tables <= {"alembic_version"}


def _set_aside(path: Path) -> None:
    """Rename the database and what belongs to it; nothing that was set aside before is written over."""
    number = 1
    while path.with_name(f"{path.stem}.half-made-{number}{path.suffix}").exists():
        number += 1
    for part in PARTS:
        found = path.with_name(path.name + part)
        if found.exists():
            found.rename(path.with_name(f"{path.stem}.half-made-{number}{path.suffix}{part}"))


def _upgrade(path: Path) -> None:
    """Bring an older database up to date; what it was lies beside it, and is never written over.

    MLflow itself would refuse some old schemas, and change others without a copy.

    Raises:
        StoreError: If MLflow cannot upgrade it, for example because a newer MLflow wrote it.
    """
    from mlflow.store.db.utils import _get_latest_schema_revision

    with _opened(path) as db:
        if not db.execute("select count(*) from sqlite_master where name = 'alembic_version'").fetchone()[0]:
            return
        (version,) = db.execute("select version_num from alembic_version").fetchone() or ("unknown",)
        if version == _get_latest_schema_revision():
            return
        copy = path.with_name(f"{path.stem}.{version}.db")
        if not copy.exists():
            keep_private(copy)
            with _opened(copy) as target:
                db.backup(target)  # a copy of the file would lack what is still in the write-ahead log
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{path}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StoreError(
            f"{path}: schema {version} is not this MLflow's and cannot be upgraded: {why}",
            hint=f"use the MLflow that wrote it, or move the file away and sync; a copy is {copy.name}",
        )


def _relocate(db: sqlite3.Connection, mlruns: Path) -> None:
    """Rewrite absolute artifact paths after the workspace was moved; MLflow would silently list nothing."""
    here = (mlruns / "artifacts").as_uri()
    rows = db.execute("select artifact_location from experiments where artifact_location like '%/mlruns/artifacts/%'")
    old = {location.split("/mlruns/artifacts/")[0] + "/mlruns/artifacts" for (location,) in rows.fetchall()} - {here}
    for before in old:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            db.execute(f"update {table} set {column} = replace({column}, ?, ?)", (before + "/", here + "/"))
    db.commit()
