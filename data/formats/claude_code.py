"""Session files of Claude Code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.formats.base import Complain, Draft, Records, TranscriptFormat
from data.transcript_builder import Reading, TranscriptBuilder, content_text

TYPES = {"user", "assistant", "system", "summary", "file-history-snapshot", "queue-operation", "progress"}
KEYS = {"message", "messageId", "sessionId", "leafUuid", "uuid"}
"""One of them is in every record of Claude Code."""


def read(records: Records, reading: Reading, complain: Complain) -> Iterator[Draft]:
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


def recognises(record: Any) -> bool:
    """Whether a record is one of a session."""
    kind = record.get("type") if isinstance(record, Mapping) else None
    return isinstance(kind, str) and kind in TYPES and bool(KEYS & set(record))


CLAUDE_CODE = TranscriptFormat("claude-code", read, recognises, one_per_file=True)
