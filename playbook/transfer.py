"""Does a lesson carry over? What it gains on kinds of tasks, or with models, that it was not learned on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TypeVar

from playbook.gain import Contrast, binary_contrast, means_contrast
from stats import holm

Place = TypeVar("Place")


@dataclass(frozen=True)
class Pair:
    """One pair of sessions on the same task that differ in one lesson alone.

    Attributes:
        source: Where the lesson was learned: a kind of task, or a model.
        target: Where it is tried.
        task: The task that both sessions tried.
        without: What the session without the lesson was worth.
        with_it: What the other was worth.
    """

    source: str
    target: str
    task: str
    without: float
    with_it: float


@dataclass(frozen=True)
class Transfer:
    """What lessons gain where they were and where they were not learned.

    Attributes:
        groups: Sources and targets, sorted.
        cells: By source and target. Of cells off the diagonal the p-values are corrected together (Holm).
        arriving: By target: all lessons but those learned there; corrected together.
        leaving: By source: its lessons everywhere but where they were learned; corrected together.
    """

    groups: tuple[str, ...]
    cells: Mapping[tuple[str, str], Contrast]
    arriving: Mapping[str, Contrast]
    leaving: Mapping[str, Contrast]


def transfer(pairs: Sequence[Pair]) -> Transfer:
    """The matrix of gains, each task counted once within a cell.

    Where a task has one pair and both sessions are simply solved or not, the test is McNemar's exact one with Tango's
    interval; else tasks are tested by sign flips of their mean differences, with Hall's interval. All three families
    (cells off the diagonal, ``arriving`` and ``leaving``) keep 5 % each: the chance that any of a family is shown where
    nothing carries over.
    """
    groups = tuple(sorted({name for pair in pairs for name in (pair.source, pair.target)}))
    cells: dict[tuple[str, str], Contrast] = {}
    for source in groups:
        for target in groups:
            its = [pair for pair in pairs if (pair.source, pair.target) == (source, target)]
            if its:
                cells[source, target] = _contrast(its)
    away = [pair for pair in pairs if pair.source != pair.target]
    off = _corrected({place: found for place, found in cells.items() if place[0] != place[1]})
    arriving = {name: [pair for pair in away if pair.target == name] for name in groups}
    leaving = {name: [pair for pair in away if pair.source == name] for name in groups}
    return Transfer(
        groups,
        cells | off,
        _corrected({name: _contrast(its) for name, its in arriving.items() if its}),
        _corrected({name: _contrast(its) for name, its in leaving.items() if its}),
    )


def _contrast(pairs: Sequence[Pair]) -> Contrast:
    by_task: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_task.setdefault(pair.task, []).append(pair)
    if all(len(its) == 1 and {its[0].without, its[0].with_it} <= {0.0, 1.0} for its in by_task.values()):
        return binary_contrast("solved", [pair.without == 1 for pair in pairs], [pair.with_it == 1 for pair in pairs])
    sides = (
        [fmean(pair.without for pair in its) for its in by_task.values()],
        [fmean(pair.with_it for pair in its) for its in by_task.values()],
    )
    return means_contrast("mean reward by task", *sides)


def _corrected(found: Mapping[Place, Contrast]) -> dict[Place, Contrast]:
    if not found:
        return {}
    values = holm([one.p for one in found.values()])
    return {place: replace(one, holm=p) for (place, one), p in zip(found.items(), values, strict=True)}
