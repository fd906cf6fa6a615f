"""What the records of each transcript format mean: Claude Code, Codex, OpenAI messages, and rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from data.transcript_builder import Reading, TranscriptBuilder, content_text, role_of
from data.transcripts import Turn, parse_text, tidy, user_turn

Records = Iterable[tuple[int, Any]]
Complain = Callable[[int, str], None]
"""Takes the line and what is wrong with it; reading goes on."""
CLAUDE_TYPES = {"user", "assistant", "system", "summary", "file-history-snapshot", "queue-operation", "progress"}
CLAUDE_KEYS = {"message", "messageId", "sessionId", "leafUuid", "uuid"}
"""One of them is in every record of Claude Code."""
CODEX_TYPES = {"session_meta", "response_item", "event_msg", "turn_context", "compacted"}
CODEX_ITEMS = {
    "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output",
    "local_shell_call", "web_search_call",
}  # fmt: skip
FIELDS = ("transcript", "messages", "conversation", "conversations", "dialogue", "dialog", "session", "chat", "log")
"""Names under which a row keeps its transcript, in the order they are looked for."""
IDE_REQUEST = "## My request for Codex:"


@dataclass(frozen=True)
class Draft:
    """A transcript before it has an id that is its own."""

    id: str
    turns: tuple[Turn, ...]
    line: int
    metadata: Mapping[str, Any] = field(default_factory=dict)


def claude_code(records: Records, reading: Reading, complain: Complain) -> Iterator[Draft]:
    """One session file of Claude Code is one transcript; the turns of sub-agents (side chains) are only counted."""
    weaver, seen, meta = TranscriptBuilder(reading), set[str](), {"sidechain_records": 0, "compactions": 0}
    session, first = "", 0
    for line, record in records:
        if not isinstance(record, Mapping):
            complain(line, f"a record is an object, received {type(record).__name__}")
            continue
        kind, uuid = record.get("type"), record.get("uuid")
        if kind not in ("user", "assistant") or (isinstance(uuid, str) and uuid in seen):
            continue
        if isinstance(uuid, str):
            seen.add(uuid)
        message = record.get("message")
        if not isinstance(message, Mapping) or "content" not in message:
            complain(line, f"a record of type {kind!r} needs message.content")
            continue
        if record.get("isSidechain") is True:
            meta["sidechain_records"] += 1
            continue
        first = first or line
        session = session or str(record.get("sessionId") or "")
        if record.get("isCompactSummary") is True:
            meta["compactions"] += 1
            weaver.aside(content_text(message["content"]))
        elif record.get("isApiErrorMessage") is True:
            weaver.aside(content_text(message["content"]))
        elif record.get("isMeta") is not True and message.get("model") != "<synthetic>":
            weaver.message({"role": kind, "content": message["content"]})
    yield Draft(session, weaver.turns(), first, {name: count for name, count in meta.items() if count})


def codex(records: Records, reading: Reading, complain: Complain) -> Iterator[Draft]:
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
            _codex_event(payload, events)
        elif (kind == "response_item" or payload is record) and payload.get("type") in CODEX_ITEMS:
            said = _codex_item(payload, items) or said
    yield Draft(session, items.turns() if said else events.turns() or items.turns(), 1)


def _codex_item(item: Mapping[str, Any], weaver: TranscriptBuilder) -> bool:
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
        output, failed = _codex_output(item.get("output"))
        weaver.result(call_id, output, failed=failed)
    return False


def _codex_output(output: Any) -> tuple[str, bool]:
    """The text of a tool's output and whether it failed; older files wrap it in JSON with an exit code."""
    if isinstance(output, str) and output.startswith("{"):
        try:
            loaded = json.loads(output)
        except json.JSONDecodeError:
            loaded = None
        if isinstance(loaded, Mapping) and isinstance(loaded.get("output"), str):
            about = loaded.get("metadata")
            code = about.get("exit_code") if isinstance(about, Mapping) else None
            text = loaded["output"]
            return (f"exit code {code}\n{text}", True) if code else (text, False)
    failed = isinstance(output, Mapping) and output.get("success") is False
    return content_text(output), failed


def _codex_event(event: Mapping[str, Any], weaver: TranscriptBuilder) -> None:
    text = content_text(event.get("message") or event.get("text"))
    if event.get("type") == "user_message":
        weaver.user(text.partition(IDE_REQUEST)[2] or text)
    elif event.get("type") == "agent_message":
        weaver.say("assistant", text)
    elif event.get("type") == "agent_reasoning":
        weaver.think(text)


def openai(records: Records, reading: Reading, complain: Complain) -> Iterator[Draft]:
    """Each record is ``{messages: [...]}`` or a list of messages; records that are messages make one transcript."""
    loose: list[Any] = []
    first = 0
    for line, record in records:
        if role_of(record):
            first = first or line
            loose.append(record)
            continue
        found = messages_in(record)
        if found is None:
            complain(line, "neither {messages: [{role, content}, ...]} nor a message {role, content}")
            continue
        about: Mapping[str, Any] = record if isinstance(record, Mapping) else {}
        name = next((str(about[key]) for key in ("id", "conversation_id", "session_id") if about.get(key)), "")
        if turns := woven(found, reading, complain, line):
            yield Draft(name, turns, line)
    if loose:
        yield Draft("", woven(loose, reading, complain, first), first)


def messages_in(value: Any) -> list[Any] | None:
    """The list of chat messages that a value is or has; None when there is none."""
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("messages", "conversations") if isinstance(value.get(key), list)), None)
    if isinstance(value, list) and value and any(role_of(message) for message in value):
        return value
    return None


def woven(messages: Iterable[Any], reading: Reading, complain: Complain, line: int) -> tuple[Turn, ...]:
    """The turns of chat messages; a message without a known role is complained about."""
    weaver = TranscriptBuilder(reading)
    for place, message in enumerate(messages, 1):
        if not isinstance(message, Mapping) or not weaver.message(message):
            complain(line, f"message {place} has no role that is known (user, assistant, tool, system) and no content")
    return weaver.turns()


def rows(records: Records, reading: Reading, complain: Complain) -> Iterator[Draft]:
    """Each record is a row whose ``input.transcript`` is a transcript, or another field of ``FIELDS``."""
    for line, record in records:
        if not isinstance(record, Mapping):
            complain(line, f"a row is an object, received {type(record).__name__}")
            continue
        inputs = record.get("input")
        value = inputs if isinstance(inputs, str) else None
        if isinstance(inputs, Mapping):
            value = field_of(inputs) or (next(iter(inputs.values())) if len(inputs) == 1 else None)
        value = value or field_of(record)
        found = messages_in(value)
        if not found and not isinstance(value, str):
            complain(line, f"no field is a transcript; looked for {', '.join(FIELDS)} in {', '.join(record)}")
            continue
        turns = woven(found, reading, complain, line) if found else parse_text(tidy(str(value)))
        name = record.get("scenarioId", record.get("id"))
        if turns:
            yield Draft("" if name is None else str(name), turns, line)


def field_of(record: Mapping[str, Any]) -> Any:
    """The first field of ``FIELDS`` that is a text or a list of messages."""
    values = (record.get(name) for name in FIELDS)
    return next((v for v in values if v and (isinstance(v, str) or messages_in(v))), None)
