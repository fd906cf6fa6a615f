"""The guarantee, by simulation: what is no better is promoted in at most 5 % of the cases."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from scipy import stats

from stats import opening_alpha, paired_decision, paired_power
from tests.stats.shapes import SHAPES, Deltas, Shape, disasters, exponential, graded
from tests.thorough import thorough

SIZES = (6, 10, 20, 40, 60, 100, 200, 400)
REPEATS = 2000


def share_promoted(samples: Deltas, *, margin: float = 0.0, alpha: float = 0.05) -> float:
    return float(np.mean([paired_decision(deltas, margin=margin, alpha=alpha).promote for deltas in samples]))


def allowed(rate: float, repeats: int) -> float:
    """The largest share that a true rate of ``rate`` shows by luck, once in ten thousand simulations."""
    return float(stats.binom.ppf(1 - 1e-4, repeats, rate)) / repeats


def seeded(*words: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(words).encode()))


@pytest.mark.parametrize("n", thorough(SIZES, lambda n: n in {6, 20, 100}))
@pytest.mark.parametrize("name", SHAPES)
def test_noise_is_promoted_in_at_most_five_percent(name: str, n: int) -> None:
    samples = SHAPES[name](seeded(name, n), REPEATS, n)
    assert share_promoted(samples) <= allowed(0.05, REPEATS)


@pytest.mark.parametrize("margin", [-0.1, -0.05, 0.05, 0.1])
@pytest.mark.parametrize("n", [20, 60, 200])
def test_a_true_delta_of_exactly_the_margin_is_promoted_in_at_most_five_percent(n: int, margin: float) -> None:
    random = seeded("margin", n, margin)
    wins = 0.15 + margin / 2
    binary = random.choice([1.0, -1.0, 0.0], p=[wins, 0.3 - wins, 0.7], size=(600, n))
    smooth = graded(5, 0.5)(random, 600, n) + margin
    assert share_promoted(binary, margin=margin) <= allowed(0.05, 600)
    assert share_promoted(smooth, margin=margin) <= allowed(0.05, 600)


@pytest.mark.parametrize("n", [20, 40, 100])
def test_from_twenty_pairs_on_even_unseen_disasters_are_capped(n: int) -> None:
    assert share_promoted(disasters(seeded("disasters", n), 500, n)) <= allowed(0.175, 500)


def test_below_twenty_pairs_a_clean_sweep_can_hide_a_disaster_and_we_say_so() -> None:
    samples = disasters(seeded("hidden"), 200, 10)
    believed = [deltas for deltas in samples if paired_decision(deltas).promote]
    assert believed
    assert all((deltas > 0).all() for deltas in believed)


@pytest.mark.parametrize("shape", [graded(5, 0.5), exponential(0.2, -1, 0.6)], ids=["graded", "tied, left-skewed"])
def test_opening_one_holdout_ten_times_still_promotes_noise_in_at_most_five_percent(shape: Shape) -> None:
    random, runs, openings = seeded("openings"), 400, 10
    promoted = np.zeros(runs, dtype=bool)
    for opening in range(1, openings + 1):
        alpha = opening_alpha(0.05, opening)
        promoted |= [paired_decision(deltas, alpha=alpha).promote for deltas in shape(random, runs, 60)]
    assert promoted.mean() <= allowed(0.05, runs)


def test_an_equal_prompt_tried_again_and_again_on_the_same_rows_stays_below_five_percent() -> None:
    random, runs, n = seeded("same rows"), 300, 60
    promoted = 0
    for _ in range(runs):
        difficulty = random.beta(2, 2, n)
        baseline = random.binomial(5, difficulty) / 5
        promoted += any(
            paired_decision(random.binomial(5, difficulty) / 5 - baseline, alpha=opening_alpha(0.05, k)).promote
            for k in range(1, 11)
        )
    assert promoted / runs <= allowed(0.05, runs)


@pytest.mark.parametrize("n", [60, 100, 200])
def test_a_real_lift_is_promoted_about_as_often_as_by_a_t_test(n: int) -> None:
    samples = seeded("power", n).normal(0.1, 0.3, (800, n))
    expected = paired_power(n, 0.3, 0.1)
    assert share_promoted(samples) >= expected - 0.03 - 3 * np.sqrt(expected * (1 - expected) / 800)
