"""What calls have cost, by role and by row, while a run goes on."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from calls.records import Completion
from core.evaluation import Usage


@dataclass
class RowUsage:
    """What the calls of one block cost and how long the model worked on them.

    ``worth`` and ``seconds`` include answers that the ledger had: what the block would cost anybody else.
    """

    usage: Usage = field(default_factory=Usage)
    worth: Usage = field(default_factory=Usage)
    seconds: float = 0.0


_tally: contextvars.ContextVar[RowUsage | None] = contextvars.ContextVar("tally", default=None)
_row_id: contextvars.ContextVar[str] = contextvars.ContextVar("row_id", default="")
_repeat: contextvars.ContextVar[int] = contextvars.ContextVar("repeat", default=0)


def name_row(row_id: str) -> None:
    """Say which row the calls of this thread are about, from now on."""
    _row_id.set(row_id)


def current_row() -> str:
    """The row that the calls of this thread are about."""
    return _row_id.get()


def current_repeat() -> int:
    """Which repeat of that row it is."""
    return _repeat.get()


@dataclass
class Meter:
    """Counts what every role spends. Thread-safe; one per run."""

    by_role: dict[str, Usage] = field(default_factory=dict[str, Usage])
    last_error: str | None = None
    listener: Callable[[str, Usage], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, role: str, usage: Usage, worth: Usage | None = None) -> None:
        """Add one call's usage to a role and to the block that is being tallied, if any."""
        with self._lock:
            self.by_role[role] = self.by_role.get(role, Usage()) + usage
        tally = _tally.get()
        if tally is not None:
            tally.usage = tally.usage + usage
            if worth is not None:
                tally.worth = tally.worth + worth
                tally.seconds += worth.seconds
        listener = self.listener
        if (usage.calls or usage.hits) and listener is not None:
            listener(role, usage)

    def snapshot(self) -> dict[str, Usage]:
        """Usage by role so far."""
        with self._lock:
            return dict(self.by_role)

    @staticmethod
    @contextlib.contextmanager
    def row(row_id: str = "", repeat: int = 0) -> Iterator[RowUsage]:
        """Tally the calls made inside the block, in this thread, and name their row.

        Equal calls with another ``repeat`` are calls of their own.
        """
        tally = RowUsage()
        tokens = _tally.set(tally), _row_id.set(row_id), _repeat.set(repeat)
        try:
            yield tally
        finally:
            _tally.reset(tokens[0])
            _row_id.reset(tokens[1])
            _repeat.reset(tokens[2])


def answer_usage(answer: Completion) -> Usage:
    """The usage of one answered call."""
    return Usage(
        calls=1, input_tokens=answer.input_tokens, output_tokens=answer.output_tokens, cost_usd=answer.cost_usd,
        seconds=answer.seconds, cached_tokens=answer.cached_tokens, reasoning_tokens=answer.reasoning_tokens,
    )  # fmt: skip
