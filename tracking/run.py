"""One run's own record: every event goes to the store first, and from there to MLflow."""

from __future__ import annotations

import datetime as dt
import secrets
import subprocess
from typing import Any, Protocol

from core.candidate import Candidate
from core.errors import StoreError
from core.lock import Locked
from core.optimization import RunStart
from core.owner import Owner
from core.plain import from_json, to_json
from core.workspace import HOME
from tracking.events import EventKind
from tracking.store import OUTCOMES, RunSummary, Store


def new_run_id(task: str, now: dt.datetime | None = None) -> str:
    """A readable, unique run id: task, UTC time and four random hex digits."""
    moment = now or dt.datetime.now(dt.UTC)
    return f"{task}-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def code_version() -> str:
    """Git commit of the project, or ``unknown`` where there is no repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(HOME), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


class Projection(Protocol):
    """Whatever wants to be told that new events are in the store."""

    def nudge(self) -> None:
        """There are new events."""
        ...


class Silent:
    """A projection that does nothing, and so knows no links."""

    problems: tuple[str, ...] = ()

    def nudge(self) -> None:
        """Do nothing."""

    def links(self, task: str, run_id: str | None, base: str = "") -> dict[str, str]:
        """None."""
        return {}


class Run:
    """A run at work. Events are written before a method returns; the projection follows in its own time.

    A run with the id of one that did not finish continues it: candidates that it had found already are recognised and
    not written twice. ``ending`` is how it will be closed: finished, failed, stopped, interrupted or exhausted.

    Raises:
        StoreError: If another process works on the run.
    """

    def __init__(self, store: Store, start: RunStart, projection: Projection | None = None) -> None:
        self.store, self.start, self.id = store, start, start.run_id
        self.ending = "finished"
        self._projection: Projection = projection or Silent()
        try:
            self._owner = Owner(store.owners, self.id)
        except Locked:
            raise StoreError(
                f"run {self.id} is at work in another process", hint=f"wait for it, or: python cli.py stop {self.id}"
            ) from None
        known = [run for run in store.runs(start.task) if run.run_id == self.id]
        self._candidates: list[str] = []
        if known:
            found = store.events(self.id, kind=EventKind.CANDIDATE)
            self._candidates = [from_json(Candidate, e.payload).prompts.hash for e in found]
            store.continue_run(self.id)
        else:
            store.start_run(start)
        self._projection.nudge()

    def emit(self, kind: EventKind, record: Any) -> None:
        """Append one event."""
        self.store.append(self.id, kind, to_json(record))
        self._projection.nudge()

    def candidate(self, candidate: Candidate) -> None:
        """Append a candidate, unless the run knew it before it was interrupted.

        Raises:
            StoreError: If the continued run goes another way than it went before.
        """
        if candidate.index >= len(self._candidates):
            self.emit(EventKind.CANDIDATE, candidate)
            return
        masked = from_json(Candidate, self.store.redact.json(to_json(candidate)))
        if self._candidates[candidate.index] != masked.prompts.hash:
            raise StoreError(
                f"run {self.id} does not repeat itself: candidate {candidate.index} differs from the one before",
                hint="the code or a library has changed since; start a new run with --new",
            )

    def failed(self, error: BaseException, ending: str) -> None:
        """Note what ended the run early; secrets are masked by the store."""
        self.emit(EventKind.FAILED, {"error": type(error).__name__, "message": str(error)})
        self.ending = ending

    def finish(self) -> None:
        """Close the run with its ending."""
        self.store.finish_run(self.id, self.ending)
        self._owner.close()
        self._projection.nudge()


def untold(store: Store, start: RunStart) -> RunSummary | None:
    """The newest run on these very inputs, where it is of this very command, finished, and was killed before it spoke.

    Whoever repeats a command after that asks for its outcome; whoever repeats one that has told it asks for another.
    """
    same = [run for run in store.runs(start.task, kinds=(start.kind,)) if run.identity == start.identity_hash]
    if not same or same[0].kind not in OUTCOMES or same[0].state != "finished" or same[0].told:
        return None
    return same[0] if store.started(same[0].run_id).command == start.command else None


def continuable(store: Store, start: RunStart) -> RunSummary | None:
    """The newest unfinished run with the same identity.

    Raises:
        StoreError: If another process works on it at this moment.
    """
    for run in store.unfinished(start.task, start.kind):
        if run.identity == start.identity_hash:
            if store.alive(run):
                raise StoreError(
                    f"run {run.run_id} does exactly this in another process",
                    hint=f"wait for it, stop it (python cli.py stop {run.run_id}), or add --new for a second run",
                )
            return run
    return None


def differences(before: RunStart, after: RunStart) -> tuple[str, ...]:
    """In which parts of their identity two runs differ, for a person."""
    parts = sorted({*before.identity, *after.identity})
    changed = [p for p in parts if before.identity.get(p) != after.identity.get(p)]
    keys = _changed_keys(before.config, after.config) if "config" in changed else []
    lines = [
        f"{p}: {before.identity.get(p, 'none')} -> {after.identity.get(p, 'none')}" for p in changed if p != "config"
    ]
    return (*keys, *lines)


def _changed_keys(before: Any, after: Any, path: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        found: list[str] = []
        for key in sorted({*before, *after}):
            found += _changed_keys(before.get(key), after.get(key), f"{path}.{key}" if path else key)
        return found
    return [] if before == after or path.startswith(("run.", "tracking.")) else [f"{path}: {before} -> {after}"]
