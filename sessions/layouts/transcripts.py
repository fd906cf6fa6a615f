"""Session files of coding agents and MLflow traces: their readers say what was said, the records what it cost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from data.formats import FORMATS
from data.json_text import loaded, part
from data.transcript_builder import Reading
from sessions.layouts.base import Complain, Draft, Layout
from sessions.layouts.paths import Place
from sessions.layouts.steps import taken, turns_as_steps
from sessions.layouts.values import UnreadableError, moment
from sessions.record import Session

TOOL_CHARS = 20_000
"""Characters kept of each tool call and output."""
Facts = Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]


def _layout(name: str, summary: str, facts: Facts) -> Layout:
    """A layout by a transcript format: a file is a session, whose success nobody says."""
    form = FORMATS.get(name)

    def read(places: Iterable[Place], complain: Complain) -> Iterator[Draft]:
        rows = [row for place in places for row in place.rows("")]
        records = [row.value for row in rows if isinstance(row.value, Mapping)]
        file = rows[0].file if rows else ""
        for draft in form.read(((row.line, row.value) for row in rows), Reading(TOOL_CHARS), complain):
            if draft.turns:
                steps = turns_as_steps(draft.turns)
                made = Session(
                    id=draft.id or file,
                    experiment=name,
                    steps=taken(steps),
                    errors=tuple(step.error for step in steps if step.error),
                    metadata=dict(draft.metadata),
                    trajectory=steps,
                )
                yield Draft(replace(made, **facts(_of_draft(name, records, draft.id))), draft.line)

    return Layout(name, summary, read, form.recognises)


def _of_draft(name: str, records: Sequence[Mapping[str, Any]], draft_id: str) -> Sequence[Mapping[str, Any]]:
    """The records that a draft was made of: a file's, or of MLflow the traces of one session."""
    if name != "mlflow":
        return records
    return [trace for record in records for trace in _traces(record) if draft_id in (_session(trace), _trace_id(trace))]


def _claude_code(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Model, times, and tokens: each answer counts once, however many records its parts take."""
    usage: dict[str, Mapping[str, Any]] = {}
    model = ""
    for number, record in enumerate(records):
        message = part(record, "message")
        if record.get("type") == "assistant" and message.get("model") not in (None, "<synthetic>"):
            model = str(message["model"])
            usage[str(message.get("id") or number)] = part(message, "usage")
    if not usage:
        return {"model": model, **_times(records)}
    plain = _sum(usage.values(), "input_tokens")
    cached = _sum(usage.values(), "cache_read_input_tokens")
    written = _sum(usage.values(), "cache_creation_input_tokens")
    known = [count for count in (plain, cached, written) if count is not None]
    return {
        "model": model,
        "input_tokens": sum(known) if known else None,
        "cached_tokens": cached,
        "output_tokens": _sum(usage.values(), "output_tokens"),
        **_times(records),
    }


def _codex(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Model, times, and the last running total of tokens."""
    found: dict[str, Any] = {}
    for record in records:
        payload = part(record, "payload")
        if record.get("type") == "turn_context" and payload.get("model"):
            found["model"] = str(payload["model"])
        if payload.get("type") == "token_count":
            total = part(part(payload, "info"), "total_token_usage")
            names = {"input_tokens": "input_tokens", "cached_tokens": "cached_input_tokens",
                     "output_tokens": "output_tokens", "reasoning_tokens": "reasoning_output_tokens"}  # fmt: skip
            found |= {ours: total[theirs] for ours, theirs in names.items() if isinstance(total.get(theirs), int)}
    return found | _times(records)


def _mlflow(traces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Tokens and durations as MLflow adds them up; a trace whose state is an error has an error."""
    found: dict[str, Any] = {}
    usage, spent, failed = [], 0.0, 0
    starts: list[str] = []
    for trace in traces:
        info = part(trace, "info")
        about = part(info, "trace_metadata") or part(info, "request_metadata")
        usage.append(loaded(about.get("mlflow.trace.tokenUsage")))
        millis = info.get("execution_duration", info.get("execution_time_ms"))
        spent += millis / 1000 if isinstance(millis, (int, float)) else 0
        failed += "ERROR" in str(info.get("state", info.get("status", "")))
        if when := _moment(info.get("request_time", info.get("timestamp_ms"))):
            starts.append(when)
        for span in _spans(trace):
            attributes = part(span, "attributes")
            model = attributes.get("mlflow.llm.model", attributes.get("gen_ai.request.model"))
            found.update({"model": str(loaded(model))} if model else {})
    for name in ("input_tokens", "output_tokens"):
        found[name] = _sum([each for each in usage if isinstance(each, Mapping)], name)
    if failed:
        found["errors"] = (f"{failed} of {len(traces)} traces ended in an error",)
    return found | {"latency_s": spent or None, "started_at": min(starts, default=None)}


def _traces(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    many = record.get("traces")
    return [each for each in many if isinstance(each, Mapping)] if isinstance(many, list) else [record]


def _session(trace: Mapping[str, Any]) -> str:
    info = part(trace, "info")
    about = part(info, "trace_metadata") or part(info, "request_metadata")
    return str(about.get("mlflow.trace.session") or "")


def _trace_id(trace: Mapping[str, Any]) -> str:
    info = part(trace, "info")
    return str(info.get("trace_id") or info.get("request_id") or trace.get("trace_id") or "")


def _spans(trace: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    spans = part(trace, "data").get("spans", trace.get("spans"))
    return [span for span in spans if isinstance(span, Mapping)] if isinstance(spans, list) else []


def _times(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Start, end, and the seconds between, without pauses of more than ten minutes in which nobody was at work."""
    known = sorted(when for record in records if (when := _moment(record.get("timestamp"))))
    if not known:
        return {}
    moments = [dt.datetime.fromisoformat(when) for when in known]
    gaps = [(after - before).total_seconds() for before, after in pairwise(moments)]
    return {"started_at": known[0], "finished_at": known[-1], "latency_s": sum(gap for gap in gaps if gap <= 600)}


def _moment(value: Any) -> str | None:
    try:
        return None if value is None else moment(value)
    except UnreadableError:
        return None


def _sum(usage: Iterable[Mapping[str, Any]], name: str) -> int | None:
    known = [each[name] for each in usage if isinstance(each.get(name), int)]
    return sum(known) if known else None


CLAUDE_CODE = _layout("claude-code", "session files of Claude Code", _claude_code)
CODEX = _layout("codex", "rollout files of Codex", _codex)
MLFLOW = _layout("mlflow", "MLflow traces, exported as JSON; traces of one session are one", _mlflow)
