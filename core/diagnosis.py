"""The record of an analysis of failed sessions: why they failed, and which guidelines may help."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """Why one session failed, as a model sees it.

    Attributes:
        session: Id of the failed session.
        solved: Id of the session beside it that solved the same task; empty where there is none.
        cause: What went wrong; empty where the model gave no answer that can be read.
        evidence: The steps that show it.
        error: Why there is no cause.
    """

    session: str
    solved: str
    cause: str
    evidence: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Suggestion:
    """A guideline that may help, and why. It is a guess until an experiment has tested it."""

    guideline: str
    why: str


@dataclass(frozen=True)
class Diagnosis:
    """What a model makes of failed sessions.

    Attributes:
        run_id: The run that the model was asked in.
        model: Alias of the model.
        offline: Whether it is the embedded stand-in.
        about: Which sessions, in words.
        failures: Failed sessions that the question is about; causes are given for a few of them.
        causes: One for each session that was looked at.
        shared_cause: What the causes have in common; empty where only one session was looked at.
        patterns: What mining says of the sessions, as the model was told.
        suggestions: Guidelines, where they were asked for.
        cost_usd: What the run has paid; None where a price is unknown.
    """

    run_id: str
    model: str
    offline: bool
    about: str
    failures: int
    causes: tuple[Cause, ...]
    shared_cause: str = ""
    patterns: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    cost_usd: float | None = None
