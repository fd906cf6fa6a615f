"""The record of a synthesis: playbook entries that a model proposed, and from which sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Proposal:
    """What a model proposed from one session.

    Attributes:
        session: Id of the session.
        guidance: What a teacher said about it; empty where nobody did.
        note: What was learned, in words.
        entries: The entries as the model wrote them.
        error: Why there is no answer.
    """

    session: str
    guidance: str = ""
    note: str = ""
    entries: tuple[Mapping[str, Any], ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Synthesised:
    """What a model made of some sessions.

    Attributes:
        run_id: The run that the model was asked in.
        model: Alias of the model.
        offline: Whether it is the embedded stand-in.
        proposals: One for each session that was looked at.
        cost_usd: What the run has paid; None where a price is unknown.
    """

    run_id: str
    model: str
    offline: bool
    proposals: tuple[Proposal, ...]
    cost_usd: float | None = None
