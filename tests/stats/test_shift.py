"""Distances between then and now."""

import numpy as np
import pytest

from stats import category_shift, ks_distance, ks_threshold, pearson


def test_equal_samples_have_no_distance_and_disjoint_ones_have_all_of_it():
    assert ks_distance([1, 2, 3], [3, 2, 1]) == 0.0
    assert ks_distance([1, 2], [5, 6, 7]) == 1.0
    assert ks_distance([1, 2, 3, 4], [3, 4, 5, 6]) == 0.5


def test_the_threshold_is_that_of_the_tables():
    assert ks_threshold(50, 20) == pytest.approx(0.359822, abs=1e-6)
    assert ks_threshold(50, 20, 0.01) == pytest.approx(1.63 * (70 / 1000) ** 0.5)
    assert ks_threshold(50, 20, 0.02) == pytest.approx(1.517 * (70 / 1000) ** 0.5, abs=1e-3)


def test_samples_of_one_distribution_exceed_it_about_as_rarely_as_it_says():
    random = np.random.default_rng(3)
    limit = ks_threshold(50, 20)
    beyond = sum(ks_distance(random.normal(size=50), random.normal(size=20)) > limit for _ in range(2000))
    assert beyond / 2000 <= 0.06


def test_a_category_never_seen_before_shows_by_what_it_takes_from_the_others():
    shift = category_shift(["A", "B"] * 35, ["C"] * 20)
    assert (shift.statistic, shift.df, shift.shifted) == (20.0, 1, True)
    assert not category_shift(["A", "B"] * 35, ["A", "B"] * 10).shifted
    assert not category_shift(["A"] * 70, ["A"] * 20).shifted


def test_categories_of_one_distribution_rarely_shift():
    random = np.random.default_rng(4)
    shifts = sum(
        category_shift(list(random.integers(0, 3, 500)), list(random.integers(0, 3, 60))).shifted for _ in range(1000)
    )
    assert shifts / 1000 <= 0.075


def test_correlation_is_unknown_where_nothing_varies():
    assert pearson([1, 2, 3], [2, 4, 6]) == pytest.approx(1.0)
    assert pearson([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert pearson([1, 2, 3], [5, 5, 5]) is None


@pytest.mark.parametrize(
    "bad", [lambda: ks_distance([], [1]), lambda: ks_threshold(0, 3), lambda: pearson([1, 2], [1, 2, 3]),
            lambda: category_shift([], ["a"])]
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(bad):
    with pytest.raises(ValueError, match="received"):
        bad()
