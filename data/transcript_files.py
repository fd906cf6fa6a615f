"""The door for transcripts: a file, a folder or a pattern in, transcripts out, whatever form they are in."""

from __future__ import annotations

import glob
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from core.errors import DataError, UsageError
from data.transcript_builder import Reading, role_of
from data.transcript_formats import (
    CLAUDE_KEYS,
    CLAUDE_TYPES,
    CODEX_ITEMS,
    CODEX_TYPES,
    FIELDS,
    Complain,
    Draft,
    Records,
    claude_code,
    codex,
    messages_in,
    openai,
    rows,
)
from data.transcript_traces import is_trace, mlflow
from data.transcripts import Transcript, parse_text, with_ids

Reader = Callable[[Records, Reading, Complain], Iterator[Draft]]
READERS: Mapping[str, Reader] = {
    "claude-code": claude_code,
    "codex": codex,
    "openai": openai,
    "mlflow": mlflow,
    "rows": rows,
}
FORMATS = ("auto", *READERS, "text")
LINE_FILES = (".jsonl", ".ndjson")
TEXT_FILES = (".md", ".markdown", ".txt", ".log")
SUFFIXES = (*LINE_FILES, ".json", *TEXT_FILES)
MAX_FILE_BYTES = 200_000_000
MAX_PROBLEMS = 20
SNIFFED = 50
"""Records that are looked at to tell a format."""


@dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        transcripts: In the order of files and lines, each with an id of its own.
        skipped: Lines and files that could not be read, each with its place; empty unless reading was lenient.
        copies: Transcripts left out because the same text with the same id was there already.
        files: Number of files read.
        empty: Files in which nobody says anything.
    """

    transcripts: tuple[Transcript, ...]
    skipped: tuple[str, ...]
    copies: int
    files: int
    empty: tuple[str, ...]

    @property
    def formats(self) -> dict[str, int]:
        """How many transcripts came in each format."""
        return dict(sorted(Counter(str(t.metadata["format"]) for t in self.transcripts).items()))


def read_transcripts(
    source: str, *, root: Path, form: str = "auto", lenient: bool = False, reading: Reading | None = None
) -> Found:
    """Read every transcript of a file, a folder or a glob pattern, relative to ``root``.

    Files with one JSON object per line are read line by line; no file may have more than 200 MB.

    Raises:
        UsageError: If the format is unknown or the source does not exist.
        DataError: With up to twenty mistakes, each with ``file:line``, unless ``lenient``; if no transcript is left.
    """
    if form not in FORMATS:
        raise UsageError(f"format: received {form!r}; allowed: {', '.join(FORMATS)}")
    reading = reading or Reading()
    if reading.tool_chars < 0:
        raise UsageError(f"tool_chars: received {reading.tool_chars}; allowed is 0 or more")
    base, paths = _files(source, root)
    problems: list[str] = []
    found: list[Transcript] = []
    empty: list[str] = []
    for path in paths:
        label = path.relative_to(base).as_posix()
        before, wrong = len(found), len(problems)
        found += _of_file(path, label, form, reading, problems)
        if len(found) == before and len(problems) == wrong:
            empty.append(label)
    if problems and not lenient:
        more = len(problems) - MAX_PROBLEMS
        tail = [f"... and {more} more"] if more > 0 else []
        hint = "mend them, or leave them out with --lenient"
        raise DataError("\n".join(problems[:MAX_PROBLEMS] + tail), hint=hint)
    if not found:
        raise DataError(
            f"{source}: no transcript in {len(paths)} files"
            + (f"; {len(problems)} lines were skipped, the first: {problems[0]}" if problems else ""),
            hint=f"name the form with --format: {', '.join(FORMATS)}",
        )
    transcripts, copies = with_ids(found)
    return Found(transcripts, tuple(problems), copies, len(paths), tuple(empty))


def _files(source: str, root: Path) -> tuple[Path, list[Path]]:
    """The files of a source in a stable order, and the folder their names are given relative to."""
    path = root / Path(source).expanduser()
    if path.is_file():
        return path.parent, [path]
    if path.is_dir():
        inside = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        found = sorted(p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts))
        if not found:
            raise UsageError(f"{source}: the folder has no {', '.join(SUFFIXES)}")
        return path, found
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
    found = [match for match in matches if match.is_file()]
    if not found:
        raise UsageError(f"{source}: there is no such file or folder, and no file fits it as a pattern (in {root})")
    parents = [set(match.parents) for match in found]
    return max(set.intersection(*parents), key=lambda parent: len(parent.parts)), found


def _of_file(path: Path, label: str, form: str, reading: Reading, problems: list[str]) -> Iterator[Transcript]:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            problems.append(f"{label}: has {size:,} bytes; allowed are {MAX_FILE_BYTES:,}; split the file")
            return
        chosen = form if form != "auto" else _sniff(path)
        if chosen is None:
            problems.append(f"{label}: no transcript format that is known; looked for {', '.join(FORMATS[1:])}")
            return
        if chosen == "text":
            drafts: Iterator[Draft] = _text_file(path, label, problems)
        else:

            def complain(line: int, message: str) -> None:
                problems.append(f"{label}:{line}: {message}")

            drafts = READERS[chosen](_records(path, complain), reading, complain)
        for draft in drafts:
            if draft.turns:
                place = label if chosen in ("text", "claude-code", "codex") else f"{label}:{draft.line}"
                yield Transcript(draft.id, draft.turns, place, {"format": chosen, **draft.metadata})
    except OSError as error:
        problems.append(f"{label}: cannot be read: {error.strerror or error}")


def _text_file(path: Path, label: str, problems: list[str]) -> Iterator[Draft]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problems.append(f"{label}:{line}: not UTF-8 (byte 0x{data[error.start]:02x})")
        return
    yield Draft("", parse_text(text), 1)


def _records(path: Path, complain: Complain) -> Iterator[tuple[int, Any]]:
    """The records of a file: one per line, or the elements of one JSON document."""
    if path.suffix.lower() not in LINE_FILES and (document := _document(path)) is not None:
        many = isinstance(document, list) and messages_in(document) is None
        yield from enumerate(document, 1) if many else [(1, document)]
        return
    with path.open("rb") as handle:
        for number, raw in enumerate(handle, 1):
            line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if not line.strip():
                continue
            try:
                yield number, json.loads(line.decode("utf-8"))
            except UnicodeDecodeError as error:
                complain(number, f"not UTF-8 (byte 0x{line[error.start]:02x})")
            except json.JSONDecodeError as error:
                complain(number, f"not JSON: {error.msg} at column {error.colno}")
            except RecursionError:
                complain(number, "not JSON that can be read: it is nested too deeply")


def _document(path: Path) -> Any:
    """The whole file as one JSON value; None when it is not one, as with one object per line."""
    try:
        loaded = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return loaded if isinstance(loaded, (dict, list)) else None


def _sniff(path: Path) -> str | None:
    """The format of a file by its name where that is telling, else by its first records."""
    if path.suffix.lower() in TEXT_FILES:
        return "text"
    for _, record in islice(_records(path, lambda _line, _message: None), SNIFFED):
        if form := _form_of(record):
            return form
    with path.open("rb") as handle:
        start = handle.read(1000).lstrip()
    return None if path.suffix.lower() in SUFFIXES or start[:1] == b"{" or b"\0" in start else "text"


def _form_of(record: Any) -> str | None:
    if not isinstance(record, Mapping):
        return "openai" if messages_in(record) is not None else None
    kind = record.get("type")
    if kind in CODEX_TYPES and isinstance(record.get("payload"), Mapping):
        return "codex"
    if kind in CODEX_ITEMS or "record_type" in record or {"id", "timestamp", "instructions"} <= set(record):
        return "codex"
    if kind in CLAUDE_TYPES and CLAUDE_KEYS & set(record):
        return "claude-code"
    if is_trace(record):
        return "mlflow"
    if messages_in(record) is not None or role_of(record):
        return "openai"
    return "rows" if "input" in record or any(name in record for name in FIELDS) else None
