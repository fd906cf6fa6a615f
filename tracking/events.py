"""What can happen to a run: the kinds of events, and an event as the store keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """What an event says; beside each kind, the record that its payload is (JSON).

    A kind is never renamed or given another payload: files of earlier versions hold it. A consumer has one table from
    kinds to what it does with them, and leaves out what is not in it.
    """

    STARTED = "started"
    """``RunStart``; always the first."""
    CONTINUED = "continued"
    """``{}``: taken up again after it had not finished."""
    FORECAST = "forecast"
    """``Plan``."""
    CANDIDATE = "candidate"
    """``Candidate``."""
    EVALUATION = "evaluation"
    """``Evaluation``."""
    VERDICT = "verdict"
    """``Verdict`` of a gate that was asked outside an optimisation."""
    JUDGE_CARD = "judge-card"
    """``JudgeCard``."""
    STEP = "step"
    """``{"step", "lines", "failed"}``: a step of a matrix, the lines it wrote and how many of them failed."""
    MATRIX = "matrix"
    """``Matrix``."""
    PAIR = "pair"
    """``PairResult``: a pair of sessions that entered a sequential test."""
    EXPERIMENT = "experiment"
    """``Experiment``."""
    SWEPT = "swept"
    """``{"patch", "run_id"}``: a patch of a sweep, by its number, and the search that was finished for it."""
    SWEEP = "sweep"
    """``Sweep``."""
    DIAGNOSIS = "diagnosis"
    """``Diagnosis``."""
    SYNTHESIS = "synthesis"
    """``Synthesised``."""
    LEARNING = "learning"
    """``LearningComparison``."""
    DISTILLATION = "distillation"
    """``Distillation``."""
    PROVENANCE = "provenance"
    """``Provenance``."""
    FINISHED = "finished"
    """``Optimization``."""
    FAILED = "failed"
    """``{"error", "message"}``."""
    CLOSED = "closed"
    """``{"state"}``: finished, failed, stopped, interrupted or exhausted."""
    REPORT = "report"
    """``{"path"}``."""
    EXPORTED = "exported"
    """``{"format", "path", "provenance"}``."""
    PROMOTED = "promoted"
    """``{"prompt_hash", "forced", "reason"}``."""
    ROLLED_BACK = "rolled_back"
    """``{"prompt_hash", "forced", "reason"}``."""


@dataclass(frozen=True)
class Event:
    """One thing that happened in a run, as JSON.

    ``kind`` is bare text where another version of the project wrote a kind that this one does not know.
    """

    seq: int
    run_id: str
    kind: EventKind | str
    at: str
    payload: str


def kind_of(kind: str) -> EventKind | str:
    """The kind of this name, or the name itself where it is another version's."""
    return EventKind(kind) if kind in KINDS else kind


KINDS = frozenset(kind.value for kind in EventKind)
