"""What makes a cell unfit whatever its score: a copied input, or a criterion on which it gets next to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.evaluation import Evaluation, RowResult

COLLAPSED = 0.05
"""A criterion with a mean of at most this much has collapsed; the weighted score can hide it."""
COPIED = 0.9
"""An output that holds so much of the input's runs of words is the input again."""
SHORTEST, RUN = 40, 5
"""Inputs of fewer words are not looked at: a short answer may have to quote all of them. Words in a run."""


def defects(evaluation: Evaluation) -> tuple[str, ...]:
    """What no score can make good, in words; empty for a cell without such a defect."""
    collapsed = tuple(
        f"{name} has collapsed: {mean:.3f}" for name, mean in evaluation.field_means().items() if mean <= COLLAPSED
    )
    rows = evaluation.scored
    copies = sum(_copies(row) for row in rows)
    said = f"{copies} of {len(rows)} outputs are their input again"
    return (*((said,) if rows and 2 * copies >= len(rows) else ()), *collapsed)


def _copies(row: RowResult) -> bool:
    """Whether an output holds nearly all of its input although its reference does not."""
    return copied_share(row.inputs, row.prediction) >= COPIED and copied_share(row.inputs, row.gold) < COPIED


def copied_share(inputs: Mapping[str, Any], output: Mapping[str, Any]) -> float:
    """How much of the input's runs of five words is in the output, in [0, 1]; 0 for a short input."""
    source, target = _words(inputs), _words(output)
    if len(source) < SHORTEST:
        return 0.0
    runs, found = _runs(source), _runs(target)
    return len(runs & found) / len(runs)


def _words(values: Mapping[str, Any]) -> list[str]:
    return " ".join(map(str, values.values())).casefold().split()


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}
