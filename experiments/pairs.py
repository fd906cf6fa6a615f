"""Sessions in pairs, many at a time, that enter one sequential test in an order set beforehand."""

from __future__ import annotations

import contextvars
import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import ModelError, StoreError
from core.experiment import PairResult
from experiments.kept import Keeper
from experiments.methods import Method, State
from sessions.record import Outcome, Session

PATIENCE = 10
"""Pairs without evidence, one after the other, that end a run: something is broken, and more would cost money."""
UNMEASURED = "not measured: the sessions do not say it"
"""Why a pair whose sessions ended as they should is left out; no sign that anything is broken."""
Place = tuple[str, int]
"""A task and which repeat of it."""


class Producer(Protocol):
    """Makes the sessions of one arm."""

    @property
    def places(self) -> Sequence[Place]:
        """The tasks and trials that it has sessions for."""
        ...

    def produce(self, session_id: str, place: Place) -> Session:
        """Make one session; called from many threads. What fails is the session's outcome and not raised."""
        ...


def stream_order(places: Sequence[Place], seed: int) -> tuple[Place, ...]:
    """The pairs in the order in which they enter the test: every task once, before any is tried a second time.

    The order depends on the seed and the names alone, so that it has nothing to do with outcomes.
    """
    ordered: list[Place] = []
    for trial in sorted({trial for _, trial in places}):
        tasks = sorted(task for task, its in places if its == trial)
        random.Random(f"{seed}/{trial}").shuffle(tasks)
        ordered += [(task, trial) for task in tasks]
    return tuple(ordered)


@dataclass
class Tally:
    """What has come out so far."""

    state: State
    results: list[PairResult] = field(default_factory=list[PairResult])
    control: list[Session] = field(default_factory=list[Session])
    test: list[Session] = field(default_factory=list[Session])
    surplus: int = 0

    @property
    def left_out(self) -> int:
        """Pairs that were no evidence."""
        return sum(result.difference is None for result in self.results)


@dataclass(frozen=True)
class Stream:
    """The pairs of one experiment.

    Attributes:
        id: Names the stream, and so its sessions.
        order: Tasks and trials, in the order in which they enter the test.
        control: Makes the control arm's sessions, and likewise ``test``.
        kept: Where sessions are kept.
        retries: Further attempts where infrastructure failed.
        threads: Sessions at a time.
    """

    id: str
    order: tuple[Place, ...]
    control: Producer
    test: Producer
    kept: Keeper
    retries: int = 2
    threads: int = 4

    def session(self, arm: str, place: Place) -> Session:
        """One arm's session at a place: the kept one, or a new one; tried again where infrastructure failed.

        Raises:
            Halt: When the run must end.
        """
        producer = self.control if arm == "control" else self.test
        name = f"{self.id}/{arm}/{place[0]}/{place[1]}"
        attempt = failures = 0
        while True:
            session_id = f"{name}/{attempt}" if attempt else name
            attempt += 1
            session = self.kept.find(session_id)
            if session is None:
                session = producer.produce(session_id, place)
                self.kept.add(session)
                failures += session.outcome is Outcome.INFRASTRUCTURE
            if session.outcome is not Outcome.INFRASTRUCTURE or failures > self.retries:
                return session

    def pair(self, place: Place) -> tuple[Session, Session]:
        """Both sessions of a place."""
        return self.session("control", place), self.session("test", place)


def play(
    stream: Stream,
    method: Method,
    state: State,
    known: Sequence[PairResult],
    tell: Callable[[PairResult], None],
) -> Tally:
    """Run pairs until the test is over or the stream ends.

    Many pairs are under way at a time, but each enters the test in its turn, so that the decision is the same for any
    number of threads and however often the run was interrupted. Pairs that an interrupted run recorded are taken as
    they were recorded. When the test is over, what has not begun is given up, and what is under way is finished and
    kept.

    Args:
        stream: The pairs.
        method: What a pair is to the test.
        state: The test before its first pair.
        known: Pairs that were recorded before, in order.
        tell: Told of each further pair, once it has entered.

    Raises:
        ModelError: If pair after pair is no evidence.
        StoreError: If what was recorded is not this stream.
    """
    tally = Tally(state)
    for result, place in zip(known, stream.order, strict=False):
        _recall(tally, result, place, stream)
    waiting: list[PairResult] = []
    ahead: deque[tuple[int, Future[tuple[Session, Session]]]] = deque()
    following = len(known)
    pool = ThreadPoolExecutor(max(1, stream.threads), thread_name_prefix="pairs")
    try:
        while not tally.state.decision.final:
            while len(ahead) < stream.threads and following < len(stream.order):
                work = contextvars.copy_context().run
                ahead.append((following, pool.submit(work, stream.pair, stream.order[following])))
                following += 1
            if not ahead:
                break
            index, future = ahead.popleft()
            result = _entered(tally, method, index, stream.order[index], future.result())
            waiting.append(result)
            failing = result.difference is None and result.left_out != UNMEASURED
            if failing and len(waiting) < PATIENCE:
                continue  # recorded once a pair that is evidence follows: else a next run tries it again
            if failing:
                raise ModelError(
                    f"{len(waiting)} pairs one after the other were no evidence; stopped. Last: {result.left_out}",
                    hint="mend what fails, then run this again; sessions made so far are kept",
                )
            for one in waiting:
                tell(one)
            waiting.clear()
            last = tally.results[-5 * PATIENCE :]
            if len(last) == 5 * PATIENCE and all(one.difference is None for one in last):
                raise ModelError(
                    f"none of the last {len(last)} pairs could be compared; stopped. Last: {last[-1].left_out}",
                    hint="another design.metric, or sessions that say it",
                )
        for one in waiting:
            tell(one)
        started = [future for _, future in ahead if not future.cancel()]
        tally.surplus = 2 * sum(future.exception() is None for future in started)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return tally


def _entered(tally: Tally, method: Method, index: int, place: Place, pair: tuple[Session, Session]) -> PairResult:
    """Let a pair enter the test."""
    control, test = pair
    counts = control.outcome.counts and test.outcome.counts
    difference = method.difference(control, test) if counts else None
    if difference is not None:
        tally.state = tally.state.observe(difference)
    tally.control.append(control)
    tally.test.append(test)
    position = tally.state.position
    lower, upper = tally.state.bounds
    result = PairResult(
        index=index,
        task=place[0],
        trial=place[1],
        control=control.id,
        test=test.id,
        difference=difference,
        left_out="" if difference is not None else _why(control, test),
        n=tally.state.n,
        position=position if abs(position) != float("inf") else None,
        lower=lower,
        upper=upper,
        decision=tally.state.decision.value,
    )
    tally.results.append(result)
    return result


def _why(control: Session, test: Session) -> str:
    for arm, session in (("control", control), ("test", test)):
        if not session.outcome.counts:
            said = f": {session.errors[-1]}" if session.errors else ""
            return f"{arm}: {session.outcome.value}{said}"[:300]
    return UNMEASURED


def _recall(tally: Tally, result: PairResult, place: Place, stream: Stream) -> None:
    """Take a pair as it was recorded.

    Raises:
        StoreError: If another pair stands there.
    """
    if (result.task, result.trial) != place:
        raise StoreError(
            f"recorded pair {result.index} is {result.task}/{result.trial}, but the stream has {place[0]}/{place[1]}",
            hint="the tasks have changed since; give the experiment a new experiment_id",
        )
    if result.difference is not None:
        tally.state = tally.state.observe(result.difference)
    tally.results.append(result)
    for session_id, arm in ((result.control, tally.control), (result.test, tally.test)):
        session = stream.kept.find(session_id)
        if session is not None:
            arm.append(session)
