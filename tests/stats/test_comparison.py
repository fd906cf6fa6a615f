"""Standing against a reference cell: what each answer takes, and how often a family of cells holds a false one."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from scipy import stats

from stats import Comparison, compare_all, dominates, pareto_front
from tests.stats.shapes import SHAPES, Deltas

CELLS = 11
FAMILIES = 60
MOST_FALSE = float(stats.binom.ppf(1 - 1e-4, FAMILIES, 0.05)) / FAMILIES
"""What a true rate of 5 % shows at most, once in ten thousand simulations."""


def one(differences: list[float] | Deltas, *, margin: float = 0.05, cells: int = 1) -> Comparison:
    others = {f"other {k}": [0.0, 0.1, -0.1] * 5 for k in range(cells - 1)}
    return compare_all({"cell": differences, **others}, margin=margin)["cell"]


def scattered(mean: float, sd: float, n: int) -> Deltas:
    """Values with exactly this mean and standard deviation, normal in shape."""
    values = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return mean + sd * values / values.std(ddof=1)


@pytest.mark.parametrize(
    ("mean", "sd", "answer"),
    [
        (0.10, 0.2, "better"),
        (0.0, 0.1, "good enough"),
        (-0.02, 0.1, "good enough"),
        (0.0, 0.3, "cannot tell"),
        (-0.045, 0.3, "cannot tell"),
        (-0.045, 0.1, "worse"),
        (-0.12, 0.2, "worse"),
    ],
)
def test_the_answers_at_a_hundred_rows(mean: float, sd: float, answer: str) -> None:
    assert one(scattered(mean, sd, 100)).outcome == answer


def test_less_than_the_margin_worse_is_good_enough_even_if_it_is_proven_worse() -> None:
    cell = one(scattered(-0.02, 0.05, 200))
    assert cell.outcome == "good enough"
    assert cell.high is not None
    assert cell.high < 0


def test_answer_and_interval_never_contradict_each_other() -> None:
    random = np.random.default_rng(8)
    for n in (4, 15, 40, 90):
        for name, shape in SHAPES.items():
            deltas = np.clip(shape(random, 6, n) + random.choice([-0.2, 0.0, 0.2], (6, 1)), -1, 1)
            for cell in compare_all({f"{name} {k}": row for k, row in enumerate(deltas)}).values():
                assert cell.low is not None
                assert cell.delta is not None
                assert cell.high is not None
                assert cell.low <= cell.delta <= cell.high
                implied = "better" if cell.low > 0 else "good enough" if cell.low > -0.05 else "worse"
                assert cell.outcome == (implied if implied != "worse" or cell.high < 0 else "cannot tell")


def test_more_cells_take_more_evidence() -> None:
    deltas = scattered(0.0, 0.11, 80)
    assert one(deltas).outcome == "good enough"
    assert one(deltas, cells=CELLS).outcome == "cannot tell"


@pytest.mark.parametrize(("cells", "enough"), [(1, 72), (CELLS, 119)])
def test_identical_outputs_are_good_enough_once_rare_failures_would_have_been_seen(cells: int, enough: int) -> None:
    before, after = one([0.0] * (enough - 1), cells=cells), one([0.0] * enough, cells=cells)
    assert (before.outcome, before.needed) == ("cannot tell", enough)
    assert after.outcome == "good enough"


def test_equal_losses_on_many_rows_are_worse_although_they_have_no_spread() -> None:
    assert one([-0.3] * 40).outcome == "worse"
    assert one([-0.3] * 5).outcome == "cannot tell"


def test_needed_rows_settle_the_question_in_at_least_about_four_of_five_cases() -> None:
    pilot = one(scattered(-0.01, 0.2, 30))
    assert (pilot.outcome, pilot.needed) == ("cannot tell", 199)
    random = np.random.default_rng(4)
    settled = [one(random.normal(-0.01, 0.2, 199)).outcome != "cannot tell" for _ in range(200)]
    assert 0.75 <= np.mean(settled) <= 0.95


def test_no_number_of_rows_settles_equality_without_a_margin() -> None:
    assert one([0.1, -0.1] * 20, margin=0.0).needed is None


def test_few_rows_or_none_cannot_tell_and_say_why() -> None:
    assert one([]) == Comparison("cannot tell", None, None, None, 0, None, "no row was scored by both")
    few = one([0.4, 0.5, 0.6])
    assert (few.outcome, few.low, few.high) == ("cannot tell", -1.0, 1.0)
    assert "at least 6 rows are needed" in few.reason


def test_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"differences of a: received 1.2, need numbers in \[-1, 1\]"):
        compare_all({"a": [1.2, 0.0]})
    with pytest.raises(ValueError, match=r"margin: received -0\.1"):
        compare_all({"a": [0.0]}, margin=-0.1)
    assert compare_all({}) == {}


def family(name: str, n: int, shift: float) -> list[dict[str, Deltas]]:
    random = np.random.default_rng(zlib.crc32(f"{name} {n} {shift}".encode()))
    if name == "binary":
        wins = 0.15 + shift / 2
        draws = random.choice([1.0, -1.0, 0.0], p=[wins, 0.3 - wins, 0.7], size=(FAMILIES, CELLS, n))
    else:
        draws = SHAPES[name](random, FAMILIES * CELLS, n).reshape(FAMILIES, CELLS, n) + shift
    return [{str(k): np.clip(row, -1, 1) for k, row in enumerate(rows)} for rows in draws]


@pytest.mark.parametrize("n", [15, 60])
@pytest.mark.parametrize("name", ["binary", "80 % tied", "tied and left-skewed", "small gains, rare losses"])
def test_of_eleven_cells_worse_by_the_margin_hardly_ever_any_is_good_enough(name: str, n: int) -> None:
    false = [
        any(cell.outcome in ("better", "good enough") for cell in compare_all(cells).values())
        for cells in family(name, n, -0.05)
    ]
    assert np.mean(false) <= MOST_FALSE


@pytest.mark.parametrize("n", [15, 60])
@pytest.mark.parametrize("name", ["binary", "80 % tied", "right-skewed", "small gains, rare losses"])
def test_of_eleven_equal_cells_hardly_ever_any_is_better_or_worse(name: str, n: int) -> None:
    false = [
        any(cell.outcome in ("better", "worse") for cell in compare_all(cells).values())
        for cells in family(name, n, 0.0)
    ]
    assert np.mean(false) <= MOST_FALSE


def test_S1_T5_the_front_holds_what_no_cheaper_point_matches() -> None:
    assert pareto_front([(1, 0.5), (2, 0.8), (3, 0.8), (4, 0.9)]) == (0, 1, 3)


def test_S1_R12_identical_points_all_stay() -> None:
    assert pareto_front([(1, 0.5), (1, 0.5), (1, 0.4)]) == (0, 1)


def test_an_unknown_cost_is_compared_with_unknown_costs_alone() -> None:
    assert pareto_front([(1, 0.9), (None, 0.5), (None, 0.6)]) == (0, 2)
    assert not dominates((1, 0.9), (None, 0.5))
    assert not dominates((None, 0.9), (1, 0.5))
    assert dominates((None, 0.9), (None, 0.5))


def test_an_unknown_quality_is_neither_on_the_front_nor_in_the_way() -> None:
    assert pareto_front([(1, None), (2, 0.5)]) == (1,)
    with pytest.raises(ValueError, match="quality: received nan"):
        pareto_front([(1, float("nan"))])
