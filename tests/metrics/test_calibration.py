"""The judge's card: what it measures on judges whose noise, bias and order effect are known."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from core.cells import JudgeCard, ScoreEstimate
from core.plain import from_json, to_json
from metrics.calibration import JudgedPair, examine, judgements, resolvable_lift, too_noisy

SCORES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "mts_summary_scores.jsonl"

NOISE, KINDNESS, ORDER, SELF = 0.06, 0.1, 0.04, 0.8


@dataclass(frozen=True)
class Known:
    """A judge that adds kindness, an order effect and fresh noise to a quality written in the candidate."""

    seed: int = 0
    noise: float = NOISE
    order: float = ORDER

    def __call__(self, pair: JudgedPair) -> float:
        quality = SELF if pair.candidate == "the reference" else float(pair.candidate) + KINDNESS
        asked = f"{pair.row_id} {pair.candidate} {pair.reference_first} {pair.repeat}"
        fresh = np.random.default_rng([self.seed, *asked.encode()]).normal(0, self.noise)
        side = self.order / 2 if pair.reference_first else -self.order / 2
        return min(1.0, max(0.0, quality + side + float(fresh)))


def two_candidates(rows: int, seed: int = 0) -> tuple[list[JudgedPair], list[float]]:
    """Pairs of two candidates per row, and the scores that a person with a little noise of their own gives them."""
    random = np.random.default_rng([7, seed])
    qualities = random.uniform(0.35, 0.6, (rows, 2))
    human = np.clip(qualities + random.normal(0, 0.05, (rows, 2)), 0, 1)
    pairs = [
        JudgedPair(f"row {row}", "text", "the reference", f"{qualities[row, place]:.9f}")
        for row in range(rows)
        for place in range(2)
    ]
    return pairs, human.ravel().tolist()


def examined(seed: int, rows: int) -> JudgeCard:
    pairs, human = two_candidates(rows, seed)
    return examine(Known(seed), pairs, human, name="known", planned_rows=40, seed=seed)


def within(estimate: ScoreEstimate | None, truth: float) -> bool:
    assert estimate is not None
    return estimate.low <= truth <= estimate.high


def the_truth() -> dict[str, float]:
    """What an endless examination of the known judge would find; the last three by drawing a hundred thousand rows."""
    random, size = np.random.default_rng(99), (100_000, 2)
    quality = random.uniform(0.35, 0.6, size)
    human = np.clip(quality + random.normal(0, 0.05, size), 0, 1)
    second = quality + KINDNESS + ORDER / 2 + random.normal(0, NOISE, size)
    first = quality + KINDNESS - ORDER / 2 + random.normal(0, NOISE, size)
    flipped = (second[:, 0] > second[:, 1]) != (first[:, 0] > first[:, 1])
    a, b = np.floor(10 * second.ravel() + 0.5), np.floor(10 * human.ravel() + 0.5)
    expected = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    return {
        "noise": NOISE,
        "order_bias": ORDER,
        "self_score": SELF,
        "flip_rate": float(flipped.mean()),
        "spearman": float(stats.spearmanr(second.ravel(), human.ravel())[0]),
        "kappa": 1 - float(((a - b) ** 2).mean() / expected),
    }


def test_the_intervals_of_the_card_hold_the_truth_in_at_least_ninety_of_a_hundred_examinations() -> None:
    cards = [examined(seed, rows=25) for seed in range(100)]
    held = {name: sum(within(getattr(card, name), truth) for card in cards) for name, truth in the_truth().items()}
    assert min(held.values()) >= 90, held


def test_the_card_of_a_steady_judge_by_hand() -> None:
    qualities = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9]
    pairs = [JudgedPair(f"row {k}", "text", "the reference", str(quality)) for k, quality in enumerate(qualities)]
    card = examine(Known(noise=0.0, order=0.02), pairs, qualities, name="steady", planned_rows=40)
    assert card.spearman is not None
    assert (card.spearman.value, card.spearman.n) == (1.0, 10)
    assert card.kappa is not None
    assert 0.9 < card.kappa.value < 1.0
    assert card.order_bias is not None
    assert card.order_bias.value == pytest.approx(0.02 - 0.001)
    assert card.noise is not None
    assert (card.noise.value, card.resolvable) == (0.0, 0.0)
    assert card.noise.high == pytest.approx(0.29, abs=0.001)
    assert card.self_score is not None
    assert card.self_score.value == pytest.approx(SELF, abs=0.01)
    assert (card.rows, card.failed, card.flip_rate) == (10, 0, None)
    assert "flip rate: not measured, because no row has two judged candidates" in card.notes
    assert "no repeat differed from the first; make sure that repeats are really judged again" in card.notes


def shown_last_wins(pair: JudgedPair) -> float:
    """Half of the rows are close calls, in which the candidate named b gains from being shown first."""
    if pair.candidate == pair.reference:
        return 1.0
    if pair.row_id.startswith("clear"):
        return {"a": 0.8, "b": 0.2}[pair.candidate]
    return 0.5 if pair.candidate == "a" else 0.4 if pair.reference_first else 0.6


def test_a_flip_is_a_pair_of_candidates_that_the_other_order_ranks_the_other_way() -> None:
    rows = [f"{kind} {k}" for kind in ("clear", "close") for k in range(10)]
    pairs = [JudgedPair(row, "text", "reference", candidate) for row in rows for candidate in "ab"]
    card = examine(shown_last_wins, pairs, None, name="swayed", planned_rows=40)
    assert card.flip_rate is not None
    assert (card.flip_rate.value, card.flip_rate.n) == (0.5, 20)
    assert (card.flip_rate.low, card.flip_rate.high) == pytest.approx((0.299, 0.701), abs=1e-3)
    assert "flip rate: 0.0% of pairs flip between repeats in the same order" in card.notes
    assert (card.spearman, card.kappa) == (None, None)


def test_ties_are_no_flips() -> None:
    def tied_in_one_order(pair: JudgedPair) -> float:
        return 0.5 if pair.reference_first or pair.candidate == "a" else 0.6

    pairs = [JudgedPair(str(row), "text", "reference", candidate) for row in range(6) for candidate in "ab"]
    card = examine(tied_in_one_order, pairs, None, name="tied", planned_rows=40)
    assert card.flip_rate is not None
    assert card.flip_rate.value == 0.0


def test_failed_judgements_are_counted_and_left_out_and_never_scored_zero() -> None:
    pairs, human = two_candidates(20)

    def failing(pair: JudgedPair) -> float | None:
        if pair.row_id in ("row 0", "row 1"):
            return None if pair.reference_first else 85.0
        return Known()(pair)

    card = examine(failing, pairs, human, name="failing", planned_rows=40)
    whole = examine(Known(), pairs[4:], human[4:], name="whole", planned_rows=40)
    asked_of_failing_rows = 2 * 2 * 4 + 2
    assert card.failed == asked_of_failing_rows
    assert card.notes[0] == f"{asked_of_failing_rows} of {judgements(pairs)} judgements failed and are left out"
    assert "of the failed ones were scores outside [0, 1]" in card.notes[1]
    assert card.spearman == whole.spearman
    assert card.noise == whole.noise
    assert card.order_bias == whole.order_bias
    assert card.self_score is not None
    assert card.self_score.n == 18


def test_what_a_small_examination_cannot_measure_is_none_with_the_reason() -> None:
    pairs, human = two_candidates(2)
    card = examine(Known(), pairs, human, name="small", planned_rows=3, repeats=1)
    assert (card.spearman, card.kappa, card.noise, card.resolvable, card.order_bias) == (None,) * 5
    assert "spearman: not measured; a: received 4 values, need at least 6" in card.notes
    assert "noise: not measured, because nothing was judged twice" in card.notes
    assert from_json(JudgeCard, to_json(card)) == card


def test_each_question_is_asked_once_and_as_many_as_announced() -> None:
    asked: list[JudgedPair] = []

    def listening(pair: JudgedPair) -> float:
        asked.append(pair)
        return Known()(pair)

    pairs, human = two_candidates(5)
    examine(listening, pairs, human, name="listening", planned_rows=40, repeats=3)
    assert len(asked) == len(set(asked)) == judgements(pairs, repeats=3) == 2 * 3 * 10 + 5
    assert {pair.repeat for pair in asked if pair.candidate != "the reference"} == {0, 1, 2}


def test_equal_candidates_of_a_row_are_asked_once_and_each_counts_against_its_human_score() -> None:
    pairs, human = two_candidates(10)
    twice = examine(Known(), pairs * 2, human * 2, name="known", planned_rows=40)
    once = examine(Known(), pairs, human, name="known", planned_rows=40)
    assert judgements(pairs * 2) == judgements(pairs)
    assert (twice.noise, twice.order_bias, twice.flip_rate) == (once.noise, once.order_bias, once.flip_rate)
    assert once.spearman is not None
    assert twice.spearman is not None
    assert twice.spearman.value == pytest.approx(once.spearman.value)
    assert twice.spearman.low == pytest.approx(once.spearman.low)


def test_threads_give_the_same_card() -> None:
    pairs, human = two_candidates(8)
    with ThreadPoolExecutor(4) as pool:
        spread = examine(Known(), pairs, human, name="known", planned_rows=40, spread=pool.map)
    assert spread == examine(Known(), pairs, human, name="known", planned_rows=40)


def test_the_resolvable_lift_is_the_noise_of_a_difference_of_two_judgements() -> None:
    by_normal_quantiles = (1.959964 + 0.841621) * math.sqrt(2) * 0.1 / math.sqrt(400)
    assert resolvable_lift(0.1, 400) == pytest.approx(by_normal_quantiles, rel=0.005)
    assert resolvable_lift(0.1, 15) == pytest.approx(0.111, abs=0.001)
    assert resolvable_lift(0.0, 15) == 0.0
    assert resolvable_lift(0.1, 5) is None


def test_a_resolvable_lift_is_seen_in_four_of_five_experiments() -> None:
    lift, random = resolvable_lift(0.1, 40), np.random.default_rng(6)
    assert lift is not None
    differences = random.normal(lift, 0.1, (2000, 40)) - random.normal(0, 0.1, (2000, 40))
    t = differences.mean(axis=1) / differences.std(axis=1, ddof=1) * math.sqrt(40)
    assert np.mean(t > 2.0227) == pytest.approx(0.8, abs=0.03)


def test_a_search_for_less_than_the_noise_shows_is_refused_with_the_reason() -> None:
    card = JudgeCard("opus", 20, noise=ScoreEstimate(0.1, 0.08, 0.13, 40), resolvable=0.064)
    assert too_noisy(card, 0.07) is None
    assert too_noisy(card, 0.05) == (
        "judge opus scatters by 0.100 between repeats, so the planned rows show lifts from 0.064 on, not 0.05;"
        " use more rows or a steadier judge"
    )
    assert too_noisy(replace(card, resolvable=None), 0.5) == (
        "so few rows show no lift at all with judge opus; plan more rows"
    )
    assert too_noisy(JudgeCard("opus", 20), 0.5) == (
        "the noise of judge opus was not measured; examine it with at least 2 repeats"
    )
    with pytest.raises(ValueError, match="sought: received 0"):
        too_noisy(card, 0)


@pytest.mark.parametrize(
    ("pairs", "human", "repeats", "message"),
    [
        ([], None, 2, "pairs: received none"),
        ([JudgedPair("a", "o", "r", "c"), JudgedPair("a", "o", "s", "d")], None, 2, "two originals or references"),
        ([JudgedPair("a", "o", "r", "c")], [0.5, 0.5], 2, "received 2 scores for 1 pairs"),
        ([JudgedPair("a", "o", "r", "c")], [85.0], 2, "divide percentages by 100"),
        ([JudgedPair("a", "o", "r", "c")], [0.5], 0, "received repeats=0"),
    ],
)
def test_an_examination_that_makes_no_sense_is_refused(
    pairs: list[JudgedPair], human: Sequence[float] | None, repeats: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        examine(Known(), pairs, human, name="known", planned_rows=40, repeats=repeats)


def overlap(pair: JudgedPair) -> float:
    """F1 of the words that candidate and reference share, each as often as it occurs: ROUGE-1 without stemming."""
    candidate, reference = (Counter(re.findall("[a-z0-9]+", text.lower())) for text in (pair.candidate, pair.reference))
    shared = (candidate & reference).total()
    return 2 * shared / (candidate.total() + reference.total()) if shared else 0.0


@pytest.mark.skipif(not SCORES.exists(), reason="the human scores of the MTS summaries are not on this machine")
def test_word_overlap_agrees_with_people_on_real_summaries_as_much_as_was_measured_elsewhere() -> None:
    rows = [json.loads(line) for line in SCORES.read_text(encoding="utf-8").splitlines()]
    pairs = [
        JudgedPair(row["meta"]["dialogue_id"], *(row["input"][key] for key in ("dialogue", "reference", "candidate")))
        for row in rows
    ]
    human = [row["label"]["factual_f1"] for row in rows]
    card = examine(overlap, pairs, human, name="word overlap", planned_rows=100)
    assert card.rows == 100
    assert card.spearman is not None
    assert card.spearman.n == 400
    assert card.spearman.value == pytest.approx(0.361, abs=0.005)
    assert 0 < card.spearman.low < card.spearman.value < card.spearman.high
    assert card.self_score is not None
    assert card.self_score.value == 1.0
    assert card.order_bias is not None
    assert card.order_bias.value == 0.0
    assert card.failed == 0
