"""Does it differ? Two groups of sessions, paired by task where tasks repeat, and corrected for many questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sessions.group import Group, Sums
from sessions.metrics import Metric
from stats import (
    holm,
    label_permutation_test,
    mcnemar_exact,
    newcombe,
    permutation_test,
    skew_interval,
    stratified_exact_test,
    tango,
    welch_interval,
)

Vector = NDArray[np.float64]
FEWEST_PAIRS = 6
"""With fewer pairs, even unanimous ones show nothing at 5 % (two-sided)."""
SAME = 1e-9


@dataclass(frozen=True)
class Contrast:
    """How one metric differs between two groups, second minus first.

    Attributes:
        metric: Its name.
        first: Name of the first group.
        second: Name of the second.
        first_value: Mean over the tasks that are compared; None where no session counts.
        second_value: The same of the second.
        effect: Second minus first; None where one is undefined.
        low: Lower end of the effect's 95 % interval; None where there is none.
        high: Upper end.
        p: Two-sided; 1 where nothing can be said.
        p_adjusted: After Holm's correction over all contrasts that were asked for together.
        paired: Whether the same tasks were compared.
        tasks: Pairs of tasks, or tasks of both groups together.
        sessions: Sessions that were compared, first and second.
        left_out: Sessions that were not, first and second.
        method: How interval and p were made.
    """

    metric: str
    first: str
    second: str
    first_value: float | None
    second_value: float | None
    effect: float | None
    low: float | None
    high: float | None
    p: float
    p_adjusted: float
    paired: bool
    tasks: int
    sessions: tuple[int, int]
    left_out: tuple[int, int]
    method: str


def contrast(first: Group, second: Group, metric: Metric, *, seed: int = 1337) -> Contrast:
    """Compare one metric between two groups, task by task.

    A task counts once however often it was repeated: its value is the mean of its repeats. With at least
    :data:`FEWEST_PAIRS` tasks in both groups these are compared in pairs, and the rest is left out; otherwise all tasks
    are, as two independent samples. Which test follows from the data alone:

    - paired, one session each, success or not: McNemar's exact test and Tango's interval;
    - paired, graded or repeated: sign flips and Hall's interval of the differences;
    - unpaired, one session per task, success or not: Fisher's exact test and Newcombe's interval;
    - unpaired otherwise: permuted labels and Welch's interval.

    Assumes that tasks are independent, and unpaired that both groups drew tasks of the same kind: a group that had the
    easier tasks looks better, and nothing here can tell. Totals and ratios are no means of tasks and are compared by
    their means per session.

    Args:
        first: What is compared with.
        second: What is compared.
        metric: Which both groups were tallied with.
        seed: Seeds the permutations beyond what is counted exactly.
    """
    a, b = first.sums[metric.name], second.sums[metric.name]
    places = {task: place for place, task in enumerate(first.tasks) if a.counted[place] > 0}
    shared = [
        (places[task], place) for place, task in enumerate(second.tasks) if b.counted[place] > 0 and task in places
    ]
    paired = len(shared) >= FEWEST_PAIRS
    if paired:
        left, right = (np.array(side) for side in zip(*shared, strict=True))
    else:
        left, right = np.flatnonzero(a.counted > 0), np.flatnonzero(b.counted > 0)
    one, other = _values(a, left), _values(b, right)
    single = metric.kind == "rate" and bool((a.counted[left] == 1).all() and (b.counted[right] == 1).all())
    used = (int(a.counted[left].sum()), int(b.counted[right].sum()))
    blank = Contrast(
        metric.name, first.name, second.name, _mean(one), _mean(other), None, None, None, 1.0, 1.0, paired,
        len(shared) if paired else left.size + right.size, used,
        (first.sessions - used[0], second.sessions - used[1]), "too few tasks",
    )  # fmt: skip
    if one.size == 0 or other.size == 0:
        return blank
    effect = float(other.mean() - one.mean())
    compare = (_paired_outcomes if single else _paired_values) if paired else _outcomes if single else _means
    interval, p, method = compare(one, other, seed)
    low, high = interval or (None, None)
    return replace(blank, effect=effect, low=low, high=high, p=p, p_adjusted=p, method=method)


def adjusted(contrasts: Sequence[Contrast]) -> tuple[Contrast, ...]:
    """The contrasts with p corrected for having asked them all together (:func:`stats.paired_tests.holm`)."""
    corrected = holm([one.p for one in contrasts])
    return tuple(replace(one, p_adjusted=p) for one, p in zip(contrasts, corrected, strict=True))


def against(
    groups: Sequence[Group], reference: Group, metrics: Sequence[Metric], *, seed: int = 1337
) -> tuple[Contrast, ...]:
    """Every other group against one of them in every metric, corrected together."""
    others = [group for group in groups if group.key != reference.key]
    return adjusted([contrast(reference, group, metric, seed=seed) for group in others for metric in metrics])


Compared = tuple[tuple[float, float] | None, float, str]


def _values(sums: Sums, places: NDArray[np.int64]) -> Vector:
    return sums.numerators[places] / sums.counted[places]


def _mean(values: Vector) -> float | None:
    return float(values.mean()) if values.size else None


def _paired_outcomes(one: Vector, other: Vector, seed: int) -> Compared:
    wins, losses = int((other > one).sum()), int((other < one).sum())
    found = tango(wins, losses, one.size)
    return (found.low, found.high), mcnemar_exact(wins, losses), "McNemar exact, Tango"


def _paired_values(one: Vector, other: Vector, seed: int) -> Compared:
    deltas = other - one
    p = min(1.0, 2 * min(permutation_test(deltas, seed=seed), permutation_test(-deltas, seed=seed)))
    if float(np.ptp(deltas)) <= SAME * max(1e-3, float(np.abs(deltas).max())):
        return None, p, "sign flips"
    found = skew_interval(deltas)
    return (found.low, found.high), p, "sign flips, skew-corrected t"


def _outcomes(one: Vector, other: Vector, seed: int) -> Compared:
    won, n, other_won, other_n = int(one.sum()), one.size, int(other.sum()), other.size
    found = newcombe(won, n, other_won, other_n)
    total = won + other_won
    more = stratified_exact_test([(other_won, other_n, total, n + other_n)])
    fewer = stratified_exact_test([(won, n, total, n + other_n)])
    return (found.low, found.high), min(1.0, 2 * min(more, fewer)), "Fisher exact, Newcombe"


def _means(one: Vector, other: Vector, seed: int) -> Compared:
    if one.size + other.size < FEWEST_PAIRS:
        return None, 1.0, "too few tasks"
    found = welch_interval(one, other)
    p = label_permutation_test(one, other, seed=seed)
    return (found.low, found.high) if found else None, p, "permuted labels, Welch"
