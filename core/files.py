"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

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
