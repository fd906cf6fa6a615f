"""Groups that are not paired: values from the literature and from scipy, and the level of every test."""

import numpy as np
import pytest
from scipy import stats as reference

from stats import label_permutation_test, newcombe, stratified_exact_test, welch_interval


def test_newcombes_published_example():
    # Newcombe (1998), table II: 56/70 against 48/80, method 10 without continuity correction
    found = newcombe(48, 80, 56, 70)

    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


def test_one_stratum_is_fishers_exact_test():
    for table in ([[8, 2], [1, 5]], [[3, 3], [3, 3]], [[0, 7], [5, 1]]):
        (a, b), (c, d) = table
        expected = reference.fisher_exact(table, alternative="greater").pvalue

        assert stratified_exact_test([(a, a + b, a + c, a + b + c + d)]) == pytest.approx(expected)


def test_strata_count_only_what_happens_inside_them():
    # in each stratum exposure means nothing, but the hard one is exposed more: pooled, it looks like a cause
    easy, hard = (1, 10, 10, 100), (81, 90, 90, 100)

    assert stratified_exact_test([(82, 100, 100, 200)]) < 1e-15
    assert stratified_exact_test([easy, hard]) > 0.5


def test_many_strata_agree_with_the_normal_limit(monkeypatch):
    strata = [(3, 4, 5, 10)] * 40
    exact = stratified_exact_test(strata)
    monkeypatch.setattr("stats.contingency.EXACT_UP_TO", 10)

    assert stratified_exact_test(strata) == pytest.approx(exact, rel=0.1)


def test_an_impossible_stratum_is_refused():
    with pytest.raises(ValueError, match="need \\(failures among exposed"):
        stratified_exact_test([(5, 4, 5, 10)])


def test_strata_without_information_give_one():
    assert stratified_exact_test([(2, 2, 2, 2), (0, 0, 3, 5)]) == 1.0


def test_welch_as_in_scipy():
    a, b = [1.0, 2.0, 4.0, 3.0], [2.0, 5.0, 7.0, 9.0, 4.0]
    expected = reference.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    found = welch_interval(a, b)

    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert welch_interval([1.0], b) is None
    assert welch_interval([1.0, 1.0], [2.0, 2.0]) is None


def test_labels_that_mean_nothing_are_rejected_as_often_as_said():
    random = np.random.default_rng(2)
    p = [label_permutation_test(*np.split(random.lognormal(0, 1, 16), [6]), draws=199) for _ in range(400)]

    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 2 * 0.011


def test_labels_that_mean_something_are_seen_and_equal_seeds_give_equal_answers():
    a, b = list(range(12)), list(range(20, 32))

    assert label_permutation_test(a, b, seed=3) == label_permutation_test(a, b, seed=3) == pytest.approx(1e-4)
