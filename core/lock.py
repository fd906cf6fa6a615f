"""A lock that processes and threads hold in turn; it ends with its holder, however that ends."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import OutputError

WAIT_SECONDS = 0.05
"""How often one that is held is tried again."""


class Locked(OutputError):  # noqa: N818 - a state of the lock, which some callers turn into an error of their own
    """Somebody else has held the lock for the whole time."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(
            f"{path}: another process has held this lock for {seconds:g} s",
            hint="run the same command again; a process that was stopped (Ctrl-Z) has to be continued or ended first",
        )


class FileLock:
    """A file that one holder at a time has locked; the file stays behind.

    Threads of one process wait for each other as processes do. Whoever holds one must not ask for it again.

    Args:
        path: The file; it is made where it is not there.
        timeout: Seconds to wait at most.
    """

    def __init__(self, path: str | Path, timeout: float) -> None:
        self._path, self._timeout = path, timeout
        self._mine = threading.Lock()
        self._handle = -1  # while it is held, the open file

    def acquire(self) -> None:
        """Wait for the lock and hold it.

        Raises:
            Locked: If the time is over.
            OSError: If the file cannot be made.
        """
        until = time.monotonic() + self._timeout
        if not self._mine.acquire(timeout=self._timeout):
            raise Locked(Path(self._path), self._timeout)
        try:
            while (handle := self._taken()) is None:
                if time.monotonic() >= until:
                    raise Locked(Path(self._path), self._timeout)
                time.sleep(WAIT_SECONDS)
        except BaseException:
            self._mine.release()
            raise
        self._handle = handle

    def _taken(self) -> int | None:
        """The locked file, or None where somebody else has it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_nlink:  # else it was deleted since, and who comes next would make another
                return handle
        except BlockingIOError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        return None

    def release(self) -> None:
        """Let it go."""
        os.close(self._handle)
        self._mine.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()
