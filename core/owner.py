"""Who is at work: a name that is held for as long as its process lives."""

from __future__ import annotations

from pathlib import Path

from core.lock import FileLock, Locked


class Owner:
    """A living process that makes calls; others see that it lives by the lock it holds.

    After its death, whatever it had in flight may be claimed by others.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self._path = folder / f"{name}.lock"
        self._lock = FileLock(str(self._path), timeout=0)
        self._lock.acquire()

    def close(self) -> None:
        """Stop holding the name."""
        self._lock.release()
        self._path.unlink(missing_ok=True)

    @staticmethod
    def alive(folder: Path, name: str) -> bool:
        """Whether the owner of this name still lives."""
        path = folder / f"{name}.lock"
        if not path.exists():
            return False
        probe = FileLock(str(path), timeout=0)
        try:
            probe.acquire()
        except Locked:
            return True
        probe.release()
        path.unlink(missing_ok=True)
        return False
