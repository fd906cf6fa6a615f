"""Sessions from our own evaluations: a row that an agent has worked on, as a session."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.evaluation import RowResult, RowStatus
from sessions.record import Outcome, Session, Step

REFUSED = "refused"
"""The ``outcome`` of a prediction whose agent gave the task back."""
_FAILED = {
    RowStatus.PARSE_ERROR: Outcome.AGENT_FAILURE,  # the prompt made the model answer in another form
    RowStatus.LM_ERROR: Outcome.INFRASTRUCTURE,
}
"""What a row without a score says of its agent; whatever else went wrong says nothing."""


def session_of(result: RowResult, like: Session, *, threshold: float = 1.0) -> Session:
    """The session that a row's result stands for.

    Read from the prediction are ``steps`` (a list of ``{text, tool, arguments, result | error}``) and ``outcome``;
    from gold ``impossible`` and ``optimal_steps``. Tokens and dollars are what the session is worth when nothing of it
    is in the ledger yet, so that one that was continued or asked again does not look free.

    Args:
        result: One row after evaluation, run once.
        like: What the session has in common with its experiment: experiment, model, guidelines, trial, split, times.
            Without an id it gets one of experiment, configuration, row and trial.
        threshold: The score from which it is a success.
    """
    steps = _steps(result.prediction.get("steps"))
    errors = [step.error for step in steps or () if step.error]
    known = result.worth.calls > 0 or result.status is RowStatus.OK
    success = None if result.score is None else result.score >= threshold
    parts = (like.experiment, like.config_hash[:12], like.model, result.row_id, f"trial {like.trial}")
    return dataclasses.replace(
        like,
        id=like.id or " / ".join(part for part in parts if part),
        task=like.task or result.row_id,
        success=False if result.status is RowStatus.PARSE_ERROR else success,
        score=result.score,
        outcome=_outcome(result.status, success),
        steps=None if steps is None else len(steps),
        input_tokens=result.worth.input_tokens if known else None,
        output_tokens=result.worth.output_tokens if known else None,
        cached_tokens=result.worth.cached_tokens if known else None,
        reasoning_tokens=result.worth.reasoning_tokens if known else None,
        cost_usd=result.worth.cost_usd if known else None,
        latency_s=result.latency if known else None,
        optimal_steps=_whole(result.gold.get("optimal_steps")),
        impossible=_truth(result.gold.get("impossible")),
        rejected=None if "outcome" not in result.prediction else result.prediction["outcome"] == REFUSED,
        errors=(*errors, *((result.error,) if result.error else ())),
        trajectory=steps,
    )


def _outcome(status: RowStatus, success: bool | None) -> Outcome:
    if success is None:
        return _FAILED.get(status, Outcome.UNKNOWN)
    return Outcome.SUCCESS if success else Outcome.AGENT_FAILURE


def _steps(found: Any) -> tuple[Step, ...] | None:
    if not isinstance(found, Sequence) or isinstance(found, str):
        return None
    return tuple(_step(step) for step in _mappings(found))


def _mappings(found: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    return (step for step in found if isinstance(step, Mapping))


def _step(step: Mapping[str, Any]) -> Step:
    return Step(
        "assistant",
        text=str(step.get("text", "")),
        tool=str(step.get("tool", "")),
        arguments=_text(step.get("arguments")),
        result=_text(step.get("result")),
        error=str(step.get("error", "")),
    )


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
