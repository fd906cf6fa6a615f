"""Does a thread of sessions get better? Windows of rewards, and tasks solved within so many trials, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

import numpy as np

from playbook.drift import Drift, drift
from sessions.learning import Point, TaskCell
from stats import mcnemar_exact, permutation_test, skew_interval, tango, welch_interval

FEWEST_TASKS = 6
"""With fewer tasks, even unanimous ones show nothing at 5 % (two-sided)."""


@dataclass(frozen=True)
class Window:
    """Rewards of consecutive sessions: how many were asked for and found, their mean and population deviation."""

    asked: int
    sessions: int
    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class Momentum:
    """The last sessions of a thread against those before.

    Attributes:
        recent: The last sessions that have a reward.
        baseline: Those before them; with ``overlapping`` the last sessions too, which dilutes the difference.
        overlapping: Whether the baseline contains the recent window.
        delta: Recent mean less baseline mean.
        low: Lower end of Welch's 95 % interval of it, which takes sessions as independent; None without spread, at
            fewer than two sessions, or where the windows overlap.
        high: Upper end.
        same_tasks: The same for tasks that are in both windows, where each task counts once.
        latest: The last reward.
        drift: The last reward against the baseline.
    """

    recent: Window
    baseline: Window
    overlapping: bool
    delta: float | None
    low: float | None
    high: float | None
    same_tasks: Contrast
    latest: float | None
    drift: Drift | None

    @property
    def improved(self) -> bool | None:
        """Whether the recent mean is not below the baseline's; None where one of them is not known."""
        return None if self.delta is None else self.delta >= 0


@dataclass(frozen=True)
class Contrast:
    """A difference on the same tasks, each task counted once.

    Attributes:
        measure: What is compared, in words.
        tasks: Tasks that both sides have.
        first: Mean of the side that is compared with; None of no task.
        second: Mean of the other.
        delta: Second less first.
        low: Lower end of its 95 % interval; None where there is none.
        high: Upper end.
        p: Two-sided; 1 where nothing can be shown.
        holm: The same, corrected for all contrasts of a report (Holm).
    """

    measure: str
    tasks: int
    first: float | None = None
    second: float | None = None
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    p: float = 1.0
    holm: float = 1.0

    @property
    def shown(self) -> bool:
        """Whether the interval is above zero and the corrected p-value below 5 %."""
        return self.low is not None and self.low > 0 and self.holm < 0.05


@dataclass(frozen=True)
class Curve:
    """Tasks that a thread solved within so many trials.

    Attributes:
        tasks: Tasks that say whether they were solved.
        solved: Share solved within 1, 2, ... trials.
        gain: Within all trials against at the first; never below zero, because a further trial takes nothing away. That
            alone shows no learning: compare it with a thread that tries again without any.
        stops: Whether tasks were no longer tried once they were solved, so that later sessions are of harder tasks.
    """

    tasks: int
    solved: tuple[float, ...]
    gain: Contrast
    stops: bool


def momentum(points: Sequence[Point], recent: int, baseline: int, *, overlapping: bool = False) -> Momentum:
    """Compare the last ``recent`` rewards with the ``baseline`` ones before them.

    Args:
        points: Sessions with rewards, oldest first; no more of them are used than the windows hold.
        recent: Size of the recent window, at least 1.
        baseline: Size of the baseline, at least 1.
        overlapping: Let the baseline be the last sessions, the recent ones among them.
    """
    late = list(points)[-recent:]
    before = list(points)[-baseline:] if overlapping else list(points)[: len(points) - len(late)][-baseline:]
    now, then = _rewards(late), _rewards(before)
    one, other = _window(recent, now), _window(baseline, then)
    found = None if overlapping or not then or not now else welch_interval(then, now)
    return Momentum(
        one, other, overlapping, None if one.mean is None or other.mean is None else one.mean - other.mean,
        found and found.low, found and found.high, _by_task(before, late), now[-1] if now else None,
        drift(then[: len(then) - 1] if overlapping else then, now[-1]) if now else None,
    )  # fmt: skip


def curve(tasks: Sequence[TaskCell]) -> Curve | None:
    """Tasks solved within so many trials; None where nobody says whether any was solved."""
    judged = [task for task in tasks if task.judged]
    if not judged:
        return None
    trials = 1 + max(task.last_trial for task in judged)
    at = [task.solved_at for task in judged]
    solved = tuple(sum(one is not None and one < within for one in at) / len(at) for within in range(1, trials + 1))
    stops = trials > 1 and all(task.solved_at == task.last_trial for task in judged if task.solved_at is not None)
    gain = binary_contrast(f"solved within {trials} trials, against at the first", [one == 0 for one in at],
                   [one is not None for one in at])  # fmt: skip
    return Curve(len(judged), solved, gain, stops)


def contrast(first: Sequence[TaskCell], second: Sequence[TaskCell]) -> Contrast:
    """Two threads on the tasks that both have, with as many trials for one as for the other.

    Whether a task was solved within the trials that both threads were given, by McNemar's exact test with Tango's
    interval; where nobody says that, mean rewards per task, by sign flips with Hall's interval.
    """
    one, other = ({task.task: task for task in tasks} for tasks in (first, second))
    common = sorted(set(one) & set(other))
    if common and all(side[task].judged for task in common for side in (one, other)):
        trials = 1 + min(max(task.last_trial for task in side) for side in (first, second))
        sides = [[_solved(side[task], trials) for task in common] for side in (one, other)]
        return binary_contrast(f"solved within {trials} trials" if trials > 1 else "solved", *sides)
    rewarded = [task for task in common if one[task].rewarded and other[task].rewarded]
    means = [[side[task].rewards / side[task].rewarded for task in rewarded] for side in (one, other)]
    return means_contrast("mean reward", *means)


def means_contrast(measure: str, first: Sequence[float], second: Sequence[float], *, seed: int = 1337) -> Contrast:
    """Paired means, one pair per task."""
    if not first:
        return Contrast(measure, 0)
    deltas = np.array(second, dtype=np.float64) - np.array(first, dtype=np.float64)
    made = (measure, len(deltas), fmean(first), fmean(second), float(deltas.mean()))
    if len(deltas) < FEWEST_TASKS:
        return Contrast(*made)
    p = min(1.0, 2 * min(permutation_test(deltas, seed=seed), permutation_test(-deltas, seed=seed)))
    if float(np.ptp(deltas)) <= 1e-9:
        return Contrast(*made, p=p, holm=p)
    found = skew_interval(deltas)
    return Contrast(*made, found.low, found.high, p, p)


def binary_contrast(measure: str, first: Sequence[bool], second: Sequence[bool]) -> Contrast:
    """Paired yes or no: McNemar's exact test, two-sided, with Tango's interval."""
    wins = sum(after and not before for before, after in zip(first, second, strict=True))
    losses = sum(before and not after for before, after in zip(first, second, strict=True))
    found, p = tango(wins, losses, len(first)), mcnemar_exact(wins, losses)
    return Contrast(
        measure, len(first), fmean(first), fmean(second), (wins - losses) / len(first), found.low, found.high, p, p
    )


def _solved(task: TaskCell, trials: int) -> bool:
    return task.solved_at is not None and task.solved_at < trials


def _by_task(before: Sequence[Point], late: Sequence[Point]) -> Contrast:
    sides: list[Mapping[str, list[float]]] = []
    for points in (before, late):
        found: dict[str, list[float]] = {}
        for point in points:
            if point.reward is not None:
                found.setdefault(point.task, []).append(point.reward)
        sides.append(found)
    common = sorted(set(sides[0]) & set(sides[1]))
    return means_contrast("mean reward", *([fmean(side[task]) for task in common] for side in sides))


def _rewards(points: Sequence[Point]) -> list[float]:
    return [point.reward for point in points if point.reward is not None]


def _window(asked: int, rewards: Sequence[float]) -> Window:
    return Window(asked, len(rewards), fmean(rewards) if rewards else None, pstdev(rewards) if rewards else None)
