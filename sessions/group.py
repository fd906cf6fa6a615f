"""Groups of sessions with their sums per task: what is tallied, and what metrics are estimated from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sessions.record import Outcome

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """One metric of one group, summed per task; entries are in the order of the group's tasks.

    Attributes:
        numerators: Sum of the numerator over the sessions that count.
        denominators: Sum of the denominator.
        counted: How many sessions count.
    """

    numerators: Vector
    denominators: Vector
    counted: Vector


@dataclass(frozen=True)
class Group:
    """Sessions with the same values of some fields.

    Attributes:
        key: The values, in the order in which the fields were named; empty for all sessions together.
        sessions: How many sessions there are.
        outcomes: How they ended.
        tasks: The tasks; a session without a task is a task of its own.
        sums: By metric name.
    """

    key: tuple[str, ...]
    sessions: int
    outcomes: Mapping[Outcome, int]
    tasks: tuple[str, ...]
    sums: Mapping[str, Sums]

    @property
    def name(self) -> str:
        """The values as one text."""
        return " / ".join(value or "(none)" for value in self.key) or "all sessions"
