"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from core.errors import OutputError


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


def keep_private(path: Path) -> None:
    """Make an empty file that only its owner may read and write, or make an existing one so.

    What SQLite puts beside a database later has the database's mode.

    Raises:
        OSError: If it cannot be made.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if path.stat().st_mode & 0o077:
        with contextlib.suppress(PermissionError):  # somebody else's, who shares it with us on purpose
            path.chmod(0o600)
