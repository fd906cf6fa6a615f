"""The door for transcripts: a file, a folder or a pattern in, transcripts out, whatever form they are in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from core.catalog import did_you_mean
from core.errors import DataError, UsageError
from data.files import find_files
from data.formats import AUTO, FORMATS
from data.formats.base import LINE_FILES, TranscriptFormat, json_records
from data.formats.text import TEXT
from data.transcript_builder import Reading
from data.transcripts import Transcript, with_ids

NAMES = (AUTO, *FORMATS.names)
SUFFIXES = (*LINE_FILES, ".json", *(suffix for form in FORMATS for suffix in form.suffixes))
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
    if form not in NAMES:
        raise UsageError(f"format: received {form!r}; allowed: {', '.join(NAMES)}", hint=did_you_mean(form, NAMES))
    reading = reading or Reading()
    if reading.tool_chars < 0:
        raise UsageError(f"tool_chars: received {reading.tool_chars}; allowed is 0 or more")
    base, paths = find_files(source, root, SUFFIXES)
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
            hint=f"name the form with --format: {', '.join(NAMES)}",
        )
    transcripts, copies = with_ids(found)
    return Found(transcripts, tuple(problems), copies, len(paths), tuple(empty))


def _of_file(path: Path, label: str, form: str, reading: Reading, problems: list[str]) -> Iterator[Transcript]:
    def complain(line: int, message: str) -> None:
        problems.append(f"{label}:{line}: {message}")

    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            problems.append(f"{label}: has {size:,} bytes; allowed are {MAX_FILE_BYTES:,}; split the file")
            return
        chosen = FORMATS.get(form) if form != AUTO else _recognised(path)
        if chosen is None:
            problems.append(f"{label}: no transcript format that is known; looked for {', '.join(FORMATS.names)}")
            return
        for draft in chosen.read(chosen.records(path, complain), reading, complain):
            if draft.turns:
                place = label if chosen.one_per_file else f"{label}:{draft.line}"
                yield Transcript(draft.id, draft.turns, place, {"format": chosen.name, **draft.metadata})
    except OSError as error:
        problems.append(f"{label}: cannot be read: {error.strerror or error}")


def _recognised(path: Path) -> TranscriptFormat | None:
    """The format of a file by its name where that is telling, else by its first records."""
    for form in FORMATS:
        if path.suffix.lower() in form.suffixes:
            return form
    for _, record in islice(json_records(path, lambda _line, _message: None), SNIFFED):
        for form in FORMATS:
            if form.recognises(record):
                return form
    with path.open("rb") as handle:
        start = handle.read(1000).lstrip()
    return None if path.suffix.lower() in SUFFIXES or start[:1] == b"{" or b"\0" in start else TEXT
