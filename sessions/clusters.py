"""Which tasks tell agents apart: trivial, discriminative and challenging ones, and the fewest worth running next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.errors import DataError
from core.section import Section
from sessions.group import Group
from stats.distributions import normal_below, normal_quantile

Vector = NDArray[np.float64]
Cluster = Literal["trivial", "discriminative", "challenging", "undecided"]
CLUSTERS: tuple[Cluster, ...] = ("trivial", "discriminative", "challenging", "undecided")
SAME = 1e-12


class ClusterThresholds(Section):
    """Where the clusters begin; ``configs/sessions/analysis.yaml`` may set them under ``clusters``."""

    trivial: float = Field(default=0.95, gt=0, le=1, description="Pooled success rate from which a task is trivial.")
    challenging: float = Field(
        default=0.2, ge=0, lt=1, description="Pooled success rate up to which it is challenging."
    )
    spread: float = Field(
        default=0.1, ge=0, le=1, description="Range of success rates between configurations that tells them apart."
    )
    trials: int = Field(default=2, ge=1, description="Sessions that count below which a task is undecided.")


@dataclass(frozen=True)
class TaskStanding:
    """What a task says about configurations.

    Attributes:
        task: Its name.
        cluster: *trivial* and *challenging* by pooled rate, *discriminative* where configurations differ in between,
            else *undecided*: too few sessions, or all configurations alike.
        successes: Over all configurations.
        n: Sessions that count.
        configurations: Configurations that tried it.
        spread: Largest minus smallest success rate of a configuration.
        slope: By how much its success rate rises for a configuration whose rate on the other tasks is higher by 1; 1 is
            the average task, 0 tells nothing. Shrunk towards 1 as far as chance explains the differences between tasks.
            None below three configurations.
    """

    task: str
    cluster: Cluster
    successes: int
    n: int
    configurations: int
    spread: float
    slope: float | None


@dataclass(frozen=True)
class NextTasks:
    """The fewest tasks that would show an effect in the next A/B, one session each per arm.

    Attributes:
        tasks: The most telling first.
        power: Chance of showing the effect with them (two-sided 5 %, as planned).
        all_tasks: How many tasks there are.
        all_power: Chance with all of them.
        repeats: Sessions of each task per arm; above 1 where even all tasks once are too few.
    """

    tasks: tuple[str, ...]
    power: float
    all_tasks: int
    all_power: float
    repeats: int


def cluster_tasks(groups: Sequence[Group], thresholds: ClusterThresholds | None = None) -> tuple[TaskStanding, ...]:
    """Say of every task whether it is worth running, in the order of task names.

    Args:
        groups: One per configuration, tallied with ``success_rate``; at least two.
        thresholds: Where clusters begin.

    Raises:
        DataError: If there are fewer than two configurations: a task can tell nothing apart then.

    Reference: the slope is the regression form of item-rest discrimination, F. Lord and M. Novick (1968), "Statistical
    Theories of Mental Test Scores", chapter 15; the shrinkage that of B. Efron and C. Morris (1975), JASA 70.
    """
    if len(groups) < 2:
        raise DataError(
            f"task clusters: received sessions of {len(groups)} configuration, need at least 2 to tell apart",
            hint="group by another field, as in --by model",
        )
    limits = thresholds or ClusterThresholds()
    names, won, tried = _table(groups)
    slopes = _slopes(won, tried)
    standings: list[TaskStanding] = []
    for place, name in enumerate(names):
        n, successes = tried[:, place], won[:, place]
        here = n > 0
        rates = successes[here] / n[here]
        spread = float(np.ptp(rates)) if rates.size else 0.0
        total = int(n.sum())
        slope = None if slopes is None else float(slopes[place])
        cluster = _cluster(int(successes.sum()), total, spread, limits)
        standings.append(TaskStanding(name, cluster, int(successes.sum()), total, int(here.sum()), spread, slope))
    return tuple(standings)


def suggest_tasks(
    standings: Sequence[TaskStanding], effect: float = 0.15, *, power: float = 0.8, alpha: float = 0.05
) -> NextTasks:
    """The fewest tasks with which an A/B would show that one arm is better by ``effect`` over all tasks.

    A task adds its slope times the effect to the difference, and the scatter of two sessions of its pooled rate. Tasks
    are taken greedily while they raise the chance. It is a plan from past sessions of other configurations: tasks that
    tell past ones apart need not tell the next ones. A verdict on these tasks is about these tasks, and larger than the
    effect on all of them.

    Args:
        standings: From :func:`cluster_tasks`.
        effect: Difference of success rates over all tasks to be shown.
        power: Chance of showing it that is asked for.
        alpha: Two-sided level.
    """
    usable = [one for one in standings if one.n > 0]
    if not usable:
        return NextTasks((), 0.0, 0, 0.0, 1)
    gains = np.array([effect * (1.0 if one.slope is None else max(0.0, one.slope)) for one in usable])
    rates = np.array([(one.successes + 0.5) / (one.n + 1) for one in usable])
    noise = 2 * rates * (1 - rates)
    gains = np.minimum(gains, 2 * np.sqrt(rates * (1 - rates)))  # nothing can rise beyond certainty
    order = _greedy(gains, noise)
    shown = np.array([_power(gains[order[: k + 1]], noise[order[: k + 1]], alpha) for k in range(len(order))])
    everything = _power(gains, noise, alpha)
    enough = np.flatnonzero(shown >= power)
    if enough.size:
        count, repeats = int(enough[0]) + 1, 1
    else:
        count, repeats = int(shown.argmax()) + 1, 1
        while repeats < 64 and _power(gains[order[:count]], noise[order[:count]] / repeats, alpha) < power:
            repeats += 1
    chosen = order[:count]
    reached = _power(gains[chosen], noise[chosen] / repeats, alpha)
    return NextTasks(tuple(usable[i].task for i in chosen), reached, len(usable), everything, repeats)


def _cluster(successes: int, n: int, spread: float, limits: ClusterThresholds) -> Cluster:
    if n < limits.trials:
        return "undecided"
    rate = successes / n
    if rate >= limits.trivial:
        return "trivial"
    if rate <= limits.challenging:
        return "challenging"
    return "discriminative" if spread >= limits.spread else "undecided"


def _table(groups: Sequence[Group]) -> tuple[list[str], Vector, Vector]:
    """Task names, successes and sessions, as configurations x tasks."""
    names = sorted({task for group in groups for task in group.tasks})
    places = {name: place for place, name in enumerate(names)}
    won, tried = np.zeros((len(groups), len(names))), np.zeros((len(groups), len(names)))
    for row, group in enumerate(groups):
        columns = [places[task] for task in group.tasks]
        won[row, columns] = group.sums["success_rate"].numerators
        tried[row, columns] = group.sums["success_rate"].counted
    return names, won, tried


def _slopes(won: Vector, tried: Vector) -> Vector | None:
    """Regress each task's rate on the configuration's rate over the other tasks, and shrink towards the mean, 1."""
    if won.shape[0] < 3:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.where(tried > 0, won / np.where(tried > 0, tried, 1), np.nan)
    slopes, errors = np.ones(won.shape[1]), np.full(won.shape[1], np.nan)
    sums, counts = np.nansum(rates, axis=1), (~np.isnan(rates)).sum(axis=1)
    for place in range(won.shape[1]):
        here = ~np.isnan(rates[:, place]) & (counts > 1)
        if here.sum() < 3:
            continue
        rest = (sums[here] - rates[here, place]) / (counts[here] - 1)
        centred, own = rest - rest.mean(), rates[here, place] - rates[here, place].mean()
        scatter = float(centred @ centred)
        if scatter <= SAME:
            continue
        slopes[place] = float(centred @ own) / scatter
        residual = own - slopes[place] * centred
        errors[place] = float(residual @ residual) / (int(here.sum()) - 2) / scatter
    measured = ~np.isnan(errors)
    if measured.sum() < 3:
        return np.ones(won.shape[1])
    spread = float(slopes[measured].var(ddof=1))
    kept = max(0.0, 1 - float(errors[measured].mean()) / spread) if spread > SAME else 0.0
    return np.where(measured, 1 + kept * (slopes - 1), 1.0)


def _greedy(gains: Vector, noise: Vector) -> list[int]:
    """Tasks in the order in which each raises ``sum(gain) / sqrt(sum(noise))`` most."""
    left, order, gain, scatter = list(range(gains.size)), list[int](), 0.0, 0.0
    while left:
        scores = (gain + gains[left]) / np.sqrt(scatter + noise[left])
        best = left.pop(int(scores.argmax()))
        order.append(best)
        gain, scatter = gain + float(gains[best]), scatter + float(noise[best])
    return order


def _power(gains: Vector, noise: Vector, alpha: float) -> float:
    z = float(gains.sum()) / math.sqrt(float(noise.sum()))
    return normal_below(z - normal_quantile(1 - alpha / 2))
