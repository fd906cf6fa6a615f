"""A playbook and its history on disk: revisions are added and none is ever changed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydantic

from core.errors import StoreError, UsageError
from core.files import write_text
from core.lock import FileLock, Locked
from core.plain import from_json, to_json
from core.redact import NOTHING, Redactor, from_environment
from core.workspace import Workspace
from playbook.entry import Entry, Lifecycle
from playbook.rubric import Quality

LOCK_SECONDS = 60
NAMELESS = "learning_unknown"


@dataclass(frozen=True)
class Change:
    """An entry as it is from now on, and why."""

    entry: Entry
    why: str


@dataclass(frozen=True)
class Revision:
    """Changes that were made together.

    Attributes:
        version: From 1.
        at: ISO 8601, UTC.
        reason: What was done, in words.
        changes: At least one.
        quality: What the rubric said of the batch, where there was one.
    """

    version: int
    at: str
    reason: str
    changes: tuple[Change, ...]
    quality: Quality | None = None


@dataclass(frozen=True)
class Playbook:
    """All revisions of the playbook of one learning key, oldest first."""

    key: str
    revisions: tuple[Revision, ...] = ()

    @property
    def version(self) -> int:
        """Of the last revision; 0 where there is none."""
        return self.revisions[-1].version if self.revisions else 0

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Every entry that ever was, by id, as it is now."""
        return {change.entry.id: change.entry for revision in self.revisions for change in revision.changes}

    def active(self, audience: str | None = None) -> tuple[Entry, ...]:
        """The entries in force, of one audience or of all."""
        return tuple(
            entry
            for entry in self.entries.values()
            if entry.lifecycle is Lifecycle.ACTIVE and audience in (None, entry.audience)
        )

    def history(self, entry_id: str) -> tuple[tuple[Revision, Change], ...]:
        """What happened to an entry, oldest first."""
        return tuple(
            (revision, change)
            for revision in self.revisions
            for change in revision.changes
            if change.entry.id == entry_id
        )

    def find(self, name: str) -> Entry:
        """The entry of this id, or whose id ends or begins so, with or without ``playbook-entry-``.

        Raises:
            UsageError: If there is none, or more than one.
        """
        wanted = name.removeprefix("playbook-entry-")
        found = [one for one in self.entries.values() if one.id.removeprefix("playbook-entry-").startswith(wanted)]
        if len(found) == 1 and wanted:
            return found[0]
        problem = f"{len(found)} entries begin so" if found else "no such entry"
        raise UsageError(f"{name}: {problem} in the playbook of {self.key!r}", hint="see: python cli.py playbook list")


Decide = Callable[[Playbook], tuple[Sequence[Change], Quality | None]]


class PlaybookStore:
    """Playbooks in a folder, a file for each learning key; a line is a revision, without secrets."""

    def __init__(self, folder: Path, redact: Redactor = NOTHING) -> None:
        self.folder = folder
        self._redact = redact

    def keys(self) -> tuple[str, ...]:
        """Learning keys that have a playbook, sorted."""
        paths = sorted(self.folder.glob("*.jsonl")) if self.folder.is_dir() else []
        return tuple(sorted(_read(path).key for path in paths))

    def read(self, key: str) -> Playbook:
        """The playbook of a key; an empty one where nothing was ever written.

        Raises:
            StoreError: If its file is damaged; the message has its line.
        """
        path = self.path(key)
        return _read(path) if path.exists() else Playbook(key)

    def revise(self, key: str, reason: str, decide: Decide, *, at: str | None = None) -> Playbook:
        """Add a revision with what ``decide`` makes of the playbook as it is; none where it changes nothing.

        Others who revise the same playbook wait, so that a decision is never made on what is no longer so.

        Raises:
            StoreError: If the file is damaged, or somebody holds it for longer than a minute.
        """
        path = self.path(key)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
                known = self.read(key)
                changes, quality = decide(known)
                if not changes:
                    return known
                when = at or datetime.now(UTC).isoformat(timespec="seconds")
                revision = Revision(known.version + 1, when, reason, tuple(changes), quality)
                before = path.read_text("utf-8") if path.exists() else json.dumps({"key": key}) + "\n"
                line = self._redact.json(to_json(revision))
                write_text(path, before + line + "\n")
        except Locked:
            raise StoreError(
                f"{path}: another process has held it for {LOCK_SECONDS} s", hint="wait for it, then try again"
            ) from None
        return self.read(key)

    def path(self, key: str) -> Path:
        """The file of a learning key."""
        return self.folder / f"{slug(key)}.jsonl"


def open_playbooks(workspace: Workspace) -> PlaybookStore:
    """The playbooks of a workspace."""
    return PlaybookStore(workspace.mlruns / "playbooks", from_environment(workspace.root))


def slug(key: str) -> str:
    """A file name for a learning key that no other key has, on any file system.

    A key of at most 16 small letters and digits is its own; others have the first 16 letters and digits, and eight hex
    digits of their SHA-256.
    """
    if re.fullmatch(r"[a-z0-9]{1,16}", key):
        return key
    base = "".join(re.findall(r"[A-Za-z0-9]", key))[:16].lower() or NAMELESS
    return f"{base}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _read(path: Path) -> Playbook:
    revisions: list[Revision] = []
    key: Any = None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            if number == 1:
                key = json.loads(line)["key"]
            else:
                revisions.append(from_json(Revision, line))
        except (ValueError, KeyError, TypeError, pydantic.ValidationError) as error:
            raise _damaged(path, number, f"cannot be read: {str(error).splitlines()[0]}") from None
        if number > 1 and revisions[-1].version != number - 1:
            raise _damaged(path, number, f"version {revisions[-1].version} where {number - 1} is due")
    if not isinstance(key, str):
        raise _damaged(path, 1, "names no learning key")
    return Playbook(key, tuple(revisions))


def _damaged(path: Path, line: int, problem: str) -> StoreError:
    return StoreError(f"{path}:{line}: {problem}", hint="put a copy of the file back; a history is never rewritten")
