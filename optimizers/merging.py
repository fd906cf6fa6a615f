"""Merging prompts that are good at different rows into one, by whoever writes prompts.

What gepa calls a merge exchanges the predictors of two candidates, in an order that depends on the process's hash seed;
here one instruction is written from several, in an order that depends on scores alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import dspy

from core.candidate import Candidate
from optimizers.base import Search

MOST_PARENTS = 4
BEST_ROWS = 3
"""Rows that a parent is described by."""


class MergeInstructions(dspy.Signature):
    """Write one instruction that does what each of several instructions does best.

    The instructions are for the same task; each is good at other rows. For each you see its mean score and the rows
    that it does better than the others: what went in, and its score there. Find out what in its words makes it good at
    these rows, and write one whole instruction that has all of that, without contradiction and without repeating
    itself. Keep every placeholder in braces as it stands, and whatever the constraints protect.
    """

    current_instruction: str = dspy.InputField(desc="the best of them on the whole")
    parents: list[dict[str, Any]] = dspy.InputField(desc="the instructions, best first, with scores and rows")
    constraints: str = dspy.InputField(desc="what the new instruction must keep to")
    new_instruction: str = dspy.OutputField(desc="the whole new instruction, ready to be used")


def complementary(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Candidates that no other one dominates on dev, each of them best on some row; best mean first, at most four.

    Candidates with rows that have no score are left out, because what they would have scored is not known.
    """
    known = [c for c in candidates if c.complete and c.dev_scores]
    vectors = {c.index: [c.dev_scores[row] for row in sorted(c.dev_scores)] for c in known}
    front = [c for c in known if not any(_dominates(vectors[o.index], vectors[c.index]) for o in known)]
    tops = [max(scores) for scores in zip(*(vectors[c.index] for c in front), strict=True)] if front else []
    useful = [c for c in front if any(score == top for score, top in zip(vectors[c.index], tops, strict=True))]
    distinct: dict[tuple[float, ...], Candidate] = {}
    for candidate in sorted(useful, key=lambda c: (-(c.dev_score or 0.0), c.index)):
        distinct.setdefault(tuple(vectors[candidate.index]), candidate)
    return tuple(distinct.values())[:MOST_PARENTS]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True)) and any(a > b for a, b in zip(one, other, strict=True))


def merged(search: Search, predictor: str, parents: Sequence[Candidate], told: str) -> str:
    """One instruction of a predictor from those of several candidates.

    Raises:
        dspy.AdapterParseError: If the answer cannot be read.
    """
    texts = {parent.index: parent.prompts.instructions()[predictor] for parent in parents}
    best = [_best(search, parent, parents) for parent in parents]
    shown = iter(search.shown([row for rows in best for row in rows]))
    described = [
        {
            "instruction": texts[parent.index],
            "mean score": round(parent.dev_score or 0.0, 4),
            "best at": list(islice(shown, len(rows))),
        }
        for parent, rows in zip(parents, best, strict=True)
    ]
    with dspy.context(lm=search.reflector, adapter=dspy.JSONAdapter()):
        written = dspy.Predict(MergeInstructions)(
            current_instruction=texts[parents[0].index], parents=described, constraints=told or "none"
        )
    return written.new_instruction


def _best(search: Search, parent: Candidate, parents: Sequence[Candidate]) -> list[dict[str, Any]]:
    """The rows on which a parent is furthest ahead of the mean of the others."""
    inputs = {row.id: dict(row.inputs) for row in search.dev.rows}
    others = [other for other in parents if other.index != parent.index]

    def ahead(row: str) -> float:
        return parent.dev_scores[row] - sum(other.dev_scores[row] for other in others) / max(1, len(others))

    rows = sorted(parent.dev_scores, key=lambda row: (-ahead(row), row))[:BEST_ROWS]
    return [{"inputs": inputs.get(row, {}), "score": parent.dev_scores[row]} for row in rows if ahead(row) > 0]
