"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

from core.errors import OutputError, StoreError


def write_text(path: Path, text: str) -> None:
    """Write a file in one step: the old content or the new, never half of it.

    Raises:
        OutputError: If the folder does not exist or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as handle:
            handle.write(text)
        os.replace(handle.name, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def make_database(path: Path, script: str, table: str) -> None:
    """Make an SQLite database in one step, unless it is there: nobody ever finds one that is empty or half made.

    One that is there is only looked at: what is not ours stays as it is. The caller holds a lock against others that
    would make it too.

    Args:
        path: The file.
        script: What makes its tables.
        table: One of them, by which a database of ours is known.

    Raises:
        StoreError: If it is there with no bytes, as a failed copy or a full disk leaves it: taking that for a new
            one would forget everything that was in it. Or if it is a database of another program.
        OSError, sqlite3.DatabaseError: If it cannot be made, or is no database.
    """
    if path.exists():
        if path.stat().st_size == 0:
            raise StoreError(
                f"{path}: has 0 bytes, so what it recorded is gone",
                hint="put a copy of it back, or delete the file to begin without a record",
            )
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as db:
            if not db.execute("select 1 from sqlite_master where type = 'table' and name = ?", (table,)).fetchone():
                raise StoreError(
                    f"{path}: is a database, but not of ours: it has no table {table}",
                    hint="put a copy of ours back, or move the file away to begin without a record",
                )
        return
    making = path.with_name(f".{path.name}.making")
    for part in ("", "-wal", "-shm", "-journal"):
        making.with_name(making.name + part).unlink(missing_ok=True)
    for part in ("-wal", "-shm"):  # of a database that was deleted; SQLite would read them into the new one
        path.with_name(path.name + part).unlink(missing_ok=True)
    keep_private(making)
    with contextlib.closing(sqlite3.connect(making, isolation_level=None)) as db:
        db.execute("pragma journal_mode=wal")
        db.executescript(f"begin immediate; {script} commit;")
    os.replace(making, path)


def keep_streams() -> None:
    """Open the null device for each standard stream that this process was started without, as some schedulers do.

    A database would get its number: SQLite takes no such descriptor, closes it, and with it goes every lock that this
    process has on the file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def keep_private(path: Path) -> None:
    """Make an empty file that only its owner may read and write, or make an existing one so.

    What SQLite puts beside a database later has the database's mode.

    Raises:
        OSError: If it cannot be made.
    """
    # One that is there is not opened: closing it would take this process's locks on it from every connection of SQLite.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if path.stat().st_mode & 0o077:
        with contextlib.suppress(PermissionError):  # somebody else's, who shares it with us on purpose
            path.chmod(0o600)
