"""What a judge can be trusted with: agreement with people, sway by order, noise, and the lift it can show."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random
from statistics import fmean

from core.cells import JudgeCard, ScoreEstimate
from stats.agreement import Measured, bounded_mean, noise_sd, spearman, weighted_kappa
from stats.intervals import wilson
from stats.power import mde

TENTHS = 11
TIE = 1e-9


@dataclass(frozen=True)
class JudgedPair:
    """One question to a judge: how good is the candidate, given the reference?

    Attributes:
        row_id: The row; several candidates may share it.
        original: What both were made from.
        reference: The output to compare with.
        candidate: The output to score.
        reference_first: Whether the judge is shown the reference before the candidate.
        repeat: Which independent judgement this is; a judge behind a cache must make it part of the key.
    """

    row_id: str
    original: str
    reference: str
    candidate: str
    reference_first: bool = True
    repeat: int = 0


Judge = Callable[[JudgedPair], float | None]
"""A score in [0, 1], or None for a judgement that failed."""

Spread = Callable[[Judge, Sequence[JudgedPair]], Iterable[float | None]]
"""Asks all questions and gives the answers in the same order, as ``map`` does, or ``ThreadPoolExecutor(8).map``."""


def judgements(pairs: Sequence[JudgedPair], repeats: int = 2) -> int:
    """How many judgements :func:`examine` is going to ask for: two orders times repeats, and each reference once."""
    return len(_questions(pairs, repeats, seed=0))


def examine(
    judge: Judge,
    pairs: Sequence[JudgedPair],
    human: Sequence[float] | None,
    *,
    name: str,
    planned_rows: int,
    repeats: int = 2,
    seed: int = 0,
    spread: Spread = map,
) -> JudgeCard:
    """Judge every pair in both orders, several times, and write down how far the judge can be trusted.

    All intervals have confidence 95 %. The questions are asked in a shuffled order, so that a judge that drifts does
    not look like one swayed by order. What is measured, and on what:

    - ``spearman`` and ``kappa``: single judgements (reference first, repeat 0) against ``human``; kappa over tenths.
      Where rows have several candidates, the rows are what is independent.
    - ``order_bias``: the mean score of candidates shown second minus that of the same candidates shown first.
    - ``flip_rate``: of all pairs of candidates of one row, the share that the judge ranks one way with the reference
      first and strictly the other way with it second (repeat 0; a tie is no flip), averaged over rows. Noise flips
      close pairs too: the notes say how many flip when nothing but the repeat changes.
    - ``noise``: the standard deviation of a score between repeats of the same question.
    - ``self_score``: every row's reference judged against itself, in an order drawn per row.
    - ``resolvable``: the true lift that ``planned_rows`` show with 80 % power at alpha .05 when nothing varies but the
      two judgements of a row, each judged once: the minimum detectable lift for a standard deviation of
      ``sqrt(2) * noise``. Real rows vary as well, so it is a lower limit.

    A failed judgement is counted and left out wherever it would have been used; it is never a 0. A score outside [0, 1]
    is a failed judgement too. What cannot be measured is None, and the notes say why.

    Args:
        judge: The judge; what it raises ends the examination.
        pairs: What to judge; order and repeat of these are ignored. Rows with several candidates show flips. Equal
            candidates of one row are one question, asked once.
        human: The human or gold score of each pair, in [0, 1]; None when there are none.
        name: The judge's name and model, for the card.
        planned_rows: How many rows the comparison that this judge is for is going to have.
        repeats: How many times each question is asked, at least 1; noise takes 2.
        seed: Draws the order of asking and the order of presentation of the self-judgements.
        spread: How the questions are asked; one after the other unless given.

    Raises:
        ValueError: If there are no pairs, a row has two originals or references, ``human`` does not fit, or a number is
            out of range.
    """
    _check(pairs, human, repeats, planned_rows)
    answers, failed, strange = _ask(judge, _questions(pairs, repeats, seed), seed, spread)
    notes: list[str] = []
    if failed:
        notes.append(f"{failed} of {len(answers)} judgements failed and are left out")
    if strange:
        notes.append(f"{strange} of the failed ones were scores outside [0, 1]")
    sheet = _Sheet(_distinct(pairs), repeats, answers)
    points = _points(sheet, pairs, human)
    rho, kappa = (None, None) if human is None else _agreement(points, notes)
    noise = _measure("noise", notes, lambda: noise_sd(sheet.repeated())) if repeats > 1 else None
    if repeats == 1:
        notes.append("noise: not measured, because nothing was judged twice")
    return JudgeCard(
        judge=name,
        rows=len(sheet.rows),
        spearman=rho,
        kappa=kappa,
        flip_rate=_flips(sheet, notes),
        order_bias=_measure("order bias", notes, lambda: bounded_mean(sheet.order_gaps(), lowest=-1.0)),
        noise=noise,
        self_score=_measure("self score", notes, lambda: bounded_mean(sheet.self_scores())),
        resolvable=None if noise is None else _resolvable(noise.value, planned_rows, notes),
        failed=failed,
        notes=tuple(notes),
        points=tuple((gold, score) for _, score, gold in points),
    )


def resolvable_lift(noise: float, rows: int, *, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The lift that ``rows`` paired rows show with the given power if only the judge's noise varies; None if never.

    A row's difference is that of two judged scores, so its variance is ``2 * noise^2``; the lift is about
    ``(z_(1 - alpha / 2) + z_power) * sqrt(2) * noise / sqrt(rows)``, a little more for few rows (Student's t). With
    fewer rows than could ever convince there is no such lift.

    Args:
        noise: Standard deviation of a score between repeats of the same judgement; at least 0.
        rows: How many rows are compared, at least 1.
        alpha: Two-sided level, strictly between 0 and 1.
        power: The wanted chance of seeing the lift.

    Raises:
        ValueError: If an argument is out of range.

    Reference: :func:`stats.power.mde`.
    """
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise: received {noise}, need a finite number of at least 0")
    lift = mde(rows, math.sqrt(2) * noise if noise > 0 else 1.0, alpha=alpha, power=power)
    if not math.isfinite(lift):
        return None
    return lift if noise > 0 else 0.0


def too_noisy(card: JudgeCard, sought: float) -> str | None:
    """Why a search for a lift of ``sought`` must not be started with this judge; None when it may.

    A judge whose noise was not measured is refused as well: what it would show as a lift cannot be told from noise.

    Raises:
        ValueError: If ``sought`` is not a finite number above 0.
    """
    if not (math.isfinite(sought) and sought > 0):
        raise ValueError(f"sought: received {sought}, need a finite number above 0")
    if card.noise is None:
        return f"the noise of judge {card.judge} was not measured; examine it with at least 2 repeats"
    if card.resolvable is None:
        return f"so few rows show no lift at all with judge {card.judge}; plan more rows"
    if card.resolvable <= sought:
        return None
    return (
        f"judge {card.judge} scatters by {card.noise.value:.3f} between repeats, so the planned rows show lifts from"
        f" {card.resolvable:.3f} on, not {sought:g}; use more rows or a steadier judge"
    )


@dataclass(frozen=True)
class _Sheet:
    """All answers, and the numbers that can be read off them; ``pairs`` are distinct."""

    pairs: tuple[JudgedPair, ...]
    repeats: int
    answers: dict[JudgedPair, float | None]

    @property
    def rows(self) -> dict[str, list[JudgedPair]]:
        """The pairs by row, in the order received."""
        rows: dict[str, list[JudgedPair]] = {}
        for pair in self.pairs:
            rows.setdefault(pair.row_id, []).append(pair)
        return rows

    def score(self, pair: JudgedPair, *, reference_first: bool = True, repeat: int = 0) -> float | None:
        return self.answers[replace(pair, reference_first=reference_first, repeat=repeat)]

    def scores(self, pair: JudgedPair, *, reference_first: bool) -> list[float]:
        """The repeats that did not fail."""
        given = [self.score(pair, reference_first=reference_first, repeat=k) for k in range(self.repeats)]
        return [score for score in given if score is not None]

    def repeated(self) -> list[list[float]]:
        """The repeats of every question that was answered at least twice."""
        asked = [self.scores(pair, reference_first=first) for pair in self.pairs for first in (True, False)]
        return [scores for scores in asked if len(scores) > 1]

    def order_gaps(self) -> list[float]:
        """Per row: mean score shown second minus mean score shown first."""
        gaps: list[float] = []
        for members in self.rows.values():
            sides = [(self.scores(p, reference_first=True), self.scores(p, reference_first=False)) for p in members]
            own = [fmean(second) - fmean(first) for second, first in sides if second and first]
            gaps += [fmean(own)] if own else []
        return gaps

    def self_scores(self) -> list[float]:
        """The score of each row's reference against itself, asked under a repeat number of its own."""
        return [s for question, s in self.answers.items() if question.repeat == self.repeats and s is not None]

    def flips(self, *, orders: tuple[bool, bool], repeats: tuple[int, int]) -> list[float]:
        """Per row with several candidates: the share of their pairs that two ways of asking rank oppositely."""
        shares: list[float] = []
        for members in self.rows.values():
            ways = [
                [self.score(pair, reference_first=order, repeat=repeat) for pair in members]
                for order, repeat in zip(orders, repeats, strict=True)
            ]
            flipped = [
                _opposite(a - b, c - d)
                for (a, c), (b, d) in combinations(zip(*ways, strict=True), 2)
                if a is not None and b is not None and c is not None and d is not None
            ]
            shares += [fmean(flipped)] if flipped else []
        return shares


def _check(pairs: Sequence[JudgedPair], human: Sequence[float] | None, repeats: int, planned_rows: int) -> None:
    if not pairs:
        raise ValueError("pairs: received none, need at least one")
    if len({(pair.row_id, pair.reference, pair.original) for pair in pairs}) > len({pair.row_id for pair in pairs}):
        raise ValueError("pairs: received one row with two originals or references, need one of each per row")
    if human is not None and len(human) != len(pairs):
        raise ValueError(f"human: received {len(human)} scores for {len(pairs)} pairs, need one per pair")
    if human is not None and not all(0 <= score <= 1 for score in human):
        raise ValueError("human: received a score outside [0, 1]; divide percentages by 100")
    if repeats < 1 or planned_rows < 1:
        raise ValueError(f"received repeats={repeats} and planned_rows={planned_rows}, need at least 1 of each")


def _distinct(pairs: Sequence[JudgedPair]) -> tuple[JudgedPair, ...]:
    return tuple(dict.fromkeys(replace(pair, reference_first=True, repeat=0) for pair in pairs))


def _questions(pairs: Sequence[JudgedPair], repeats: int, seed: int) -> list[JudgedPair]:
    """Every pair in both orders and all repeats; and every reference against itself, numbered after the repeats."""
    random = Random(f"order of presentation {seed}")
    asked = [
        replace(pair, reference_first=first, repeat=repeat)
        for pair in _distinct(pairs)
        for first in (True, False)
        for repeat in range(repeats)
    ]
    references = {pair.row_id: pair for pair in pairs}
    return asked + [
        replace(pair, candidate=pair.reference, reference_first=random.random() < 0.5, repeat=repeats)
        for pair in references.values()
    ]


def _ask(
    judge: Judge, questions: Sequence[JudgedPair], seed: int, spread: Spread
) -> tuple[dict[JudgedPair, float | None], int, int]:
    """The answers by question, how many failed, and how many of those were no score in [0, 1]."""
    shuffled = list(questions)
    Random(f"order of asking {seed}").shuffle(shuffled)
    given = dict(zip(shuffled, spread(judge, shuffled), strict=True))
    strange = sum(score is not None and not 0 <= score <= 1 for score in given.values())
    answers = {
        question: score if score is not None and 0 <= score <= 1 else None
        for question, score in ((question, given[question]) for question in questions)
    }
    return answers, sum(score is None for score in answers.values()), strange


def _points(
    sheet: _Sheet, pairs: Sequence[JudgedPair], human: Sequence[float] | None
) -> list[tuple[str, float, float]]:
    """(row, judged, human) of every pair that has both scores."""
    return [
        (pair.row_id, score, gold)
        for pair, gold in zip(pairs, human or (), strict=human is not None)
        if (score := sheet.score(pair)) is not None
    ]


def _agreement(
    both: Sequence[tuple[str, float, float]], notes: list[str]
) -> tuple[ScoreEstimate | None, ScoreEstimate | None]:
    rows, judged, gold = [row for row, _, _ in both], [score for _, score, _ in both], [score for _, _, score in both]
    groups = rows if len(set(rows)) < len(rows) else None
    rho = _measure("spearman", notes, lambda: spearman(judged, gold, groups=groups))
    kappa = _measure("kappa", notes, lambda: weighted_kappa(_tenths(judged), _tenths(gold), TENTHS, groups=groups))
    if rho is not None and rho.low <= 0 <= rho.high:
        notes.append("the agreement with human scores cannot be told from none")
    return rho, kappa


def _flips(sheet: _Sheet, notes: list[str]) -> ScoreEstimate | None:
    shares = sheet.flips(orders=(True, False), repeats=(0, 0))
    if not shares:
        notes.append("flip rate: not measured, because no row has two judged candidates")
        return None
    if sheet.repeats > 1 and (by_chance := sheet.flips(orders=(True, True), repeats=(0, 1))):
        notes.append(f"flip rate: {fmean(by_chance):.1%} of pairs flip between repeats in the same order")
    if all(share in (0.0, 1.0) for share in shares):
        interval = wilson(round(sum(shares)), len(shares))
        return ScoreEstimate(fmean(shares), interval.low, interval.high, len(shares))
    return _measure("flip rate", notes, lambda: bounded_mean(shares))


def _resolvable(noise: float, planned_rows: int, notes: list[str]) -> float | None:
    if noise <= TIE:
        notes.append("no repeat differed from the first; make sure that repeats are really judged again")
    lift = resolvable_lift(noise, planned_rows)
    if lift is None:
        notes.append(f"resolvable lift: {planned_rows} rows are too few to show any")
    return lift


def _measure(what: str, notes: list[str], statistic: Callable[[], Measured]) -> ScoreEstimate | None:
    """The statistic as a card holds it; None and a note with the reason where it refuses its input."""
    try:
        measured = statistic()
    except ValueError as refusal:
        notes.append(f"{what}: not measured; {refusal}")
        return None
    return ScoreEstimate(measured.value, measured.low, measured.high, measured.n)


def _tenths(scores: Sequence[float]) -> list[int]:
    return [math.floor(10 * score + 0.5) for score in scores]


def _opposite(one: float, other: float) -> bool:
    return abs(one) > TIE and abs(other) > TIE and (one > 0) != (other > 0)
