"""The records of a distillation that an ordinary run does not have: the teacher's price, the prompt on other models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.corpus import Row
from core.results import Evaluation


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


def teacher_facts(rows: Iterable[Row]) -> TeacherFacts:
    """Gather the provenance that freezing a teacher's verdicts left in the gold."""
    known = [row.meta["teacher"] for row in rows if isinstance(row.meta.get("teacher"), dict)]
    names = {f"{k.get('teacher')} ({k['model']})" if k.get("model") else str(k.get("teacher")) for k in known}
    return TeacherFacts(
        tuple(sorted(names)),
        len(known),
        _mean([k.get("cost_usd") for k in known]),
        _mean([k.get("latency_s") for k in known]),
    )


def _mean(values: list[object]) -> float | None:
    numbers = [float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return sum(numbers) / len(numbers) if numbers and len(numbers) == len(values) else None
