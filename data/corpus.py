"""Gold rows: read from JSONL, JSON or CSV, checked line by line, identified by content."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.catalog import did_you_mean
from core.errors import DataError
from core.plain import canonical, canonical_json
from data.json_text import JsonError, load_json

MAX_PROBLEMS = 20
FEW_ALIKE = 3
MAX_ROW_BYTES = 5_000_000
SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "dev": "dev",
    "val": "dev",
    "validation": "dev",
    "holdout": "holdout",
    "test": "holdout",
}
RESERVED = ("id", "scenarioId", "split", "group")
KNOWN = frozenset((*RESERVED, "input", "label"))
"""Keys of a row that mean something; all others are its ``meta``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One example: inputs and gold, with an id that stays as it was given.

    ``split`` is train, dev, holdout or None; rows with the same ``group`` never end up in different splits.
    """

    id: str
    inputs: Mapping[str, Any]
    gold: Mapping[str, Any]
    split: str | None = None
    group: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """All rows of a task and the file they come from."""

    rows: tuple[Row, ...]
    path: Path
    left_out: tuple[str, ...] = ()
    """Gold fields of the file that the task does not name."""

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that name exactly these rows, in any order."""
        return fingerprint(self.rows)


def fingerprint(rows: Iterable[Row]) -> str:
    """Sixteen hex digits over ids, inputs and gold; the order of rows does not matter."""
    lines = sorted(canonical_json([row.id, dict(row.inputs), dict(row.gold)]) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def content_id(inputs: Mapping[str, Any]) -> str:
    """An id made of the inputs alone: the same inputs get the same id in every file."""
    return hashlib.sha256(canonical(dict(inputs)).encode()).hexdigest()[:12]


def safe_name(text: str) -> str:
    """A file name for an id; only for file names, ids themselves are never changed."""
    return "".join(c if c.isalnum() or c in "-_." else "__" if c == ":" else "_" for c in text)


def read_corpus(
    path: Path,
    *,
    inputs: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
    max_row_bytes: int = MAX_ROW_BYTES,
    require_ids: bool = False,
) -> Corpus:
    """Read gold rows.

    JSONL has one ``{id | scenarioId?, input, label, split?, group?}`` per line; ``.json`` holds a list of them. In CSV
    the columns ``input.x`` and ``label.x`` are fields, or the named ``inputs`` and ``outputs``; otherwise ``label`` (or
    the last column) is the label and every other column an input. With ``require_ids`` a row without an id is a
    mistake; otherwise it is named by its content.

    Raises:
        DataError: With up to twenty mistakes, each with ``file:line``.
    """
    data = read_bytes(path)
    problems: list[str] = []
    if path.suffix.lower() == ".csv":
        items = _csv_items(data.decode(), path, inputs, outputs, problems)
    elif path.suffix.lower() == ".json":
        items = json_items(data.decode(), path)
    else:
        items = jsonl_items((line.decode() for line in io.BytesIO(data)), path, max_row_bytes, problems)
    return _corpus(_rows(items, path, problems, require_ids=require_ids), path, problems)


def parse_jsonl(text: str, source: str, *, require_ids: bool = False, max_row_bytes: int = MAX_ROW_BYTES) -> Corpus:
    """Read JSONL rows from a text; ``source`` is what mistakes are reported under.

    Args:
        text: One ``{id | scenarioId?, input, label, split?, group?}`` per line; blank lines are skipped.
        source: The name of the file, real or not.
        require_ids: Whether a row without an id is a mistake; otherwise it is named by its content.
        max_row_bytes: Longer rows are mistakes.

    Raises:
        DataError: With up to twenty mistakes, each with ``source:line``.
    """
    path, problems = Path(source), list[str]()
    items = jsonl_items(text.split("\n"), path, max_row_bytes, problems)
    return _corpus(_rows(items, path, problems, require_ids=require_ids), path, problems)


def _corpus(rows: list[Row], path: Path, problems: list[str]) -> Corpus:
    if problems:
        told = _alike(problems, path)
        more = len(told) - MAX_PROBLEMS
        tail = [f"... and {more} more"] if more > 0 else []
        raise DataError("\n".join(told[:MAX_PROBLEMS] + tail))
    if not rows:
        raise DataError(f"{path}: there are no rows in it", hint="one JSON object per line: {input, label}")
    return Corpus(tuple(rows), path)


def _alike(problems: list[str], path: Path) -> list[str]:
    """One line for what is wrong in the same words in many lines of a file; a few stay as they are."""
    by_text: dict[str, list[str]] = {}
    for problem in problems:
        line, _, text = problem.removeprefix(f"{path}:").partition(": ")
        by_text.setdefault(text if line.isdigit() else problem, []).append(problem)
    return [
        line
        for same in by_text.values()
        for line in (same if len(same) <= FEW_ALIKE else [f"{same[0]} (and in {len(same) - 1:,} more lines)"])
    ]


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, which are UTF-8 without a mark in front.

    Raises:
        DataError: If it cannot be read or is not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is not a file", hint="name a file of rows: JSONL, JSON or CSV")
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: not UTF-8 (byte 0x{data[error.start]:02x} at offset {error.start})",
            hint="convert it, for instance: iconv -f latin1 -t utf-8 FILE",
        ) from None
    return data


Item = tuple[int, Any]


def jsonl_items(lines: Iterable[str], path: Path, limit: int, problems: list[str]) -> Iterator[Item]:
    """Numbered lines of JSON; what is too long or no JSON becomes a problem."""
    for number, line in enumerate(lines, 1):
        if not line or line.isspace():
            continue
        if len(line) * 4 > limit and (size := len(line.encode())) > limit:
            problems.append(
                f"{path}:{number}: the row has {size:,} bytes; allowed are {limit:,} (corpus.max_row_bytes)"
            )
            continue
        try:
            yield number, load_json(line, strict=True)
        except JsonError as error:
            problems.append(f"{path}:{number}: {error.message}")


def json_items(text: str, path: Path) -> Iterator[Item]:
    """Numbered elements of a JSON list.

    Raises:
        DataError: If it is no list.
    """
    try:
        loaded = load_json(text, strict=True)
    except JsonError as error:
        raise DataError(f"{path}:{error.line}: {error.message}") from None
    if not isinstance(loaded, list):
        raise DataError(f"{path}: a .json corpus is a list of rows, received {type(loaded).__name__}")
    yield from enumerate(loaded, 1)


def _csv_items(
    text: str, path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...], problems: list[str]
) -> Iterator[Item]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.DictReader(io.StringIO(text))
    try:
        columns = list(reader.fieldnames or [])
    except csv.Error as error:
        raise DataError(f"{path}:1: not CSV: {error}") from None
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataError(f"{path}:1: the column {twice[0]!r} stands there twice")
    if len(columns) < 2:
        raise DataError(f"{path}:1: a CSV needs a header with at least two columns, received {columns}")
    plain = [c for c in columns if c not in RESERVED]
    ins = {c: c.removeprefix("input.") for c in plain if c.startswith("input.") or c in inputs}
    outs = {c: c.removeprefix("label.") for c in plain if c.startswith("label.") or c in outputs}
    if not outs:
        outs = {"label": "label"} if "label" in plain else {plain[-1]: plain[-1]}
    if not ins:
        ins = {c: c for c in plain if c not in outs}
    for record in _records(reader, path, problems):
        if None in record or None in record.values():
            problems.append(f"{path}:{reader.line_num}: has other columns than the header")
            continue
        item: dict[str, Any] = {key: record[key] for key in RESERVED if record.get(key)}
        item["input"] = {name: record[column] for column, name in ins.items()}
        item["label"] = {name: cell(record[column]) for column, name in outs.items()}
        yield reader.line_num, item


def _records(reader: csv.DictReader[str], path: Path, problems: list[str]) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        problems.append(f"{path}:{reader.line_num}: not CSV: {error}")


def cell(text: str) -> Any:
    """What a CSV cell holds: JSON lists, objects, numbers and truth values are taken as such, anything else is text."""
    stripped = text.strip()
    if stripped in ("true", "false", "null") or stripped[:1] in "[{-0123456789":
        try:
            return load_json(stripped, strict=True)
        except JsonError:
            pass
    return {"True": True, "False": False}.get(stripped, text)


def _rows(items: Iterator[Item], path: Path, problems: list[str], *, require_ids: bool) -> list[Row]:
    rows: list[Row] = []
    lines: dict[str, int] = {}
    for number, item in items:
        row = _row(item, require_ids)
        if isinstance(row, str):
            problems.append(f"{path}:{number}: {row}")
            continue
        if row.id in lines:
            problems.append(f"{path}:{number}: duplicate id {row.id!r}, first seen at line {lines[row.id]}")
            continue
        lines[row.id] = number
        rows.append(row)
    return rows


def _row(item: Any, require_ids: bool) -> Row | str:
    """A row, or what is wrong with it."""
    if not isinstance(item, dict):
        return f"a row is an object with input and label, received {type(item).__name__}"
    given = item.get("scenarioId", item.get("id"))
    nameless = given is None or given == ""
    if "input" not in item or "label" not in item or (require_ids and nameless):
        missing = [key for key in ("input", "label") if key not in item]
        missing = ["id (or scenarioId)", *missing] if require_ids and nameless else missing
        return f"the row has no {' and no '.join(missing)}; it has {', '.join(item) or 'nothing'}"
    split = item.get("split")
    if split not in (None, "") and not (isinstance(split, str) and split in SPLIT_NAMES):
        near = did_you_mean(str(split), list(SPLIT_NAMES))
        return f"unknown split {split!r}; allowed: {', '.join(SPLIT_NAMES)}{f' ({near})' if near else ''}"
    inputs, gold = item["input"], item["label"]
    inputs = inputs if isinstance(inputs, dict) else {"input": inputs}
    if not inputs:
        return "the row's input is empty"
    group = item.get("group")
    return Row(
        id=content_id(inputs) if nameless else str(given),
        inputs=inputs,
        gold=gold if isinstance(gold, dict) else {"label": gold},
        split=SPLIT_NAMES[split] if split else None,
        group=None if group in (None, "") else str(group),
        meta={} if item.keys() <= KNOWN else {k: v for k, v in item.items() if k not in KNOWN},
    )
