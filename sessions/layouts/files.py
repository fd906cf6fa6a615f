"""Files of logs as documents with their lines: JSON, JSON lines and CSV, also half-written ones."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from data.formats.base import LINE_FILES, json_records
from data.json_text import Complain, JsonError, load_json, whole_records
from sessions.layouts.paths import Place

SUFFIXES = (*LINE_FILES, ".json", ".csv", ".tsv")
_FIELD_CHARS = 50_000_000


def documents(path: Path, complain: Complain, base: Path | None = None) -> Iterator[Place]:
    """The documents of a file, each with its line: one for each line, or the whole file where it is one JSON value.

    Raises:
        OSError: If the file cannot be read.
    """
    file = path.relative_to(base or path.parent).with_suffix("").as_posix()
    if path.suffix.lower() in (".csv", ".tsv"):
        yield from _rows(path, file, complain)
    elif path.suffix.lower() in LINE_FILES:
        yield from _lines(path, file, complain)
    else:
        yield from _whole(path, file, complain)


def _lines(path: Path, file: str, complain: Complain) -> Iterator[Place]:
    for line, value in json_records(path, complain):
        yield Place(value, line=line, file=file)


def _whole(path: Path, file: str, complain: Complain) -> Iterator[Place]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        complain(1, f"not UTF-8 at byte {error.start}")
        return
    try:
        value = load_json(text, repeated=complain)
    except JsonError as error:
        first = next((line for line in text.splitlines() if line.strip()), "")
        if _is_object(first):
            yield from _lines(path, file, complain)
            return
        value = whole_records(text, complain)
        if value is None:
            complain(error.line, f"{error.message}; nothing of this file can be read")
            return
    yield Place(value, line=1, file=file)


def _is_object(line: str) -> bool:
    try:
        return isinstance(load_json(line), dict)
    except JsonError:
        return False


def _rows(path: Path, file: str, complain: Complain) -> Iterator[Place]:
    csv.field_size_limit(max(csv.field_size_limit(), _FIELD_CHARS))
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        reader = csv.DictReader(handle, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        rows, names = iter(reader), list(reader.fieldnames or ())
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            complain(1, f"column {name!r} is there {names.count(name)} times; the last one counts")
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                complain(reader.line_num, f"not CSV: {error}")
                continue
            if row is None:
                return
            if None in row:
                complain(
                    reader.line_num, f"more cells than the {len(reader.fieldnames or ())} columns; the rest is left out"
                )
            lacking = [name for name, value in row.items() if value is None]
            if lacking:
                complain(reader.line_num, f"half a line: no {', '.join(map(str, lacking))}")
            values = {name: _cell(value) for name, value in row.items() if name is not None and value is not None}
            yield Place(values, line=reader.line_num, file=file)


def _cell(value: str) -> object:
    """A cell; lists and objects in it are read as JSON."""
    if value[:1] in ("[", "{"):
        try:
            return load_json(value)
        except JsonError:
            return value
    return value
