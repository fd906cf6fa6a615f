"""A session as a portable trace: one record with its learning key, its rewards and a list of typed events."""

from __future__ import annotations

from typing import Any

from sessions.learning import KEY, MODE, REVIEW, reward_of
from sessions.record import Session, Step


def trace(session: Session) -> dict[str, Any]:
    """A session for tools that know no more than learning keys, rewards and events; unknown is null."""
    about = session.metadata
    stats = about.get("reward_stats")
    uncertainty = stats.get("uncertainty") if isinstance(stats, dict) else None
    mode = session.tags.get(MODE)
    summary = about.get("adaptive_summary")
    adaptive = dict(summary) if isinstance(summary, dict) else {}
    return {
        "session_id": session.id,
        "task": session.task,
        "learning_key": session.tags.get(KEY),
        "execution_mode": mode or adaptive.get("execution_mode"),
        "review_status": session.tags.get(REVIEW),
        "status": session.outcome.value,
        "started_at": session.started_at,
        "finished_at": session.finished_at,
        "session_metadata": {**about, "adaptive_summary": {**({"execution_mode": mode} if mode else {}), **adaptive}},
        "reward_stats": stats,
        "reward_audit": about.get("reward_audit"),
        "session_reward": {"score": reward_of(session), "uncertainty": uncertainty},
        "token_usage": {
            "prompt_tokens": session.input_tokens,
            "completion_tokens": session.output_tokens,
            "total_tokens": session.tokens,
        },
        "tags": dict(session.tags),
        "trajectory_events": [_event(number, step) for number, step in enumerate(session.trajectory or ())],
    }


def _event(number: int, step: Step) -> dict[str, Any]:
    kind = "error" if step.error else "tool_call" if step.tool else "message"
    said = {name: value for name in ("text", "tool", "arguments", "result", "error") if (value := getattr(step, name))}
    return {"id": number, "event_type": kind, "actor": step.role, "event": said}
