"""What a transcript format is, and what the formats that hold chat messages share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.json_text import Complain, JsonError, load_json, whole_records
from data.transcript_builder import Reading, TranscriptBuilder, role_of
from data.transcripts import Turn

LINE_FILES = (".jsonl", ".ndjson")
Records = Iterable[tuple[int, Any]]


@dataclass(frozen=True)
class Draft:
    """A transcript before it has an id that is its own."""

    id: str
    turns: tuple[Turn, ...]
    line: int
    metadata: Mapping[str, Any] = field(default_factory=dict)


def json_records(path: Path, complain: Complain) -> Iterator[tuple[int, Any]]:
    """The records of a file: one per line, or the elements of one JSON document."""
    if path.suffix.lower() not in LINE_FILES and (document := _document(path, complain)) is not None:
        many = isinstance(document, list) and messages_in(document) is None
        yield from enumerate(document, 1) if many else [(1, document)]
        return
    with path.open("rb") as handle:
        for number, raw in enumerate(handle, 1):
            line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if not line.strip():
                continue
            try:
                repeated: Complain = lambda _, said, number=number: complain(number, said)  # noqa: E731
                yield number, load_json(line.decode("utf-8"), repeated=repeated)
            except UnicodeDecodeError as error:
                complain(number, f"not UTF-8 (byte 0x{line[error.start]:02x})")
            except JsonError as error:
                complain(number, error.message)


def _document(path: Path, complain: Complain) -> Any:
    """The whole file as one JSON value, or what is whole of it; None when it is none, as with one object per line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    try:
        loaded = load_json(text, repeated=complain)
    except JsonError:
        loaded = whole_records(text, complain) if text.lstrip().startswith("[") else None
    return loaded if isinstance(loaded, (dict, list)) else None


@dataclass(frozen=True)
class TranscriptFormat:
    """One form that transcripts come in.

    Attributes:
        name: What people type, and what each transcript says that it was.
        read: Makes drafts of a file's records; complains about each that it cannot read and goes on.
        recognises: Whether a record is of this form; the first format of the catalog that says so reads the file.
        suffixes: File names whose end alone tells the form.
        one_per_file: Whether a file is one transcript, so that it is named without a line.
        records: The records of a file with their lines; JSON lines or one JSON document unless told otherwise.
    """

    name: str
    read: Callable[[Records, Reading, Complain], Iterator[Draft]]
    recognises: Callable[[Any], bool]
    suffixes: tuple[str, ...] = ()
    one_per_file: bool = False
    records: Callable[[Path, Complain], Iterator[tuple[int, Any]]] = json_records


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
