"""The records of a distillation that an ordinary run does not have: the teacher's price, the prompt on other models."""

from __future__ import annotations

from dataclasses import dataclass

from core.evaluation import Evaluation


@dataclass(frozen=True)
class TeacherFacts:
    """What the gold says about the teacher that gave the verdicts; None means that it was not measured.

    Attributes:
        names: Teachers and their models, as far as the rows name them.
        rows: Rows that say where their verdict comes from.
        cost: Mean dollars per verdict; None when any of these rows does not know its own.
        latency: Mean seconds per verdict, likewise.
    """

    names: tuple[str, ...] = ()
    rows: int = 0
    cost: float | None = None
    latency: float | None = None


@dataclass(frozen=True)
class Transfer:
    """The winner's prompt on the holdout rows with another student model; without an evaluation, why not."""

    model: str
    evaluation: Evaluation | None
    reason: str = ""


@dataclass(frozen=True)
class Distillation:
    """Beside the outcome of its run, all that the report of a distillation needs."""

    teacher: TeacherFacts
    transfers: tuple[Transfer, ...] = ()
