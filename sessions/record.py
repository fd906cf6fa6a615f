"""One recorded run of an agent, as a value: what it did, what it cost, and whether it got there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a session ended, for statistics.

    Rates are taken over ``SUCCESS`` and ``AGENT_FAILURE`` alone: a provider that was down says nothing about the
    agent, and neither does a log without a flag. Whoever shows a rate says how many sessions were left out.
    """

    SUCCESS = "success"
    AGENT_FAILURE = "agent_failure"
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"

    @property
    def counts(self) -> bool:
        """Whether a session that ended so belongs in the denominator of a rate."""
        return self in (Outcome.SUCCESS, Outcome.AGENT_FAILURE)

    @staticmethod
    def of(success: bool | None) -> Outcome:
        """What a flag means where nothing went wrong beside the agent."""
        if success is None:
            return Outcome.UNKNOWN
        return Outcome.SUCCESS if success else Outcome.AGENT_FAILURE


@dataclass(frozen=True)
class Step:
    """One step of a trajectory: something said, or a tool that was called, with what came back.

    Attributes:
        role: Who: ``user``, ``assistant``, ``tool``, ``system`` or ``context``.
        text: What was said.
        tool: Name of the tool that was called.
        arguments: What it was called with, as text.
        result: What it gave back, as text.
        error: The error, where the step failed.
        tokens: Tokens of the step, where known.
    """

    role: str
    text: str = ""
    tool: str = ""
    arguments: str = ""
    result: str = ""
    error: str = ""
    tokens: int | None = None


@dataclass(frozen=True)
class Session:
    """One run of an agent on one task; what is not known is None, never zero.

    Attributes:
        id: Unique in a store.
        experiment: The experiment it belongs to.
        config_hash: Digest of the configuration that the agent ran under.
        model: The model that answered.
        task: The task.
        task_code: The benchmark's short name of the task or of its kind, such as ``gpu_race``.
        split: ``train``, ``dev`` or ``holdout``, where the task belongs to one.
        trial: Which repeat of the same task under the same configuration, from 0.
        success: Whether the task was solved; None where nobody knows.
        score: A graded score in [0, 1] where there is one.
        outcome: What ``success`` means for statistics.
        steps: Steps that the agent took.
        input_tokens: Tokens sent.
        output_tokens: Tokens received.
        cached_tokens: Those of the input that the provider had cached.
        reasoning_tokens: Those of the output that were reasoning.
        total_tokens: Input and output together, where the source says no more than that.
        cost_usd: Dollars.
        latency_s: Seconds from start to end.
        optimal_steps: Fewest steps that solve the task.
        impossible: Whether the task is labelled impossible.
        rejected: Whether the agent ended with a refusal.
        errors: Error texts, in order.
        components: md5 of each prompt component.
        guidelines: Texts of the guidelines that were in force.
        started_at: ISO 8601, UTC.
        finished_at: ISO 8601, UTC.
        tags: Free words to choose sessions by.
        metadata: Whatever else the source said, as JSON.
        trajectory: The steps; None when they were not loaded.
    """

    id: str
    experiment: str = ""
    config_hash: str = ""
    model: str = ""
    task: str = ""
    task_code: str = ""
    split: str = ""
    trial: int = 0
    success: bool | None = None
    score: float | None = None
    outcome: Outcome = Outcome.UNKNOWN
    steps: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    optimal_steps: int | None = None
    impossible: bool | None = None
    rejected: bool | None = None
    errors: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    guidelines: tuple[str, ...] = ()
    started_at: str | None = None
    finished_at: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    trajectory: tuple[Step, ...] | None = None

    @property
    def tokens(self) -> int | None:
        """Input and output together: of what is known, else the sum that the source gives, else None."""
        known = [count for count in (self.input_tokens, self.output_tokens) if count is not None]
        return sum(known) if known else self.total_tokens
