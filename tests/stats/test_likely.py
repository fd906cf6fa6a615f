"""The probability that a mean exceeds a limit: Student's posterior, never nearly certain on few rows, calibrated."""

import numpy as np
import pytest
from scipy import stats

from stats import probability_above


def test_it_is_students_posterior() -> None:
    values = [-0.1, 0.0, 0.05, 0.1, -0.02, 0.03]
    t = (np.mean(values) + 0.05) / (np.std(values, ddof=1) / np.sqrt(6))
    assert probability_above(values, -0.05) == pytest.approx(min(7 / 8, stats.t.cdf(t, 5)))
    assert probability_above(values, float(np.mean(values))) == pytest.approx(0.5)


@pytest.mark.parametrize(("count", "most"), [(2, 3 / 4), (15, 16 / 17), (98, 99 / 100)])
def test_rows_that_all_agree_say_no_more_than_laplaces_rule(count: int, most: float) -> None:
    assert probability_above([0.0] * count, -0.05) == pytest.approx(most)
    assert probability_above([-0.3] * count, -0.05) == pytest.approx(1 - most)


def test_one_row_says_nothing_and_no_row_is_refused() -> None:
    assert probability_above([0.4], 0.0) == 0.5
    with pytest.raises(ValueError, match="at least 1"):
        probability_above([], 0.0)


def test_of_what_is_called_so_likely_so_much_is_true() -> None:
    """Worlds of cells whose true difference spreads widely, fifteen rows each, scatter of any size."""
    random = np.random.default_rng(7)
    said, true = np.empty(8000), np.empty(8000, bool)
    for i in range(8000):
        mean, sd = random.uniform(-0.3, 0.2), random.uniform(0.1, 0.3)
        said[i] = probability_above(np.clip(random.normal(mean, sd, 15), -1, 1), -0.05)
        true[i] = mean > -0.05
    for low, high in ((0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.0)):
        inside = (said >= low) & (said < high)
        assert inside.sum() > 250
        assert true[inside].mean() == pytest.approx(said[inside].mean(), abs=0.05)
