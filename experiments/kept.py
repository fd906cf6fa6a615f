"""The sessions of one stream, kept as they end, so that none is paid for twice."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Protocol

from core.errors import OutputError
from core.lock import FileLock
from core.plain import from_json, to_json
from core.redact import NOTHING, Redactor
from sessions.record import Session


class Keeper(Protocol):
    """Where sessions are kept."""

    def find(self, session_id: str) -> Session | None:
        """The session of this id, if it was kept."""
        ...

    def add(self, session: Session) -> None:
        """Keep a session; it is on disk when this returns."""
        ...


class SessionLog:
    """A JSONL file of sessions: appended under a lock and flushed to disk; a half-written last line is passed over.

    Raises:
        OutputError: If the file cannot be written.
    """

    def __init__(self, path: Path, redact: Redactor = NOTHING) -> None:
        self._path, self._redact = path, redact
        self._mutex = threading.Lock()
        self._known: dict[str, Session] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(str(path) + ".lock", timeout=60)
        if path.is_file():
            for line in path.read_text("utf-8").splitlines():
                try:
                    session = from_json(Session, line)
                except ValueError:
                    continue  # half a line, from a process that was killed while it wrote
                self._known[session.id] = session

    def find(self, session_id: str) -> Session | None:
        """The session of this id, if it was kept."""
        with self._mutex:
            return self._known.get(session_id)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Every session that was kept."""
        with self._mutex:
            return tuple(self._known.values())

    def add(self, session: Session) -> None:
        """Keep a session."""
        line = json.dumps(json.loads(self._redact.json(to_json(session))), ensure_ascii=False) + "\n"
        try:
            with self._mutex, self._lock, self._path.open("ab") as file:
                if file.tell() and not self._ends_a_line():
                    file.write(b"\n")
                file.write(line.encode("utf-8", "replace"))
                file.flush()
                os.fsync(file.fileno())
                self._known[session.id] = session
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from None

    def _ends_a_line(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
