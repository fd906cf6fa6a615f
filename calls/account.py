"""One run's way to its models: the ledger first, then budget, limits and retries around every request."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import dspy

from calls.courier import Courier
from calls.failures import (
    FATAL,
    PERMANENT,
    Halt,
    ModelDownError,
    StopRequestedError,
    backoff,
    describe_error,
    is_overload,
    model_error,
)
from calls.ledger import Ledger, call_key
from calls.limits import Breaker, Budget, Caps, Limiter, Reservation
from calls.meter import Meter, answer_usage, current_repeat, current_row
from calls.models import ModelSpec
from calls.records import CallSite, Completion, Request
from calls.transports import Response, Transport
from core.errors import BudgetError, ModelError, OutputError, ProvenError
from core.evaluation import Usage, total
from core.patterns import SlowPatternError

CHARS_PER_TOKEN_LOW = 2.5
"""Few characters per token, so that a reservation errs on the high side."""
DEFAULT_OUTPUT = 2000
"""Output tokens reserved before anything was measured and when no limit is set."""


@dataclass(frozen=True)
class Policy:
    """What a run allows itself.

    Attributes:
        caps: The most it may spend.
        fresh: Whether answers of other runs are left alone; its own are still never paid twice.
        fresh_roles: The same for single roles.
        max_error_share: Share of calls that may fail for good before the run stops.
        isolate: Whether a model that is down, or refuses the key, fails alone instead of ending the run.
    """

    caps: Caps = field(default_factory=Caps)
    fresh: bool = False
    fresh_roles: tuple[str, ...] = ()
    max_error_share: float = 0.1
    isolate: bool = False


class Account:
    """Every call of one run, whatever its role, goes through here. Safe for many threads.

    A call that the ledger knows is a hit and costs nothing. A call that the ledger knows because this very run paid
    for it earlier, before it was interrupted, counts as paid the first time it is met, so that a continued run ends
    with the counters of an uninterrupted one.
    """

    def __init__(
        self, ledger: Ledger, run_id: str = "", task: str = "", policy: Policy | None = None, meter: Meter | None = None
    ) -> None:
        self.ledger, self.run_id, self.task = ledger, run_id, task
        self.policy, self.meter = policy or Policy(), meter or Meter()
        spent = total(ledger.usage(run_id).values()) if run_id else Usage()
        self.budget = Budget(self.policy.caps, spent)
        self.stop_requested: Callable[[], bool] = lambda: False
        self._halt: ProvenError | None = None
        self._flights: dict[str, Future[Response]] = {}
        self._met: set[str] = set()
        self._limiters: dict[str, Limiter] = {}
        self._breakers: dict[str, Breaker] = {}
        self._longest: dict[str, _Longest] = {}
        self._down: dict[str, ProvenError] = {}
        self._calls, self._failed = 0, Counter[str]()
        self._courier: Courier | None = None
        self._lock = threading.Lock()
        self._asked_at = 0.0

    # One call

    def call(self, line: Transport, spec: ModelSpec, role: str, request: Request, repeat: str = "") -> list[object]:
        """Answer a request from the ledger or from the model.

        Raises:
            Halt: When the run must end: budget, stop, a provider that is down or refuses the key, too many failures.
            dspy.LMError: When this call failed for good and the run may go on without it.
        """
        fresh = self.policy.fresh or role in self.policy.fresh_roles
        repeat = f"{repeat}/{current_repeat()}" if current_repeat() else repeat
        key = call_key(spec, request, repeat=repeat, salt=self.run_id if fresh else "")
        with self._lock:
            flight = self._flights.get(key)
            mine = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if not mine:
            sent = flight.result()
            self.meter.add(role, Usage(hits=1), answer_usage(sent.answer))
            return list(sent.answer.outputs)
        try:
            sent = self._answer(line, spec, role, request, key)
        except BaseException as error:
            flight.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._flights[key]
        flight.set_result(sent)
        return list(sent.answer.outputs)

    def _answer(self, line: Transport, spec: ModelSpec, role: str, request: Request, key: str) -> Response:
        self.check()
        entry = self.ledger.find(key)
        if entry is not None:
            sent = Response(entry.answer, hit=True, run_id=entry.run_id)
        else:
            try:
                sent = self._with_retries(line, spec, role, request, key)
            except SlowPatternError as error:  # what cannot be masked may be written nowhere
                raise self.halted(error) from None
        self._count(role, key, sent)
        return sent

    def _count(self, role: str, key: str, sent: Response) -> None:
        with self._lock:
            first = key not in self._met
            self._met.add(key)
            self._calls += 1
        paid = first and sent.run_id == self.run_id
        worth = answer_usage(sent.answer)
        self.meter.add(role, worth if paid or not sent.hit else Usage(hits=1), worth)

    def _with_retries(self, line: Transport, spec: ModelSpec, role: str, request: Request, key: str) -> Response:
        if spec.alias in self._down:
            raise ModelDownError(str(self._down[spec.alias]))
        limiter, breaker = self._limiter(spec), self._breaker(spec)
        site = CallSite(self.run_id, self.task, role, current_row())
        jitter = random.Random(key)
        began = time.monotonic()
        for attempt in range(1, spec.attempts + 1):
            try:
                sent = self._attempt(line, spec, role, request, key, site, limiter)
            except dspy.LMError as error:
                overloaded = is_overload(error)
                if isinstance(error, FATAL) or breaker.failure(overloaded=overloaded):
                    cause = model_error(spec, error)
                    cause = ModelError(self.ledger.redact.error(cause.message), hint=cause.hint)
                    raise self._given_up(spec, cause) from error
                delay = backoff(error, attempt, jitter)
                if isinstance(error, PERMANENT) or attempt == spec.attempts:
                    self._failed_for_good(spec, error)
                    raise
                if time.monotonic() - began + delay > spec.deadline:
                    self._failed_for_good(spec, error)
                    raise
                self._sleep(delay if breaker.answered else min(delay, 1.0))
            else:
                breaker.success()
                return sent
        raise AssertionError("a model has at least one attempt")  # ModelSpec.attempts is checked on loading

    def _attempt(
        self, line: Transport, spec: ModelSpec, role: str, request: Request, key: str, site: CallSite, limiter: Limiter
    ) -> Response:
        estimate = self._estimate(spec, role, request)
        moment = limiter.acquire(estimate.tokens, self.check)
        ok, overloaded = False, False
        try:
            try:
                self.budget.reserve(estimate, self.check)
            except BudgetError as error:
                raise self.halted(error) from None
            cost, tokens, sent_out = 0.0, 0, True
            try:
                sent = line.attempt(key, site, request)
                sent_out = not sent.hit
                if not sent.hit:
                    cost, tokens = sent.answer.cost_usd, sent.answer.input_tokens + sent.answer.output_tokens
                    self._learn(role, sent.answer)
                ok = True
                return sent
            except dspy.LMError as error:
                overloaded = is_overload(error)
                self.meter.last_error = self.describe(error)
                self.meter.add(role, Usage(calls=1, errors=1))
                raise
            except (ModelError, OutputError) as error:
                raise self.halted(error) from None
            finally:
                self.budget.settle(estimate, cost, tokens, sent=sent_out)
        finally:
            limiter.release(moment, ok=ok, overloaded=overloaded)

    # Ending

    def interrupt(self) -> None:
        """End every wait of every thread soon, as on Ctrl-C; what is in flight is finished by the courier."""
        self.halted(StopRequestedError("interrupted", hint="the same command continues"))

    def halted(self, cause: ProvenError) -> Halt:
        """End the run: the caller raises what is returned, and so does every later call; the first cause stays."""
        with self._lock:
            if self._halt is None:
                self._halt = cause
            return Halt(self._halt)

    def _given_up(self, spec: ModelSpec, cause: ProvenError) -> BaseException:
        """What a call of a model that is down raises: the end of the run, or of this model alone."""
        if not self.policy.isolate:
            return self.halted(cause)
        with self._lock:
            self._down.setdefault(spec.alias, cause)
        return ModelDownError(str(cause))

    def check(self) -> None:
        """Return while the run goes on; called by whoever waits, twice a second at least.

        Raises:
            Halt: If it has ended, was asked to stop, or its time is over.
        """
        if self._halt is not None:
            raise Halt(self._halt)
        now = time.monotonic()
        if now - self._asked_at > 0.5:
            self._asked_at = now
            try:
                self.budget.refuse_if_late()
            except BudgetError as error:
                raise self.halted(error) from None
            if self.stop_requested():
                raise self.halted(StopRequestedError("stopped on request", hint=f"python cli.py resume {self.run_id}"))

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.2))

    def _failed_for_good(self, spec: ModelSpec, error: dspy.LMError) -> None:
        """Count a call that gave no answer; too many of them end the run, naming the dominant error."""
        text = self.describe(error)
        with self._lock:
            self._calls += 1
            self._failed[f"{type(error).__name__}: {text}"] += 1
            failed, calls = self._failed.total(), self._calls
            dominant, count = self._failed.most_common(1)[0]
        if not self.policy.isolate and failed >= 5 and failed > self.policy.max_error_share * max(calls, 20):
            message = f"{failed} of {calls} calls failed for good; stopped. Most frequent ({count}x): {dominant}"
            raise self.halted(ModelError(message, hint="run.max_error_share in the task file allows more")) from error

    @property
    def failed_for_good(self) -> int:
        """How many calls gave no answer at all."""
        return self._failed.total()

    def describe(self, error: BaseException) -> str:
        """One line about an error, with secrets masked."""
        return describe_error(error, self.ledger.redact.error)

    # Parts

    def courier(self) -> Courier:
        """The process that carries paid requests, started on first use."""
        with self._lock:
            if self._courier is None:
                self._courier = Courier(self.ledger)
            return self._courier

    def close(self) -> None:
        """End the courier and write what is left."""
        if self._courier is not None:
            self._courier.close()
        self.ledger.flush()

    def spent(self) -> dict[str, Usage]:
        """What the run has paid for by the ledger, with the hits that this process has met."""
        paid, met = self.ledger.usage(self.run_id), self.meter.snapshot()
        roles = sorted({*paid, *met})
        return {role: paid.get(role, Usage()) + Usage(hits=met.get(role, Usage()).hits) for role in roles}

    def has_answered(self, spec: ModelSpec) -> bool:
        """Whether the model has answered this run at least once."""
        return self._breaker(spec).answered

    def _limiter(self, spec: ModelSpec) -> Limiter:
        name = f"{spec.model} {spec.api_base}"
        with self._lock:
            if name not in self._limiters:
                self._limiters[name] = Limiter(spec.max_concurrency, spec.requests_per_minute, spec.tokens_per_minute)
            return self._limiters[name]

    def _breaker(self, spec: ModelSpec) -> Breaker:
        name = f"{spec.model} {spec.api_base}"
        with self._lock:
            return self._breakers.setdefault(name, Breaker())

    def _estimate(self, spec: ModelSpec, role: str, request: Request) -> Reservation:
        """An upper estimate for a reservation: from the length of the request, and the longest answer so far."""
        known = self._longest.get(role)
        limit = request.params.get("max_tokens") or request.params.get("max_completion_tokens")
        tokens_in = int(request.chars / CHARS_PER_TOKEN_LOW) + 16
        tokens_out = int(limit or (known.output_tokens if known else DEFAULT_OUTPUT))
        cost = spec.price(tokens_in, tokens_out)
        if cost is None and known is not None and known.cost_per_token is not None:
            cost = known.cost_per_token * (tokens_in + tokens_out)
        return Reservation(cost, tokens_in + tokens_out)

    def _learn(self, role: str, answer: Completion) -> None:
        tokens = answer.input_tokens + answer.output_tokens
        rate = answer.cost_usd / tokens if answer.cost_usd is not None and tokens else None
        with self._lock:
            known = self._longest.get(role, _Longest(0, None))
            rates = [r for r in (known.cost_per_token, rate) if r is not None]
            longest = max(known.output_tokens, int(1.5 * answer.output_tokens) + 16)
            self._longest[role] = _Longest(longest, max(rates, default=None))


@dataclass(frozen=True)
class _Longest:
    """The longest answer and the dearest token a role has had so far."""

    output_tokens: int
    cost_per_token: float | None
