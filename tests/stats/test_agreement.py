"""Agreement and noise: known values, refusals, and the share of intervals that cover the truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from stats import Measured, bounded_mean, noise_sd, spearman, unseen_share, weighted_kappa

RUNS = 300
FEWEST_COVERING = float(stats.binom.ppf(1e-4, RUNS, 0.95)) / RUNS
"""What an interval of true confidence 95 % shows at worst, once in ten thousand simulations: 89.7 %."""


def coverage(truth: float, measure: Callable[[np.random.Generator], Measured]) -> float:
    random = np.random.default_rng(11)
    measured = [measure(random) for _ in range(RUNS)]
    return float(np.mean([truth in one.interval for one in measured]))


def test_spearman_is_that_of_scipy_ties_included() -> None:
    random = np.random.default_rng(3)
    a = random.integers(0, 5, 30)
    b = a + random.integers(0, 4, 30)
    assert spearman(a.tolist(), b.tolist()).value == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-12)


def test_spearman_interval_by_hand() -> None:
    measured = spearman([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5])
    assert measured.value == pytest.approx(1 - 6 * 6 / (6 * 35))
    z, error = np.arctanh(measured.value), np.sqrt((1 + measured.value**2 / 2) / 3)
    assert measured.interval.low == pytest.approx(np.tanh(z - 1.959964 * error), abs=1e-6)
    assert measured.interval.high == pytest.approx(np.tanh(z + 1.959964 * error), abs=1e-6)
    assert measured.n == 6


def test_a_perfect_correlation_keeps_a_width() -> None:
    measured = spearman(range(20), range(20))
    assert (measured.value, measured.high) == (1.0, 1.0)
    assert 0.99 < measured.low < 1
    assert spearman(range(20), range(20, 0, -1)).interval.low == -1.0


@pytest.mark.parametrize("n", [10, 20, 60])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_spearman_covers(n: int, rho: float) -> None:
    def measure(random: np.random.Generator) -> Measured:
        a = random.normal(size=n)
        return spearman(a, rho * a + np.sqrt(1 - rho * rho) * random.normal(size=n))

    assert coverage(6 / np.pi * np.arcsin(rho / 2), measure) >= FEWEST_COVERING


def test_spearman_covers_when_rows_come_in_groups_and_would_not_if_they_were_taken_for_independent() -> None:
    groups = np.repeat(np.arange(25), 6)
    covered = {"grouped": 0, "not": 0}
    random = np.random.default_rng(5)
    for _ in range(RUNS):
        a, b = (random.normal(size=25)[groups] + 0.5 * random.normal(size=150) for _ in range(2))
        covered["grouped"] += 0.0 in spearman(a, b, groups=groups.tolist()).interval
        covered["not"] += 0.0 in spearman(a, b).interval
    assert covered["grouped"] / RUNS >= FEWEST_COVERING
    assert covered["not"] / RUNS < 0.75


def test_weighted_kappa_by_hand() -> None:
    a = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    b = [0, 0, 0, 1, 1, 1, 1, 2, 2, 1]
    # Disagreement: 2 rows by one category. Expected: variances .69 and .44 plus the squared difference of means, 0.
    assert weighted_kappa(a, b, 3).value == pytest.approx(1 - 0.2 / (np.var(a) + np.var(b) + 0.0))


def test_weighted_kappa_punishes_a_judge_that_is_always_two_tenths_too_kind() -> None:
    human = [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert weighted_kappa(human, [h + 2 for h in human], 11).value == pytest.approx(1 - 4 / (2 * np.var(human) + 4))
    assert spearman(human, [h + 2 for h in human]).value == pytest.approx(1)


def test_complete_agreement_is_no_better_than_the_rows_can_show() -> None:
    measured = weighted_kappa([0, 5] * 10, [0, 5] * 10, 11)
    assert (measured.value, measured.high) == (1.0, 1.0)
    assert measured.low == pytest.approx(0.025 ** (1 / 20))


@pytest.mark.parametrize(("n", "scatter"), [(10, 1.5), (20, 0.5), (20, 4.0), (60, 1.5)])
def test_weighted_kappa_covers(n: int, scatter: float) -> None:
    def draw(random: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        a = random.integers(0, 11, size)
        return a, np.clip(np.round(a + random.normal(0, scatter, size)), 0, 10)

    a, b = draw(np.random.default_rng(1), 200_000)
    truth = 1 - float(((a - b) ** 2).mean() / (a.var() + b.var() + (a.mean() - b.mean()) ** 2))
    assert coverage(truth, lambda random: weighted_kappa(*draw(random, n), levels=11)) >= FEWEST_COVERING


def test_noise_is_the_pooled_scatter_within_rows_and_ignores_that_rows_differ() -> None:
    rows = [[0.1, 0.3], [0.5, 0.7], [0.9, 0.7], [0.2, 0.4], [0.6, 0.4]]
    measured = noise_sd(rows)
    assert measured.value == pytest.approx(0.2 / np.sqrt(2))
    assert measured.low == pytest.approx(measured.value * np.sqrt(5 / stats.chi2.ppf(0.975, 5)))
    assert measured.high == pytest.approx(measured.value * np.sqrt(5 / stats.chi2.ppf(0.025, 5)))


def test_repeats_that_never_differ_leave_room_for_what_was_not_seen() -> None:
    measured = noise_sd([[0.5, 0.5]] * 20)
    assert (measured.value, measured.low) == (0.0, 0.0)
    assert measured.high == pytest.approx(np.sqrt(unseen_share(20, 0.025) / 2))


@pytest.mark.parametrize(("rows", "repeats"), [(5, 2), (20, 2), (40, 3)])
def test_noise_covers(rows: int, repeats: int) -> None:
    assert coverage(0.1, lambda random: noise_sd(random.normal(0, 0.1, (rows, repeats)).tolist())) >= FEWEST_COVERING


def test_noise_nearly_covers_when_the_judge_is_sure_of_most_rows() -> None:
    def measure(random: np.random.Generator) -> Measured:
        return noise_sd(np.where(random.random((40, 2)) < 0.1, 0.1, 0.0).tolist())

    assert coverage(np.sqrt(0.1 * 0.9) / 10, measure) >= 0.88


@pytest.mark.parametrize("n", [5, 30])
def test_the_mean_of_mostly_perfect_scores_covers_and_stays_in_range(n: int) -> None:
    def measure(random: np.random.Generator) -> Measured:
        measured = bounded_mean(np.where(random.random(n) < 0.5, 1.0, random.random(n)))
        assert 0 <= measured.low <= measured.value <= measured.high <= 1
        return measured

    assert coverage(0.75, measure) >= FEWEST_COVERING


def test_equal_scores_have_an_interval_too() -> None:
    measured = bounded_mean([1.0] * 30)
    assert (measured.low, measured.high) == (pytest.approx(0.025 ** (1 / 30)), 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spearman([1, 2, 3], [1, 2, 3]), "received 3 values, need at least 6"),
        (lambda: spearman([1] * 6, range(6)), "a: received 6 values all equal to 1"),
        (lambda: spearman(range(6), range(7)), "received 6 and 7 values"),
        (lambda: spearman(range(12), range(12), groups=["one", "other"] * 6), "received 2 different ones"),
        (lambda: weighted_kappa(range(9), range(9), 11), "received 9 values, need at least 10"),
        (lambda: weighted_kappa([*range(9), 11], range(10), 11), "a: received category 11"),
        (lambda: weighted_kappa(range(10), [3] * 10, 11), "b: received 10 values all equal to 3"),
        (lambda: noise_sd([[0.1, 0.2]] * 4), "received 4 rows, need at least 5"),
        (lambda: noise_sd([[0.1, 0.2]] * 5 + [[0.1]]), r"repeats\[5\]: received 1 values, need at least 2"),
        (lambda: bounded_mean([0.1, 0.2, 1.2]), r"received 0.1 to 1.2, need numbers in \[0, 1\]"),
        (lambda: bounded_mean([0.1, 0.2]), "received 2 values, need at least 3"),
        (lambda: unseen_share(0, 0.05), "need a whole number of at least 1"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
