"""Limits on how long something may take as a whole, watched by one thread for all of them."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Limit:
    """One limit: either the work ends first, or time does; never both. Made by :class:`Deadlines`."""

    def __init__(self, late: Callable[[], None]) -> None:
        self._late, self._lock = late, threading.Lock()
        self._over = self.passed = False

    def end(self) -> bool:
        """The work has ended; whether it did so in time. From now on nothing is called."""
        with self._lock:
            self._over = True
            return not self.passed

    def strike(self) -> None:
        """Time is up: says so, unless the work has ended."""
        with self._lock:
            if self._over:
                return
            self._over = self.passed = True
        self._late()


class Deadlines:
    """Watches any number of limits. Safe for many threads.

    The timeout of a connection limits the gap between two bytes: a server that sends one a second is never late for
    it. These limits hold for an attempt as a whole.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Limit]] = []
        self._numbers, self._changed = itertools.count(), threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self, seconds: float, late: Callable[[], None]) -> Limit:
        """Call ``late``, in the watching thread, unless the limit is ended within so many seconds."""
        limit = Limit(late)
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._numbers), limit))
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            elif self._heap[0][2] is limit:
                self._changed.notify()  # else the thread wakes early enough anyway
        return limit

    def _watch(self) -> None:
        while True:
            with self._changed:
                while (left := self._heap[0][0] - time.monotonic() if self._heap else None) is None or left > 0:
                    self._changed.wait(left)
                limit = heapq.heappop(self._heap)[2]
            limit.strike()
