"""The fields that metrics are made of, as columns: of sessions in memory, or of a table.

A metric's formula is written once. It reads columns and combines them with ``&``, ``|``, ``*``, ``/``, comparisons and
the few functions here, which mean the same to numpy and to SQL.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sessions.record import Outcome, Session

NUMBERS = (
    "score", "steps", "tokens", "cost_usd", "latency_s", "optimal_steps", "impossible", "rejected"
)  # fmt: skip
"""Columns that hold numbers; unknown is nan here and NULL in SQL, and truth values are 0 and 1."""

ENDINGS = tuple(Outcome)


class Columns(Protocol):
    """What a formula may use; a column is whatever the place keeps its values in."""

    score: Any
    steps: Any
    tokens: Any
    cost_usd: Any
    latency_s: Any
    optimal_steps: Any
    impossible: Any
    rejected: Any

    def ended(self, *outcomes: Outcome) -> Any:
        """Whether a session ended in one of these ways."""
        ...

    def known(self, column: Any) -> Any:
        """Whether a value is known."""
        ...

    def where(self, condition: Any, then: Any, otherwise: Any) -> Any:
        """One of two values by a condition."""
        ...


class MemoryColumns:
    """Columns of sessions in memory, as numpy arrays."""

    score: NDArray[np.float64]
    steps: NDArray[np.float64]
    tokens: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    optimal_steps: NDArray[np.float64]
    impossible: NDArray[np.float64]
    rejected: NDArray[np.float64]

    def __init__(self, sessions: Iterable[Session]) -> None:
        numbers, outcomes = array("d"), array("b")
        for session in sessions:
            numbers.extend([_number(getattr(session, name)) for name in NUMBERS])
            outcomes.append(ENDINGS.index(session.outcome))
        table = np.array(numbers, dtype=np.float64).reshape(len(outcomes), len(NUMBERS))
        self.outcome = np.array(outcomes, dtype=np.int8)
        for place, name in enumerate(NUMBERS):
            setattr(self, name, table[:, place])

    def ended(self, *outcomes: Outcome) -> NDArray[np.bool_]:
        """Whether a session ended in one of these ways."""
        return np.isin(self.outcome, [ENDINGS.index(outcome) for outcome in outcomes])

    def known(self, column: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether a value is known."""
        return ~np.isnan(column)

    def where(self, condition: Any, then: Any, otherwise: Any) -> NDArray[np.float64]:
        """One of two values by a condition; an unknown condition is no."""
        return np.where(condition, then, otherwise)


def field_of(session: Session, name: str) -> str:
    """The value of a field as text, for grouping; ``tags.KEY`` and ``metadata.KEY`` look inside.

    Raises:
        AttributeError: If a session has no such field.
    """
    head, _, key = name.partition(".")
    value: Any = getattr(session, head)
    if key:
        inside: Mapping[str, Any] = value
        value = inside.get(key)
    return "" if value is None else str(value)


def _number(value: float | bool | None) -> float:
    return float("nan") if value is None else float(value)
