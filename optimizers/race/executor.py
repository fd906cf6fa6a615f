"""Keeps workers busy with what a policy asks, and tells it the results in an order that can be had again.

A policy decides by what it was told before, so the order in which results are told decides what a race finds. Two
orders can be had again. ``FixedOrder`` takes scores in the order of their jobs, so many missing at most when the next
step is decided, and a reflection after so many further scores: a slow answer is waited for, and any number of workers,
or a run that was killed and continued, finds the same. ``RecordedOrder`` takes what comes first and writes the order
down before the policy is told; a run that is continued repeats what is written and goes on from there.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from optimizers.race.policy import Policy
from optimizers.race.records import Reflect, Score

Result = float | str | None


@dataclass(frozen=True)
class Running:
    """A job under way; ``issued`` counts the scores that were asked for before it."""

    number: int
    job: Score | Reflect
    future: Future[Result]
    issued: int


@dataclass
class Issued:
    """How many jobs were asked for so far, and how many of them are scores."""

    jobs: int = 0
    scores: int = 0


class Order(Protocol):
    """In which order results are told."""

    def due(self, running: list[Running], issued: Issued) -> Running | None:
        """The job whose result has to be told before the policy is asked again; None to ask."""
        ...

    def next(self, running: list[Running], issued: Issued) -> Running:
        """The job whose result is told next when the policy has nothing to ask."""
        ...


@dataclass(frozen=True)
class FixedOrder:
    """Results in an order that no clock decides.

    Attributes:
        ahead: Scores that may be missing when the next step is decided. With none, only what one step asks for runs
            side by side, and what the race finds is best.
        lag: Further scores that are asked for before a reflection is waited for.
    """

    ahead: int = 0
    lag: int = 0

    def due(self, running: list[Running], issued: Issued) -> Running | None:
        """The oldest score when too many are missing; a reflection whose lag is over."""
        scores = [r for r in running if isinstance(r.job, Score)]
        if len(scores) > self.ahead:
            return scores[0]
        late = (r for r in running if isinstance(r.job, Reflect) and issued.scores - r.issued >= self.lag)
        return next(late, None)

    def next(self, running: list[Running], issued: Issued) -> Running:
        """The oldest score, else the oldest reflection."""
        return next((r for r in running if isinstance(r.job, Score)), running[0])


@dataclass
class RecordedOrder:
    """Results as they come, their order in a file: a line for each, its job's number and how many jobs there were.

    Attributes:
        window: Scores under way at which a result is told before the next step is decided.
        path: The file; what it holds is repeated first.
    """

    window: int
    path: Path
    _written: deque[tuple[int, int]] = field(default_factory=deque[tuple[int, int]])

    def __post_init__(self) -> None:
        if self.path.exists():
            text = self.path.read_bytes()
            whole = text[: text.rfind(b"\n") + 1]
            lines = (line.split() for line in whole.decode("ascii").splitlines())
            self._written.extend((int(job), int(jobs)) for job, jobs in lines)
            if whole != text:  # a line that a kill has cut was told to nobody
                self.path.write_bytes(whole)

    def due(self, running: list[Running], issued: Issued) -> Running | None:
        """What was told at this point; later on the first to end when the window is full, and reflections at once."""
        if self._written:
            return self._again(running) if self._written[0][1] == issued.jobs else None
        if sum(isinstance(r.job, Score) for r in running) >= self.window:
            return self._first(running, issued)
        written = (r for r in running if isinstance(r.job, Reflect) and r.future.done())
        return next((self._noted(r, issued) for r in written), None)

    def next(self, running: list[Running], issued: Issued) -> Running:
        """What was told next when the race was first run, else what ends first."""
        return self._again(running) if self._written else self._first(running, issued)

    def _again(self, running: list[Running]) -> Running:
        number, _ = self._written.popleft()
        return next(r for r in running if r.number == number)

    def _first(self, running: list[Running], issued: Issued) -> Running:
        done, _ = wait([r.future for r in running], return_when=FIRST_COMPLETED)
        return self._noted(next(r for r in running if r.future in done), issued)

    def _noted(self, running: Running, issued: Issued) -> Running:
        with self.path.open("a", encoding="ascii") as file:
            file.write(f"{running.number} {issued.jobs}\n")
        return running


@dataclass(frozen=True)
class Executor:
    """Runs a race.

    Attributes:
        score: Scores a candidate on a row; None where the row failed.
        reflect: Writes a part anew; None where nothing came of it.
        order: In which order results are told.
        workers: Scores at a time.
        told: Called after each result that was told.
    """

    score: Callable[[Score], float | None]
    reflect: Callable[[Reflect], str | None]
    order: Order
    workers: int
    told: Callable[[Score | Reflect], None] = lambda job: None

    def run(self, policy: Policy) -> None:
        """Ask and tell until the policy has no more to ask.

        Raises:
            BaseException: What a job raised; the others are not waited for.
        """
        running: list[Running] = []
        issued = Issued()

        def tell(one: Running) -> None:
            policy.tell(one.job, one.future.result())
            running.remove(one)
            self.told(one.job)

        with _pool(self.workers) as scorers, _pool(policy.tactics.reflectors) as writers:
            while True:
                while policy.undecided and (due := self.order.due(running, issued)) is not None:
                    tell(due)
                job = policy.ask()
                if job is None:
                    if not running:
                        return
                    tell(self.order.next(running, issued))
                    continue
                pool, work = (scorers, self.score) if isinstance(job, Score) else (writers, self.reflect)
                future: Future[Result] = pool.submit(contextvars.copy_context().run, work, job)  # type: ignore[arg-type]
                running.append(Running(issued.jobs, job, future, issued.scores))
                issued.jobs += 1
                issued.scores += isinstance(job, Score)


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that are not waited for when an error ends the block."""
    pool = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="race")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
