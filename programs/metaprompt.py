"""The prompt that improves prompts: a signature whose own instruction is the metaprompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dspy

from core.evaluation import RowResult, RowStatus


class ImprovePrompt(dspy.Signature):
    """Improve the instruction that a language model is given for a task.

    You see the instruction in use, the idea behind it, what was tried before and how it scored, and rows on which the
    instruction was just used: what went in, what came out, and what an evaluator said about it.

    Work in this order:
    1. Analyse the rows. What do the failures have in common, and what do the successes show that has to be kept? Name
       causes, not symptoms; a single odd row is no pattern.
    2. State one hypothesis: the change that would mend most failures without harming the rest, and why. Do not return
       to an idea that was tried before and scored worse.
    3. Write the whole new instruction. It is used on rows that nobody has seen: write general rules and the facts of
       the field, never answers to the rows shown. Keep every placeholder in braces as it stands, and whatever the
       constraints protect.
    """

    task_description: str = dspy.InputField(desc="what the task is for, and how its answers are judged")
    current_instruction: str = dspy.InputField(desc="the instruction in use, which is to be improved")
    current_hypothesis: str = dspy.InputField(desc="the idea that led to the current instruction")
    other_attempts: list[dict[str, Any]] = dspy.InputField(desc="earlier instructions, each with its idea and score")
    constraints: str = dspy.InputField(desc="what the new instruction must keep to")
    examples_with_feedback: list[dict[str, Any]] = dspy.InputField(
        desc="rows that the current instruction was used on: inputs, outputs, score and feedback"
    )
    analysis: str = dspy.OutputField(desc="what the rows have in common")
    hypothesis: str = dspy.OutputField(desc="the one change that should help, and why")
    new_instruction: str = dspy.OutputField(desc="the whole new instruction, ready to be used")


def metaprompt_of(text: str | None = None) -> dspy.Predict:
    """The call that proposes a new instruction, with another metaprompt where one is given."""
    signature = ImprovePrompt if text is None else ImprovePrompt.with_instructions(text)
    return dspy.Predict(signature)


def shown_rows(
    rows: Sequence[RowResult], said: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
) -> list[dict[str, Any]]:
    """What a proposal sees of rows: inputs, outputs, score and feedback; gold only where the feedback quotes it.

    Args:
        rows: The rows.
        said: What people said about answers to a row, by its id.
    """
    notes = said or {}
    return [
        {
            "Inputs": dict(row.inputs),
            "Generated Outputs": dict(row.prediction) if row.prediction else "no readable answer",
            "Score": row.score,
            "Feedback": row.feedback or f"The answer could not be used: {row.error or 'no reason is known'}",
            **({"What people said": list(notes[row.row_id])} if row.row_id in notes else {}),
        }
        for row in rows
        if row.status in (RowStatus.OK, RowStatus.PARSE_ERROR)
    ]
