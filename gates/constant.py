"""Is a prompt better than no prompt at all? The best constant answer knows label frequencies and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.evaluation import Evaluation, RowResult, RowStatus
from core.plain import canonical
from core.verdict import Check, CheckStatus
from data.corpus import Row

if TYPE_CHECKING:  # a task file is read by what gates declare, and must not load DSPy for it
    from metrics.metric import Metric

NAME = "beats a constant"
LEVEL = 0.025
"""One-sided level of the comparison with the constant answer."""


class NoConstantError(Exception):
    """A metric of one's own cannot judge an answer of one field; the text is what it raised."""


def best_constant(metric: Metric, train: Sequence[Row]) -> dict[str, Any] | None:
    """The one answer that scores best on train when it is given to every row, chosen field by field.

    Tried are the most frequent value and, for lists, the empty list and the one to three most frequent elements.
    Returns None when the metric does not judge field by field.

    Raises:
        NoConstantError: If it fails on an answer of one field.
    """
    names = sorted({name for row in train for name in row.gold})
    answer: dict[str, Any] = {}
    for name in names:
        options = _options([row.gold.get(name) for row in train])
        scored = [(_field_mean(metric, train, name, option), -i) for i, option in enumerate(options)]
        if any(score is None for score, _ in scored):
            return None
        answer[name] = options[-max(scored)[1]]
    return answer


def _options(values: Sequence[Any]) -> list[Any]:
    by_text = {canonical(v): v for v in values}
    frequent = Counter(canonical(v) for v in values).most_common(1)[0][0]
    options = [by_text[frequent]]
    if any(isinstance(v, list) for v in values):
        elements = [element for v in values if isinstance(v, list) for element in v]
        plain = Counter(e for e in elements if isinstance(e, str))
        options.append([])
        top = [e for e, _ in sorted(plain.items(), key=lambda item: (-item[1], item[0]))[:3]]
        options += [top[:k] for k in range(1, len(top) + 1)]
    return options


def _field_mean(metric: Metric, rows: Sequence[Row], name: str, value: Any) -> float | None:
    try:
        scores = [metric.judge(row, {name: value}).fields.get(name) for row in rows]
    except Exception as error:
        raise NoConstantError(f"{type(error).__name__}: {error}") from error
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if len(known) == len(rows) else None


def constant_evaluation(metric: Metric, answer: Mapping[str, Any], rows: Sequence[Row], split: str) -> Evaluation:
    """Score the constant answer on rows; calls no model."""
    results = []
    for row in rows:
        try:
            judgement = metric.judge(row, dict(answer))
        except Exception as error:  # noqa: BLE001 - what was raised is stored
            results.append(RowResult(row.id, RowStatus.METRIC_ERROR, error=f"{type(error).__name__}: {error}"))
            continue
        results.append(
            RowResult(row.id, RowStatus.OK, judgement.score, dict(judgement.fields), prediction=dict(answer))
        )
    return Evaluation(split, "constant", tuple(results))


def unknown_constant(why: str) -> Check:
    """That there is no constant answer to compare with, and why; it keeps nothing from being promoted."""
    message = f"the metric judges no answer of one field, so no constant was found to compare with: {why}"
    return Check(NAME, CheckStatus.NOT_EVALUATED, message, required=False)


def constant_check(challenger: Evaluation, constant: Evaluation) -> Check:
    """Fail unless the challenger is proven better than the constant answer on the same rows.

    One-sided skew-corrected t test at 2.5 %. Without it, a prompt that merely learns which label is frequent would be
    promoted on a corpus whose labels have nothing to do with its inputs. An answer that is not there counts as 0.
    """
    from stats import skew_test

    deltas = [(a.score or 0.0) - (b.score or 0.0) for a, b in zip(challenger.rows, constant.rows, strict=True)]
    numbers = f"{challenger.mean or 0.0:.3f} against {constant.mean or 0.0:.3f} for the same answer to every row"
    evidence = {"answer": dict(constant.rows[0].prediction), "score": constant.mean}
    spread = len(set(deltas)) > 1
    p_value = skew_test(deltas) if spread else float(deltas[0] <= 0)
    if p_value <= LEVEL:
        return Check(NAME, CheckStatus.PASS, f"{numbers} (p = {p_value:.2g})", evidence=evidence)
    message = f"not proven better than a constant: {numbers} (p = {p_value:.2g}); it may have learned frequencies only"
    return Check(NAME, CheckStatus.FAIL, message, evidence=evidence)
