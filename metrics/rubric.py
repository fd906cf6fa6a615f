"""Rubrics: weighted criteria, and what a task file may say about a judge of each kind."""

# pyright: reportIncompatibleVariableOverride=false
# Sections are frozen, so that a subclass may narrow the type of a key.

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from pydantic import Field, field_validator, model_validator

from core.section import Section

_SHORTHAND = re.compile(r"([\w -]*[\w-])\s*\(\s*weight\s*:\s*([\d.]+)\s*(?:%\s*)?\)", re.I)
"""``relevance (weight: 35)``. No two neighbouring parts take the same character, so that it fails in linear time."""


class Criterion(Section):
    """One line of a rubric. A higher score is always better: word inverted ones accordingly."""

    name: str
    weight: float = Field(default=1.0, gt=0, description="In any scale; shares are taken of their sum.")
    description: str = ""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        """Read ``relevance (weight: 35)``, alone or as the name."""
        given = cast(dict[str, Any], {"name": value} if isinstance(value, str) else value)
        name = given.get("name") if isinstance(value, (str, dict)) else None
        match = _SHORTHAND.fullmatch(name.strip()) if isinstance(name, str) else None
        return {**given, "name": match[1], "weight": float(match[2])} if match else given


class JudgeSpec(Section):
    """What every judge by language model may say, whatever its kind."""

    kind: str
    model: str | None = Field(default=None, description="The reference model by default.")
    panel: tuple[str, ...] = Field(default=(), description="Further judges; the score is the mean over all.")
    criteria: tuple[Criterion, ...] = Field(default=(), description="Weighted lines of the rubric.")
    sought: float = Field(default=0.05, gt=0, lt=1, description="The lift that one wants to be able to see.")
    trusted: bool = Field(default=False, description="Optimise although the judge is too noisy; recorded.")

    @field_validator("criteria")
    @classmethod
    def _distinct(cls, criteria: tuple[Criterion, ...]) -> tuple[Criterion, ...]:
        names = [c.name.casefold() for c in criteria]
        if len(set(names)) != len(names):
            raise ValueError("a criterion is named twice")
        return criteria

    @property
    def requests(self) -> int:
        """Requests that each of the judge's models gets for one output."""
        raise NotImplementedError


class RubricSpec(JudgeSpec):
    """A judge that scores every criterion of the rubric from 0 to 100."""

    kind: Literal["rubric"] = "rubric"
    repeats: int = Field(default=1, ge=1, le=20, description="Judgements by each judge.")

    @property
    def requests(self) -> int:
        """One for each repeat."""
        return self.repeats


class PreferenceSpec(JudgeSpec):
    """A judge that prefers the output or the reference."""

    kind: Literal["preference"]

    @property
    def requests(self) -> int:
        """One for each order."""
        return 2


def composite(criteria: Sequence[Criterion], scores: Mapping[str, float]) -> float:
    """Weighted mean of the criteria's scores: the sum of weight times score over the sum of weights.

    Raises:
        KeyError: If a criterion has no score.
    """
    return sum(c.weight * scores[c.name] for c in criteria) / sum(c.weight for c in criteria)


def rubric_text(criteria: Sequence[Criterion]) -> str:
    """The rubric as a judge reads it, with weights as shares of a hundred."""
    whole = sum(c.weight for c in criteria)
    return "\n".join(
        f"- {c.name} ({100 * c.weight / whole:.0f} %): {c.description or c.name.replace('_', ' ')}" for c in criteria
    )
