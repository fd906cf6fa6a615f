"""Several evaluators of one answer, each with a key, a score or none, and a comment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import dspy

from core.evaluation import Judgement
from data.corpus import Row
from metrics.metric import NoScoreError, to_example

SAYS = "{key, score: a number in [0, 1] or null, comment}"


@dataclass(frozen=True)
class Evaluators:
    """A row's score is the mean over the evaluators that gave one; a null score means that one abstains.

    Over rows, a prompt's score by evaluator is :func:`stats.key_scores` of ``fields``: the mean of each key's mean,
    whoever abstained how often. Comments are the feedback.

    Args:
        functions: Each is called with (example, prediction) and answers with a mapping.
        name: What reports call them together.
    """

    functions: tuple[Callable[[dspy.Example, dspy.Prediction], Any], ...]
    name: str = field(default="evaluators")

    def judge(self, row: Row, prediction: Any) -> Judgement:
        """Ask every evaluator.

        Raises:
            NoScoreError: If an answer is none, two have the same key, or all abstain.
        """
        example = to_example(row)
        pred = dspy.Prediction(**prediction) if isinstance(prediction, Mapping) else prediction
        scores, comments = dict[str, float](), list[str]()
        seen = set[str]()
        for function in self.functions:
            key, score, comment = _result(function(example, pred))
            if key in seen:
                raise NoScoreError(f"two evaluators have the key {key!r}; every key is one evaluator's")
            seen.add(key)
            comments += [f"- {key}: {comment}"] if comment else []
            if score is not None:
                scores[key] = score
        if not scores:
            raise NoScoreError(f"every evaluator abstained: {', '.join(sorted(seen))}")
        return Judgement(fmean(scores.values()), scores, "\n".join(comments))


def _result(found: Any) -> tuple[str, float | None, str]:
    if not isinstance(found, Mapping) or not isinstance(found.get("key"), str) or "score" not in found:
        raise NoScoreError(f"an evaluator returned {found!r}; allowed: {SAYS}")
    score = found["score"]
    if isinstance(score, bool):
        score = float(score)
    if score is not None and (not isinstance(score, (int, float)) or not 0 <= score <= 1):
        raise NoScoreError(f"evaluator {found['key']!r} returned the score {score!r}; allowed: {SAYS}")
    return found["key"], None if score is None else float(score), str(found.get("comment") or "")
