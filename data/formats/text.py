"""Plain text and Markdown with heads such as ``[user]`` or ``## User``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.formats.base import Complain, Draft, Records, TranscriptFormat
from data.transcript_builder import Reading
from data.transcripts import parse_text


def read(records: Records, reading: Reading, complain: Complain) -> Iterator[Draft]:
    """A file is one transcript; a text without heads is one note."""
    for line, text in records:
        yield Draft("", parse_text(text), line)


def whole_text(path: Path, complain: Complain) -> Iterator[tuple[int, Any]]:
    """The text of a file as its only record."""
    data = path.read_bytes()
    try:
        yield 1, data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        complain(data[: error.start].count(b"\n") + 1, f"not UTF-8 (byte 0x{data[error.start]:02x})")


TEXT = TranscriptFormat(
    "text",
    read,
    recognises=lambda record: False,
    suffixes=(".md", ".markdown", ".txt", ".log"),
    one_per_file=True,
    records=whole_text,
)
