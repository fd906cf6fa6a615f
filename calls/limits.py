"""What a run may spend and how fast it may ask: budget, concurrency, rate, and when to give up on a provider."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import BudgetError
from core.evaluation import Usage


@dataclass(frozen=True)
class Caps:
    """The most a run may spend, over all roles together; None is no cap."""

    cost: float | None = None
    calls: int | None = None
    tokens: int | None = None
    minutes: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is a cap at all."""
        return any(cap is not None for cap in (self.cost, self.calls, self.tokens, self.minutes))


@dataclass(frozen=True)
class Reservation:
    """What one request may cost at most, as far as one can know before it is sent."""

    cost: float | None
    tokens: int


class Budget:
    """Admits requests while they fit under the caps: reserved before they are sent, settled when they return.

    A request that does not fit waits while others are in flight, since they may turn out cheaper than reserved. With
    nothing in flight, one more request is admitted as long as a cap is not reached, so that a cap on money or tokens
    is overshot by at most one call; a cap on calls is never overshot.

    Args:
        caps: The caps.
        spent: What the run had spent before.
        clock: Seconds that only go forward; for tests.
    """

    def __init__(self, caps: Caps, spent: Usage | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.caps, self._clock = caps, clock
        start = spent or Usage()
        self.calls = start.calls
        self.cost = start.cost_usd or 0.0
        self.tokens = start.input_tokens + start.output_tokens
        self._reserved_cost, self._reserved_tokens, self._in_flight = 0.0, 0, 0
        self._started = clock()
        self._free = threading.Condition()

    def reserve(self, estimate: Reservation, halted: Callable[[], None]) -> None:
        """Wait until the request fits.

        Args:
            estimate: What it may cost.
            halted: Called while waiting; raises when the run has ended meanwhile.

        Raises:
            BudgetError: If a cap is reached.
        """
        with self._free:
            while True:
                halted()
                self._refuse_if_spent()
                if self._fits(estimate):
                    self._in_flight += 1
                    self._reserved_cost += estimate.cost or 0.0
                    self._reserved_tokens += estimate.tokens
                    return
                self._free.wait(0.2)

    def settle(self, estimate: Reservation, cost: float | None, tokens: int, *, sent: bool = True) -> None:
        """Replace a reservation by what the request really cost; ``sent`` is False when none was made after all."""
        with self._free:
            self._in_flight -= 1
            self._reserved_cost -= estimate.cost or 0.0
            self._reserved_tokens -= estimate.tokens
            self.calls += int(sent)
            self.cost += cost or 0.0
            self.tokens += tokens
            self._free.notify_all()

    def _fits(self, estimate: Reservation) -> bool:
        caps = self.caps
        if caps.calls is not None and self.calls + self._in_flight + 1 > caps.calls:
            return False
        if self._in_flight == 0:
            return True
        cost = self.cost + self._reserved_cost + (estimate.cost or 0.0)
        tokens = self.tokens + self._reserved_tokens + estimate.tokens
        return not ((caps.cost is not None and cost > caps.cost) or (caps.tokens is not None and tokens > caps.tokens))

    def _refuse_if_spent(self) -> None:
        caps = self.caps
        self.refuse_if_late()
        if caps.calls is not None and self.calls >= caps.calls:
            raise _exhausted("--max-calls", f"{caps.calls}", f"{self.calls} calls were made")
        if caps.cost is not None and self.cost >= caps.cost:
            raise _exhausted("--max-cost", f"{caps.cost:g}", f"${self.cost:.4f} was spent")
        if caps.tokens is not None and self.tokens >= caps.tokens:
            raise _exhausted("--max-tokens", f"{caps.tokens}", f"{self.tokens} tokens were used")

    def refuse_if_late(self) -> None:
        """Return while there is time.

        Raises:
            BudgetError: If the cap on minutes is reached.
        """
        if self.caps.minutes is None:
            return
        minutes = (self._clock() - self._started) / 60
        if minutes >= self.caps.minutes:
            raise _exhausted("--max-minutes", f"{self.caps.minutes:g}", f"{minutes:.1f} minutes have passed")


def _exhausted(flag: str, cap: str, spent: str) -> BudgetError:
    return BudgetError(
        f"the budget {flag} {cap} is used up: {spent}",
        hint=f"the same command with a higher {flag} continues where this run ended; nothing is paid again",
    )


class Limiter:
    """How many requests to one model may be in flight, and how many per minute.

    The window starts at ``max_concurrency``, halves when the provider says it is overloaded (once per round of
    requests, however many of them are refused) and grows by one per window of successes: additive increase,
    multiplicative decrease (Chiu and Jain, 1989).
    """

    def __init__(
        self,
        max_concurrency: int,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_concurrency, self.window = max_concurrency, float(max_concurrency)
        self._requests, self._tokens = requests_per_minute, tokens_per_minute
        self._clock = clock
        self._in_flight, self._halved_at = 0, float("-inf")
        self._sent: deque[tuple[float, int]] = deque()
        self._free = threading.Condition()

    def acquire(self, tokens: int, halted: Callable[[], None]) -> float:
        """Wait for a place; returns the moment the request may go out."""
        with self._free:
            while True:
                halted()
                wait = self._wait(tokens)
                if self._in_flight < max(1, int(self.window)) and wait <= 0:
                    self._in_flight += 1
                    moment = self._clock()
                    if self._requests is not None or self._tokens is not None:
                        self._sent.append((moment, tokens))
                    return moment
                self._free.wait(min(max(wait, 0.01), 0.2))

    def release(self, moment: float, *, ok: bool, overloaded: bool) -> None:
        """Give the place back and learn from what the provider said."""
        with self._free:
            self._in_flight -= 1
            if overloaded and moment > self._halved_at:
                self.window = max(1.0, self.window / 2)
                self._halved_at = self._clock()
            elif ok:
                self.window = min(float(self.max_concurrency), self.window + 1.0 / self.window)
            self._free.notify_all()

    def _wait(self, tokens: int) -> float:
        """Seconds until one more request keeps to the rates of the last minute."""
        if self._requests is None and self._tokens is None:
            return 0.0
        now = self._clock()
        while self._sent and self._sent[0][0] <= now - 60:
            self._sent.popleft()
        if not self._sent:
            return 0.0
        used = sum(count for _, count in self._sent)
        full = (self._requests is not None and len(self._sent) + 1 > self._requests) or (
            self._tokens is not None and used + tokens > self._tokens
        )
        return self._sent[0][0] + 60 - now if full else 0.0


class Breaker:
    """Counts failures in a row, over all threads, and says when a provider is down.

    Before its first answer a provider gets few chances, afterwards more. Being told to slow down counts as a failure
    only before the first answer: an overloaded provider is alive.
    """

    def __init__(self, first: int = 5, later: int = 16, patience: float = 6.0) -> None:
        self.first, self.later, self.patience = first, later, patience
        self._failures, self._answered, self._since = 0, False, 0.0
        self._lock = threading.Lock()

    def success(self) -> None:
        """The provider answered."""
        with self._lock:
            self._failures, self._answered = 0, True

    def failure(self, *, overloaded: bool) -> bool:
        """The provider failed; whether to give up on it."""
        with self._lock:
            if self._answered and overloaded:
                return False
            now = time.monotonic()
            if self._failures == 0:
                self._since = now
            self._failures += 1
            if self._answered:
                return self._failures >= self.later
            return self._failures >= self.first or (self._failures > 1 and now - self._since > self.patience)

    @property
    def answered(self) -> bool:
        """Whether the provider has answered at least once."""
        return self._answered
