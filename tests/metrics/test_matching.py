import random

import pytest
from scipy.optimize import linear_sum_assignment

from metrics.matching import best_matching


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (7, 1), (5, 5), (4, 9), (9, 4), (30, 25)])
def test_its_sum_is_the_largest_there_is(rows, columns, ties):
    generator = random.Random(rows * 100 + columns)
    for _ in range(20):
        draw = (lambda: generator.choice([0.0, 0.5, 1.0])) if ties else generator.random
        scores = [[draw() for _ in range(columns)] for _ in range(rows)]
        pairs = best_matching(scores)
        assert (
            len(pairs) == len({row for row, _ in pairs}) == len({column for _, column in pairs}) == min(rows, columns)
        )
        assert pairs == sorted(pairs)
        best = linear_sum_assignment(scores, maximize=True)
        assert sum(scores[i][j] for i, j in pairs) == pytest.approx(
            sum(scores[i][j] for i, j in zip(*best, strict=True))
        )


def test_a_good_pair_gives_way_where_two_others_are_better():
    assert best_matching([[0.9, 0.8], [0.8, 0.1]]) == [(0, 1), (1, 0)]
