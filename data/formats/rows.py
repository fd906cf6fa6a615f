"""Rows of a corpus, one of whose fields is a transcript."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.formats.base import Complain, Draft, Records, TranscriptFormat, messages_in, woven
from data.transcript_builder import Reading
from data.transcripts import parse_text, tidy

FIELDS = ("transcript", "messages", "conversation", "conversations", "dialogue", "dialog", "session", "chat", "log")
"""Names under which a row keeps its transcript, in the order they are looked for."""


def read(records: Records, reading: Reading, complain: Complain) -> Iterator[Draft]:
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


def recognises(record: Any) -> bool:
    """Whether a record has an input, or a field that is named like a transcript."""
    return isinstance(record, Mapping) and ("input" in record or any(name in record for name in FIELDS))


ROWS = TranscriptFormat("rows", read, recognises)
