"""Rewriting one instruction from rows it fails on, knowing what was tried from it before and what that did."""

from __future__ import annotations

from typing import Any

import dspy


class ReflectOnRows(dspy.Signature):
    """Improve the instruction that a language model is given for a task.

    You see the instruction, rows that it was just used on - what went in, what came out, how that was scored and what
    an evaluator said about each field -, and what was tried from this very instruction before, with the effect that
    each change is believed to have.

    Find what the failures have in common and mend that. Change as little as does it: each sentence that you add,
    change or take away is weighed on its own afterwards, and what does not help is taken back. Keep what makes the
    successes succeed. Do not repeat a change that did harm. Write general rules and facts of the field, never answers
    to the rows shown. Keep every placeholder in braces as it stands, and whatever the constraints protect.
    """

    task_description: str = dspy.InputField(desc="what the task is for, and how its answers are judged")
    current_instruction: str = dspy.InputField(desc="the instruction, which is to be improved")
    tried_from_here: list[dict[str, Any]] = dspy.InputField(desc="changes of this instruction, and what they did")
    constraints: str = dspy.InputField(desc="what the new instruction must keep to")
    examples_with_feedback: list[dict[str, Any]] = dspy.InputField(
        desc="rows that the instruction was used on: inputs, outputs, score and feedback"
    )
    analysis: str = dspy.OutputField(desc="what the failures have in common, and the one change that mends it")
    new_instruction: str = dspy.OutputField(desc="the whole new instruction, ready to be used")


def reflection_of(text: str | None = None) -> dspy.Predict:
    """The call that rewrites an instruction, with another instruction of its own where one is given."""
    return dspy.Predict(ReflectOnRows if text is None else ReflectOnRows.with_instructions(text))
