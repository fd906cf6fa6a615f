"""The generic analyst: one typed call whose signature is built from a task's field specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import dspy
import pydantic

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
        outputs: Output specifications by field name; ``type``, ``labels``, ``item_labels``, ``fields`` and
            ``description`` are used.

    Raises:
        ConfigError: If an output has a type the analyst cannot declare, or one name is both input and output.
    """
    both = sorted(set(inputs) & set(outputs))
    if both:
        raise ConfigError([Problem("configuration", None, f"outputs.{both[0]}", "is an input as well; rename one")])
    fields: dict[str, Any] = {}
    for field, spec in inputs.items():
        fields[field] = (str, dspy.InputField(desc=spec.description or _words(field)))
    for field, spec in outputs.items():
        fields[field] = (annotation_of(field, spec), dspy.OutputField(desc=spec.description or _words(field)))
    return dspy.make_signature(fields, instruction, signature_name=_class_name(name))


def annotation_of(name: str, spec: Any) -> Any:
    """The Python type that a field specification declares to the model."""
    kind = spec.type
    if kind == "categorical" and spec.labels:
        return Literal[tuple(spec.labels)]
    if kind == "boolean":
        return bool
    if kind == "number":
        return float
    if kind == "array":
        return list[Literal[tuple(spec.item_labels)]] if spec.item_labels else list[str]  # type: ignore[valid-type]
    if kind == "records":
        fields: dict[str, Any] = {key: (annotation_of(key, sub), ...) for key, sub in (spec.fields or {}).items()}
        record = pydantic.create_model(_class_name(name), **fields)
        return list[record]  # type: ignore[valid-type]
    if kind in ("text", "date", "categorical"):
        return str
    raise ConfigError([Problem("configuration", None, f"outputs.{name}.type", f"received {kind!r}")])


def _words(name: str) -> str:
    return name.replace("_", " ")


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace("-", "_").split("_")) or "Analysis"
