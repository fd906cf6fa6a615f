"""The race: hopeless cells stop early, cells of the true front practically never."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from stats import Race

NAMES = tuple(f"cell {k}" for k in range(12))
GRIDS = 200
MOST_FALSE = float(stats.binom.ppf(1 - 1e-4, GRIDS, 0.05)) / GRIDS
FLAT = dict.fromkeys(NAMES, 1.0)


def grid(random: np.random.Generator, means: Sequence[float] | NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Scores with row sd .2 that correlate .5 between cells."""
    part = 0.2 * np.sqrt(0.5)
    noise = random.normal(0, part, (rows, 1)) + random.normal(0, part, (rows, len(means)))
    return np.clip(np.asarray(means) + noise, 0, 1)


def run(scores: NDArray[np.float64], costs: Mapping[str, float | None]) -> tuple[dict[str, int], int]:
    """Where each stopped cell stopped, and how many calls were made."""
    race, at, calls = Race(NAMES), {}, 0
    for place, row in enumerate(scores, start=1):
        made = {name: score for name, score in zip(NAMES, row, strict=True) if name in race.running}
        calls += len(made)
        at |= dict.fromkeys(race.update(made, costs), place)
    return at, calls


def test_three_hopeless_cells_of_twelve_stop_after_about_eleven_rows_and_a_fifth_of_the_calls_is_saved() -> None:
    random = np.random.default_rng(1)
    means = [0.3] * 3 + [0.6] * 9
    runs = [run(grid(random, means, 60), FLAT) for _ in range(20)]
    stops = [at.get(name, 60) for at, _ in runs for name in NAMES[:3]]
    assert 9 <= np.median(stops) <= 12
    assert np.quantile(stops, 0.9) <= 16
    assert np.mean([calls for _, calls in runs]) <= 0.82 * 12 * 60


def test_of_equal_cells_hardly_ever_any_is_stopped() -> None:
    random = np.random.default_rng(2)
    false = [bool(run(grid(random, [0.6] * 12, 40), FLAT)[0]) for _ in range(GRIDS)]
    assert np.mean(false) <= MOST_FALSE


def test_of_a_front_of_ever_better_and_dearer_cells_hardly_ever_any_is_stopped() -> None:
    random = np.random.default_rng(3)
    means = np.linspace(0.3, 0.7, 12)
    costs = {name: float(k) for k, name in enumerate(NAMES)}
    false = [bool(run(grid(random, means, 40), costs)[0]) for _ in range(60)]
    assert np.mean(false) <= float(stats.binom.ppf(1 - 1e-4, 60, 0.05)) / 60


def test_a_front_cell_with_many_small_losses_and_rare_large_wins_hardly_ever_stops() -> None:
    random = np.random.default_rng(4)
    stopped = 0
    for _ in range(GRIDS):
        race = Race(["steady", "brilliant now and then"])
        for win in random.random(60) < 0.05:
            race.update({"steady": 0.04, "brilliant now and then": 0.8 if win else 0.0}, {"steady": 1})
            race.update({}, {})
        stopped += bool(race.stopped)
    assert stopped / GRIDS <= 3.5 * 0.05


def test_no_cell_stops_for_a_better_one_that_is_dearer() -> None:
    good, bad = Race(["good", "bad"]), Race(["good", "bad"])
    for _ in range(40):
        good.update({"good": 0.9, "bad": 0.1}, {"good": 2.0, "bad": 1.0})
        bad.update({"good": 0.9, "bad": 0.1}, {"good": 1.0, "bad": 1.0})
    assert good.running == ("good", "bad")
    assert bad.running == ("good",)


def test_the_reason_names_the_better_cell_and_the_rows_it_took() -> None:
    race = Race(["good", "bad"])
    stops = [race.update({"good": 0.9, "bad": 0.1}, {"good": 1.0, "bad": 1.0}) for _ in range(8)]
    assert stops == [(), (), (), (), (), ("bad",), (), ()]
    assert race.stopped == {"bad": "good is better and not more expensive, shown after 6 rows"}


@pytest.mark.parametrize(
    ("costs", "stops"),
    [
        ({"good": None, "bad": None}, True),
        ({}, True),
        ({"good": 1.0, "bad": None}, False),
        ({"good": None, "bad": 1.0}, False),
    ],
)
def test_an_unknown_cost_is_compared_with_unknown_costs_alone(costs: dict[str, float | None], stops: bool) -> None:
    race = Race(["good", "bad"])
    for _ in range(20):
        race.update({"good": 0.9, "bad": 0.1}, costs)
    assert ("bad" in race.stopped) is stops


def test_a_row_that_failed_says_nothing() -> None:
    with_failures, without = Race(["good", "bad"]), Race(["good", "bad"])
    for _ in range(5):
        with_failures.update({"good": 0.9, "bad": 0.1}, {})
        with_failures.update({"good": 0.9, "bad": None}, {})
        without.update({"good": 0.9, "bad": 0.1}, {})
    assert with_failures.update({"good": 0.9, "bad": 0.1}, {}) == without.update({"good": 0.9, "bad": 0.1}, {})


def test_what_does_not_belong_is_refused() -> None:
    race = Race(["a", "b"])
    with pytest.raises(ValueError, match=r"received \['c'\], need names among \['a', 'b'\]"):
        race.update({"c": 0.5}, {})
    with pytest.raises(ValueError, match=r"received 85 for a, need a number in \[0, 1\] or None"):
        race.update({"a": 85}, {})
    with pytest.raises(ValueError, match="b: received inf, need a finite number"):
        race.update({"a": 0.5}, {"b": float("inf")})
    with pytest.raises(ValueError, match="need at least one name, each once"):
        Race(["a", "a"])
