"""Field agreement: one score from many fields, with the breakdown and the words that explain it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.evaluation import Judgement
from core.plain import canonical
from data.corpus import Row
from metrics.comparators import ABSENT, Comparator, Records, SetF1, SetJaccard

CLIP = 2000


@dataclass(frozen=True)
class FieldRule:
    """How one field is compared and how much it counts."""

    name: str
    comparator: Comparator
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"{self.name}: a weight must be positive, received {self.weight!r}")


@dataclass(frozen=True)
class FieldAgreement:
    """Weighted mean agreement over the declared fields; unweighted by default.

    Args:
        rules: One rule per field; a field may be named once.
        reveal_gold: Whether feedback may quote the gold value. Off when a reflector must not be able to memorise.

    Raises:
        ValueError: If no field is declared or one is declared twice.
    """

    rules: tuple[FieldRule, ...]
    reveal_gold: bool = True
    name: str = "field_agreement"

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        if not names:
            raise ValueError("field_agreement: declare at least one field")
        if len(set(names)) != len(names):
            raise ValueError(f"field_agreement: a field is declared twice: {names}")

    def judge(self, row: Row, prediction: Any) -> Judgement:
        """Score a prediction against the row's gold; anything but a mapping scores every field as absent."""
        produced = prediction if isinstance(prediction, Mapping) else {}
        gold = row.gold if isinstance(row.gold, Mapping) else {}
        scores: dict[str, float] = {}
        lines: list[str] = []
        for rule in self.rules:
            expected, got = gold.get(rule.name, ABSENT), produced.get(rule.name, ABSENT)
            score = rule.comparator.compare(expected, got)
            if not 0.0 <= score <= 1.0:
                raise ValueError(f"{rule.name}: out-of-range score {score!r}; a comparator must stay in [0, 1]")
            scores[rule.name] = score
            lines.append(self._explain(rule, expected, got, score))
        total = sum(rule.weight for rule in self.rules)
        overall = sum(rule.weight * scores[rule.name] for rule in self.rules) / total
        return Judgement(score=min(1.0, overall), fields=scores, feedback="\n".join(lines))

    def _explain(self, rule: FieldRule, expected: Any, got: Any, score: float) -> str:
        if score >= 1.0:
            return f"- {rule.name}: correct - {_show(got)} (score 1.00)."
        word = "wrong" if score <= 0.0 else "partly right"
        if not self.reveal_gold:
            return f"- {rule.name}: {word} - got {_show(got)} (score {score:.2f})."
        text = f"- {rule.name}: {word} - expected {_show(expected)}, got {_show(got)}"
        return f"{text}{_difference(rule.comparator, expected, got)} (score {score:.2f})."


def _show(value: Any) -> str:
    if value is ABSENT:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= CLIP else text[:CLIP] + "..."


def _difference(comparator: Comparator, expected: Any, got: Any) -> str:
    """What is missing and what is too much, for sets and lists of records."""
    if isinstance(comparator, Records):
        matched = comparator.match(expected, got)
        left = expected if isinstance(expected, list) else []
        right = got if isinstance(got, list) else []
        good = {(i, j) for i, j, score in matched if score >= 0.5}
        missing = [v for i, v in enumerate(left) if i not in {i for i, _ in good}]
        unexpected = [v for j, v in enumerate(right) if j not in {j for _, j in good}]
    elif isinstance(comparator, (SetJaccard, SetF1)):
        left = expected if isinstance(expected, list) else []
        right = got if isinstance(got, list) else []
        known, produced = {canonical(v) for v in left}, {canonical(v) for v in right}
        missing = [v for v in left if canonical(v) not in produced]
        unexpected = [v for v in right if canonical(v) not in known]
    else:
        return ""
    return f"; missing {_show(missing)}; unexpected {_show(unexpected)}"
