"""Chat messages as OpenAI, Anthropic, LangChain and ShareGPT write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.formats.base import Complain, Draft, Records, TranscriptFormat, messages_in, woven
from data.transcript_builder import Reading, role_of


def read(records: Records, reading: Reading, complain: Complain) -> Iterator[Draft]:
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


def recognises(record: Any) -> bool:
    """Whether a record is a chat message, or has or is a list of them."""
    return messages_in(record) is not None or role_of(record) is not None


OPENAI = TranscriptFormat("openai", read, recognises)
