"""One pool for all cells: every model has its own lane, so that a slow one does not hold up the rest."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from calls.failures import Halt
from calls.models import ModelSpec

Job = TypeVar("Job")
Done = TypeVar("Done")
Then = TypeVar("Then")
LANE = 64
"""Jobs of one model at a time where nobody asked for a number."""


def fan_out(
    jobs: Sequence[Job], spec_of: Callable[[Job], ModelSpec], work: Callable[[Job], Done], threads: int | None = None
) -> list[Done]:
    """Do every job, as many of one model at a time as were asked for and it allows; results in the order of the jobs.

    Args:
        jobs: What to do.
        spec_of: Whose lane a job belongs to.
        work: Does one job; called from many threads.
        threads: Most jobs at a time in one lane, below the model's own limit; 64 unless told.

    Raises:
        ProvenError: What made the account end the run; other jobs are given up.
    """
    lanes: dict[str, ThreadPoolExecutor] = {}
    limits: dict[str, int] = {}
    for job in jobs:
        spec = spec_of(job)
        limits.setdefault(spec.alias, min(spec.max_concurrency, threads or LANE))
    futures: list[Future[Done]] = []
    try:
        for job in jobs:
            alias = spec_of(job).alias
            if alias not in lanes:
                lanes[alias] = ThreadPoolExecutor(limits[alias], thread_name_prefix=f"lane-{len(lanes)}")
            futures.append(lanes[alias].submit(contextvars.copy_context().run, work, job))
        wait(futures, return_when=FIRST_EXCEPTION)
        return [future.result() for future in futures if not future.cancelled()]
    except Halt as halt:
        raise halt.cause from None
    finally:
        for lane in lanes.values():
            lane.shutdown(wait=False, cancel_futures=True)


def pipeline(
    jobs: Sequence[Job],
    spec_of: Callable[[Job], ModelSpec],
    work: Callable[[Job], Done],
    then_spec: ModelSpec,
    then: Callable[[Done], Then],
    threads: int | None = None,
) -> list[tuple[Done, Then]]:
    """Do every job, and with each result a second one in another model's lane, while the first ones go on.

    Args:
        jobs: What to do.
        spec_of: Whose lane a job belongs to.
        work: Does one job.
        then_spec: Whose lane the second jobs belong to.
        then: Does a second job with the result of a first one.
        threads: Most jobs at a time in one lane, below the model's own limit.

    Raises:
        ProvenError: What made the account end the run; other jobs are given up.
    """
    lane = ThreadPoolExecutor(min(then_spec.max_concurrency, threads or LANE))

    def both(job: Job) -> tuple[Done, Future[Then]]:
        done = work(job)
        return done, lane.submit(contextvars.copy_context().run, then, done)

    try:
        pairs = fan_out(jobs, spec_of, both, threads)
        wait([future for _, future in pairs], return_when=FIRST_EXCEPTION)
        return [(done, future.result()) for done, future in pairs]
    except Halt as halt:
        raise halt.cause from None
    finally:
        lane.shutdown(wait=False, cancel_futures=True)
