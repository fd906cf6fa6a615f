"""Levers: general ways of improving an instruction, given to whoever proposes one as hints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.catalog import Catalog

LeverName = Literal["schema", "rule", "example", "hedging", "guardrail"]


@dataclass(frozen=True)
class Lever:
    """One way of improving an instruction.

    Attributes:
        name: What a task file calls it.
        summary: The hint.
        sign: What shows that an instruction has it already.
        unwanted: Whether the sign shows the opposite, that it is still needed.
    """

    name: str
    summary: str
    sign: re.Pattern[str]
    unwanted: bool = False

    def missing(self, instruction: str) -> bool:
        """Whether an instruction does not have it yet, by its words."""
        return bool(self.sign.search(instruction)) is self.unwanted


LEVERS: Catalog[Lever] = Catalog(
    "lever",
    (
        Lever(
            "schema",
            "State the exact form of the answer: each field, its type and its allowed values.",
            re.compile(r"\b(?:json|schema|allowed values?|one of)\b", re.I),
        ),
        Lever(
            "rule",
            "Write one decision rule for each field that is often wrong.",
            re.compile(r"\b(?:if|when|whenever)\b", re.I),
        ),
        Lever(
            "example",
            "Quote two worked examples, each an input with its right answer.",
            re.compile(r"\b(?:for example|e\.g\.|worked examples?)|^(?:Input|Example)\b", re.I | re.M),
        ),
        Lever(
            "hedging",
            "Replace hedging phrases by definite ones.",
            re.compile(
                r"\b(?:usually|generally|try to|if possible|where appropriate|may want to|might|perhaps)\b", re.I
            ),
            unwanted=True,
        ),
        Lever(
            "guardrail",
            "Write guardrails that force the truth values: when each must be true and when it must be false.",
            re.compile(r"\bmust (?:not )?be (?:true|false)\b", re.I),
        ),
    ),
)


def hints(names: Sequence[str]) -> str:
    """The hints of some levers as lines; empty for none."""
    return "\n".join(f"Consider: {LEVERS.get(name).summary}" for name in names)


def missing_levers(instruction: str) -> tuple[Lever, ...]:
    """The levers that an instruction does not use yet."""
    return tuple(lever for lever in LEVERS if lever.missing(instruction))
