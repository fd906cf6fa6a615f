"""The best one-to-one matching of two lists."""

from __future__ import annotations

from collections.abc import Sequence


def best_matching(scores: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Pair each row with a column of its own, or each column with a row, so that the sum of their scores is largest.

    Shortest augmenting paths with potentials, in O(n^2 m) for n <= m; for lists as long as people write them that is
    less than loading ``scipy.optimize``, which finds the same sum.

    Reference: Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment
    problems", 1987.

    Args:
        scores: A row of equally many scores for each element of the first list; at least one.

    Returns:
        Pairs of row and column, in the order of rows.
    """
    if len(scores) > len(scores[0]):
        turned = best_matching([list(column) for column in zip(*scores, strict=True)])
        return sorted((row, column) for column, row in turned)
    columns = range(len(scores[0]))
    row_price, column_price = [0.0] * len(scores), [0.0] * len(columns)
    taken_by = [-1] * len(columns)
    for row in range(len(scores)):
        _augment(scores, row, row_price, column_price, taken_by)
    return sorted((row, column) for column, row in enumerate(taken_by) if row >= 0)


def _augment(
    scores: Sequence[Sequence[float]],
    start: int,
    row_price: list[float],
    column_price: list[float],
    taken_by: list[int],
) -> None:
    """Give one more row a column, by the cheapest chain of rows that move on to another one."""
    distance = [float("inf")] * len(taken_by)
    reached_from = [-1] * len(taken_by)
    free = set(range(len(taken_by)))
    passed: list[int] = []
    row, column, far = start, -1, 0.0
    while row >= 0:
        for other in free:
            reach = far - scores[row][other] - row_price[row] - column_price[other]
            if reach < distance[other]:
                distance[other], reached_from[other] = reach, column
        column = min(free, key=distance.__getitem__)
        far = distance[column]
        free.remove(column)
        passed.append(column)
        row = taken_by[column]
    row_price[start] += far
    for other in passed[:-1]:
        row_price[taken_by[other]] += far - distance[other]
        column_price[other] -= far - distance[other]
    while column >= 0:
        before = reached_from[column]
        taken_by[column] = start if before < 0 else taken_by[before]
        column = before
