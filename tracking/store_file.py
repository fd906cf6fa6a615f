"""The SQLite file of the record: opened, brought up to date, read, and written in short transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import StoreError
from core.files import keep_private, make_database
from core.lock import FileLock
from core.redact import NOTHING, Redactor
from tracking.schema import SCHEMA, SCHEMA_VERSION, UPGRADES

REMEDY = "put a copy of the file back, or move it away to begin without a record of runs and opened holdouts"


class StoreFile:
    """A database of ours. Safe for several threads and processes.

    Raises:
        StoreError: If the file is not a database of ours, was written by a newer version, or cannot be opened.
    """

    def __init__(self, path: Path, redact: Redactor = NOTHING) -> None:
        self.path, self.redact = path, redact
        self.owners = path.parent / "owners"
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(str(path) + ".lock", timeout=60):
                make_database(path, f"{SCHEMA} pragma user_version={SCHEMA_VERSION};", "runs")
                keep_private(path)
                self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
                self._db.execute("pragma journal_mode=wal")
                self._migrate()
        except (OSError, sqlite3.DatabaseError) as error:
            raise StoreError(f"{path}: cannot be used as a store: {error}", hint=REMEDY) from None
        self._db.row_factory = sqlite3.Row

    def _migrate(self) -> None:
        """Create the tables, or bring an older file up to date; earlier rows stay."""
        version = int(self._db.execute("pragma user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: written by a newer version (schema {version}, this one knows {SCHEMA_VERSION})",
                hint="update the project",
            )
        if version == SCHEMA_VERSION:
            return  # nothing to write, so that opening never waits for another process's writing
        # Each step in one transaction with its number: a process that is killed here leaves a file that can be opened.
        for step in range(max(1, version), SCHEMA_VERSION):
            self._db.executescript(f"begin immediate; {UPGRADES.get(step, '')} pragma user_version={step + 1}; commit;")
        self._db.executescript(f"begin immediate; {SCHEMA} pragma user_version={SCHEMA_VERSION}; commit;")

    @contextmanager
    def _write(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction; one that is not ``durable`` may be lost in a power cut, but not by a kill."""
        with self._lock:
            try:
                self._db.execute(f"pragma synchronous={'full' if durable else 'normal'}")
                self._db.execute("begin immediate")
                yield self._db
                self._db.execute("commit")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise StoreError(f"{self.path}: {error}") from None
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise StoreError(f"{self.path}: cannot be read: {error}", hint=REMEDY) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
