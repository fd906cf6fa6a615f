"""One run's own record: every event goes to the store first, and from there to MLflow."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any, Protocol

from core.results import RunStart, to_json
from core.store import Store


def new_run_id(task: str, now: dt.datetime | None = None) -> str:
    """A readable, unique run id: task, UTC time and four random hex digits."""
    moment = now or dt.datetime.now(dt.UTC)
    return f"{task}-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class Projection(Protocol):
    """Whatever wants to be told that new events are in the store."""

    def nudge(self) -> None:
        """There are new events."""
        ...


class Silent:
    """A projection that does nothing."""

    def nudge(self) -> None:
        """Do nothing."""


class Run:
    """A started run. Events are durable before this class returns; the projection follows in its own time."""

    def __init__(self, store: Store, start: RunStart, projection: Projection | None = None) -> None:
        self.store, self.start, self.id = store, start, start.run_id
        self._projection: Projection = projection or Silent()
        store.start_run(start)
        self._projection.nudge()

    def emit(self, kind: str, record: Any) -> None:
        """Append one event."""
        self.store.append(self.id, kind, to_json(record))
        self._projection.nudge()

    def finish(self, state: str) -> None:
        """Close the run as finished, failed, stopped or interrupted."""
        self.store.finish_run(self.id, state)
        self._projection.nudge()
