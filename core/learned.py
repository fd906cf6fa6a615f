"""The record of a learning report that compares: each key's figures, and what they were compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LearnedKey:
    """One learning key in a report.

    Attributes:
        key: The learning key.
        control: The key that it was compared with, task by task; empty where with none.
        numbers: Figures by the name that MLflow shows; None where one is not known.
    """

    key: str
    control: str
    numbers: Mapping[str, float | None]


@dataclass(frozen=True)
class LearningComparison:
    """A learning report that compares keys with controls or with an earlier report.

    Attributes:
        run_id: The run that recorded it.
        started_at: ISO 8601, UTC.
        conditions: How the sessions came about and were looked at, by name.
        earlier: Conditions of the report that it was compared with; empty where with none.
        keys: The keys, in the order of the report.
    """

    run_id: str
    started_at: str
    conditions: Mapping[str, str]
    earlier: Mapping[str, str]
    keys: tuple[LearnedKey, ...]
