"""The generic analyst: one typed call whose signature is built from a task's field specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dspy

from core.errors import ConfigError, Problem


class Analyst(dspy.Module):
    """One call: the task's inputs in, its typed verdict out."""

    def __init__(self, signature: type[dspy.Signature]) -> None:
        super().__init__()
        self.analyse = dspy.Predict(signature)

    def forward(self, **inputs: Any) -> dspy.Prediction:
        """Analyse one row."""
        return self.analyse(**inputs)


def analyst_signature(
    name: str, instruction: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]
) -> type[dspy.Signature]:
    """Build a signature from field specifications.

    Args:
        name: Task name; becomes the signature's name.
        instruction: The seed instruction.
        inputs: Input specifications by field name; ``description`` is used.
        outputs: Output specifications by field name; ``description`` and ``annotation(name)``, the type that the model
            is asked for, are used.

    Raises:
        ConfigError: If one name is both input and output.
    """
    both = sorted(set(inputs) & set(outputs))
    if both:
        raise ConfigError([Problem("configuration", None, f"outputs.{both[0]}", "is an input as well; rename one")])
    fields: dict[str, Any] = {}
    for field, spec in inputs.items():
        fields[field] = (str, dspy.InputField(desc=spec.description or _words(field)))
    for field, spec in outputs.items():
        fields[field] = (spec.annotation(field), dspy.OutputField(desc=spec.description or _words(field)))
    return dspy.make_signature(fields, instruction, signature_name=_class_name(name))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace("-", "_").split("_")) or "Analysis"
