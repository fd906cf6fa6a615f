"""Sums per task: all that rates, means, ratios and contrasts of sessions need, however many sessions there are."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sessions.formula import MemoryColumns, field_of
from sessions.group import Group, Sums, Vector
from sessions.metrics import Metric
from sessions.record import Outcome, Session


def tally(sessions: Iterable[Session], metrics: Sequence[Metric], by: Sequence[str] = ()) -> tuple[Group, ...]:
    """Sum metrics per group and task, in one pass over any iterator.

    Args:
        sessions: Any; trajectories are not needed.
        metrics: What to sum.
        by: Fields of :class:`~sessions.record.Session`, or ``tags.KEY`` and ``metadata.KEY``.

    Returns:
        The groups in the order of their keys; one group for all where ``by`` is empty, even without any session.
    """
    places: dict[tuple[tuple[str, ...], str], int] = {}
    where = array("q")

    def placed() -> Iterator[Session]:
        for session in sessions:
            key = tuple(field_of(session, name) for name in by)
            where.append(places.setdefault((key, session.task or f"\0{session.id}"), len(places)))
            yield session

    columns = MemoryColumns(placed())
    cells, size = np.array(where, dtype=np.int64), len(places)
    outcomes = {outcome: _per_cell(cells, columns.ended(outcome), size) for outcome in Outcome}
    sums = {metric.name: _summed(metric, columns, cells, size) for metric in metrics}
    return grouped(list(places), outcomes, sums, always=not by)


def grouped(
    cells: Sequence[tuple[tuple[str, ...], str]],
    outcomes: Mapping[Outcome, Vector],
    sums: Mapping[str, Sums],
    *,
    always: bool = False,
) -> tuple[Group, ...]:
    """Gather (group, task) cells into groups, in the order of their keys.

    Args:
        cells: The group's key and the task of each cell.
        outcomes: Sessions per cell, by how they ended.
        sums: Per metric, one entry per cell.
        always: Give the group of all sessions even where there is no cell.
    """
    members: dict[tuple[str, ...], list[int]] = {(): []} if always else {}
    for place, (key, _) in enumerate(cells):
        members.setdefault(key, []).append(place)
    groups: list[Group] = []
    for key in sorted(members):
        chosen = np.array(members[key], dtype=np.int64)
        counts = {outcome: int(values[chosen].sum()) for outcome, values in outcomes.items()}
        inside = {
            name: Sums(s.numerators[chosen], s.denominators[chosen], s.counted[chosen]) for name, s in sums.items()
        }
        groups.append(Group(key, sum(counts.values()), counts, tuple(cells[i][1] for i in members[key]), inside))
    return tuple(groups)


def _summed(metric: Metric, columns: MemoryColumns, cells: NDArray[np.int64], size: int) -> Sums:
    with np.errstate(invalid="ignore", divide="ignore"):
        scope, numerator, denominator = metric.formula(columns)
    counts = np.broadcast_to(np.asarray(scope, dtype=bool), cells.shape)
    inside = cells[counts]

    def total(values: object) -> Vector:
        full = np.broadcast_to(np.asarray(values, dtype=np.float64), cells.shape)
        return _per_cell(inside, full[counts], size)

    return Sums(total(numerator), total(denominator), total(1.0))


def _per_cell(cells: NDArray[np.int64], values: NDArray[Any], size: int) -> Vector:
    return np.bincount(cells, weights=values, minlength=size).astype(np.float64)
