"""Rollout files of Codex."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.formats.base import Complain, Draft, Records, TranscriptFormat
from data.json_text import JsonError, load_json
from data.transcript_builder import Reading, TranscriptBuilder, content_text
from data.transcripts import user_turn

TYPES = {"session_meta", "response_item", "event_msg", "turn_context", "compacted"}
ITEMS = {
    "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output",
    "local_shell_call", "web_search_call",
}  # fmt: skip
IDE_REQUEST = "## My request for Codex:"


def read(records: Records, reading: Reading, complain: Complain) -> Iterator[Draft]:
    """One rollout file of Codex is one transcript; its events are used only where it has no messages."""
    items, events = TranscriptBuilder(reading), TranscriptBuilder(reading)
    session, said = "", False
    for line, record in records:
        if not isinstance(record, Mapping):
            complain(line, f"a record is an object, received {type(record).__name__}")
            continue
        payload, kind = record.get("payload", record), record.get("type")
        if not isinstance(payload, Mapping):
            complain(line, f"a record of type {kind!r} needs a payload that is an object")
        elif kind == "session_meta" or ("instructions" in record and "timestamp" in record):
            session = session or str(payload.get("id") or "")
        elif kind == "event_msg":
            _event(payload, events)
        elif (kind == "response_item" or payload is record) and _is(payload.get("type"), ITEMS):
            said = _item(payload, items) or said
    yield Draft(session, items.turns() if said else events.turns() or items.turns(), 1)


def _item(item: Mapping[str, Any], weaver: TranscriptBuilder) -> bool:
    kind, call_id = item["type"], item.get("call_id") or item.get("id")
    if kind == "message":
        if item.get("role") == "assistant":
            weaver.message({"role": "assistant", "content": item.get("content")})
            return True
        if item.get("role") == "user":
            text = content_text(item.get("content"))
            weaver.user(text.partition(IDE_REQUEST)[2] or text)
            return user_turn(text).role == "user"
    elif kind == "reasoning":
        weaver.think(content_text(item.get("content") or item.get("summary")))
    elif kind in ("function_call", "custom_tool_call"):
        weaver.call(call_id, item.get("name"), item.get("arguments", item.get("input")))
    elif kind == "local_shell_call":
        weaver.call(call_id, "shell", item.get("action"))
    elif kind == "web_search_call":
        action = item.get("action")
        weaver.call(None, "web_search", action.get("query") if isinstance(action, Mapping) else None)
    else:
        output, failed = _output(item.get("output"))
        weaver.result(call_id, output, failed=failed)
    return False


def _is(kind: Any, known: set[str]) -> bool:
    return isinstance(kind, str) and kind in known


def _output(output: Any) -> tuple[str, bool]:
    """The text of a tool's output and whether it failed; older files wrap it in JSON with an exit code."""
    if isinstance(output, str) and output.startswith("{"):
        try:
            loaded = load_json(output)
        except JsonError:
            loaded = None
        if isinstance(loaded, Mapping) and isinstance(loaded.get("output"), str):
            about = loaded.get("metadata")
            code = about.get("exit_code") if isinstance(about, Mapping) else None
            text = loaded["output"]
            return (f"exit code {code}\n{text}", True) if code else (text, False)
    failed = isinstance(output, Mapping) and output.get("success") is False
    return content_text(output), failed


def _event(event: Mapping[str, Any], weaver: TranscriptBuilder) -> None:
    text = content_text(event.get("message") or event.get("text"))
    if event.get("type") == "user_message":
        weaver.user(text.partition(IDE_REQUEST)[2] or text)
    elif event.get("type") == "agent_message":
        weaver.say("assistant", text)
    elif event.get("type") == "agent_reasoning":
        weaver.think(text)


def recognises(record: Any) -> bool:
    """Whether a record is one of a rollout, of today's form or of the oldest."""
    if not isinstance(record, Mapping):
        return False
    kind = record.get("type")
    if _is(kind, TYPES) and isinstance(record.get("payload"), Mapping):
        return True
    return _is(kind, ITEMS) or "record_type" in record or {"id", "timestamp", "instructions"} <= set(record)


CODEX = TranscriptFormat("codex", read, recognises, one_per_file=True)
