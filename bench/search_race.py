"""The race in a world with known truth, one result after the other in the order that ``FixedOrder`` gives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from bench.search_peers import SearchRecord, Watched
from bench.search_worlds import World
from optimizers.race.executor import FixedOrder, Issued, Result, Running
from optimizers.race.policy import Policy
from optimizers.race.records import Reflect, Score, Tactics

EVERY = 10
"""Calls between two looks at what would be picked."""


def race(world: World, seed: int, budget: int, *, ahead: int, lag: int, **tactics: float) -> SearchRecord:
    """A race in which so many scores may be missing, and so many more asked for before a reflection is waited for."""
    watched = Watched(world)
    policy = Policy(world.seed_texts, world.train, world.dev, replace(Tactics(budget, seed), **tactics))
    feedback: dict[tuple[int, str], tuple[float, str]] = {}

    def done(job: Score | Reflect) -> Result:
        entrant = policy.entrants[job.parent if isinstance(job, Reflect) else job.candidate]
        if isinstance(job, Reflect):
            shown = [(row, *feedback[job.parent, row]) for row in job.shown]
            return watched.propose(entrant.parts, job.part, shown)
        feedback[job.candidate, job.row] = watched.score(entrant.parts, job.row)
        return feedback[job.candidate, job.row][0]

    def told(job: Score | Reflect) -> None:
        if isinstance(job, Score) and watched.calls % EVERY == 0 and len(policy.model.mean):
            known = [i for i in range(len(policy.model.mean)) if i == 0 or policy.entrants[i].counted >= 4]
            watched.pick(policy.entrants[max(known, key=lambda i: policy.model.mean[i])].parts)

    drive(policy, FixedOrder(ahead, lag), done, told)
    pick = policy.pick()
    final = policy.entrants[pick.candidate].parts
    watched.pick(final)
    return watched.record("race", seed, final, pick.lift.mean if pick.candidate else 0.0)


def drive(
    policy: Policy,
    order: FixedOrder,
    done: Callable[[Score | Reflect], Result],
    told: Callable[[Score | Reflect], None],
) -> None:
    """What the executor does, without threads."""
    running: list[Running] = []
    issued = Issued()

    def tell(one: Running) -> None:
        running.remove(one)
        policy.tell(one.job, one.future.result())
        told(one.job)

    while True:
        while policy.undecided and (due := order.due(running, issued)) is not None:
            tell(due)
        job = policy.ask()
        if job is None:
            if not running:
                return
            tell(order.next(running, issued))
            continue
        future: Future[Result] = Future()
        future.set_result(done(job))
        running.append(Running(issued.jobs, job, future, issued.scores))
        issued.jobs += 1
        issued.scores += isinstance(job, Score)


RACES = {
    "race": functools.partial(race, ahead=0, lag=0),
    "race-wide": functools.partial(race, ahead=64, lag=128, reflectors=16),
}
"""As it comes, and as 32 workers would need it."""
