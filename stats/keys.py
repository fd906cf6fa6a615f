"""The score of a prompt that several evaluators have judged: a mean of means, with an interval for each evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stats.checks import Vector, finite_vector
from stats.distributions import t_quantile
from stats.intervals import Interval, mean_interval, wilson

TABLE_ENDS_AT = 30
NORMAL_95 = 1.96


@dataclass(frozen=True)
class KeyScore:
    """What one evaluator said: the mean of its scores (None if it gave none), how many, and a 95 % interval."""

    mean: float | None
    n: int
    interval: Interval


@dataclass(frozen=True)
class KeyScores:
    """All evaluators of one prompt; ``overall`` is the mean of the keys' means, None if no key has a score."""

    keys: Mapping[str, KeyScore]
    overall: float | None


def key_interval(values: Sequence[float | None]) -> Interval:
    """The 95 % interval of one evaluator's mean score.

    Wilson (z = 1.96) when every score is 0 or 1; otherwise Student's t with the quantile of a printed table up to 30
    scores and 1.96 beyond. One graded score gives the degenerate interval at itself, no score gives [0, 0].
    None is ignored: it means that the evaluator abstained.

    Raises:
        ValueError: If a score is infinite or not a number.
    """
    given = [value for value in values if value is not None]
    if not given:
        return Interval(0.0, 0.0)
    vector = finite_vector(given, name="scores")
    if _is_binary(vector):
        return wilson(int(vector.sum()), vector.size, NORMAL_95)
    if vector.size == 1:
        return Interval(float(vector[0]), float(vector[0]))
    quantile = round(t_quantile(0.975, vector.size - 1), 3) if vector.size <= TABLE_ENDS_AT else NORMAL_95
    return mean_interval(vector, quantile)


def key_scores(scores: Mapping[str, Sequence[float | None]]) -> KeyScores:
    """Summarise evaluator key -> scores as one score: the mean over keys of the mean per key.

    Every evaluator weighs the same however many rows it judged, so this is not the mean of the pooled scores.
    None is ignored; a key without any score has no mean and no say in ``overall``.

    Raises:
        ValueError: If a score is infinite or not a number.
    """
    keys = {key: _key_score(values) for key, values in scores.items()}
    means = [key.mean for key in keys.values() if key.mean is not None]
    return KeyScores(keys, sum(means) / len(means) if means else None)


def _key_score(values: Sequence[float | None]) -> KeyScore:
    given = [value for value in values if value is not None]
    interval = key_interval(given)
    return KeyScore(sum(given) / len(given) if given else None, len(given), interval)


def _is_binary(vector: Vector) -> bool:
    return bool(((vector == 0) | (vector == 1)).all())
