"""Labelled rows as people have them, told by their columns and made into gold rows: any delimiter, JSON, Parquet."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.catalog import did_you_mean
from core.errors import DataError, UsageError
from core.plain import canonical
from data.corpus import MAX_ROW_BYTES, RESERVED, SPLIT_NAMES, Row, cell, content_id, json_items, jsonl_items, read_bytes

DELIMITERS = ",;\t|"
SNIFFED = 65_536
PARQUET = (".parquet", ".pq")
SHEETS = (".xlsx", ".xls", ".ods", ".numbers")
SHOWN = 5


@dataclass(frozen=True)
class Layout:
    """Names under which one kind of data set has its input and its label."""

    input: str
    label: str


LAYOUTS = (
    Layout("input", "label"), Layout("input", "output"), Layout("text", "label"), Layout("text", "answer"),
    Layout("question", "answer"), Layout("prompt", "completion"), Layout("prompt", "response"),
    Layout("instruction", "output"), Layout("sentence", "label"), Layout("message", "label"),
    Layout("text", "category"), Layout("text", "intent"), Layout("input", "target"), Layout("source", "target"),
    Layout("document", "summary"),
)  # fmt: skip
"""Pairs of columns that say what is what; the first that a file has is taken. One line makes a further one known."""
IDS = ("id", "scenarioId", "uid", "_id", "row_id")
GROUPS = ("group",)


@dataclass(frozen=True)
class Columns:
    """Which columns are what, as a person said it; what is empty is told by the names."""

    inputs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    id: str | None = None
    group: str | None = None

    @property
    def said(self) -> bool:
        """Whether anything was said."""
        return self != Columns()


@dataclass(frozen=True)
class Gathered:
    """The rows of a file, what was done to them, and what a person should know about it."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    named: bool = False
    """Whether the file has a column of ids."""


def is_gold(path: Path) -> bool:
    """Whether a JSON file has rows in the form of a corpus, or cannot be read at all, which a corpus says best."""
    if path.suffix.lower() not in (".jsonl", ".json"):
        return False
    try:
        records = _records(path)
    except DataError:
        return True
    if not records:
        return True
    names = records[0].keys()
    known = next((one for one in LAYOUTS if {one.input, one.label} <= names), None)
    return known == LAYOUTS[0] or (known is None and bool(names & {"input", "label"}))


def gather(path: Path, columns: Columns) -> Gathered:
    """Read labelled rows from JSONL, JSON, CSV with any of four delimiters, or Parquet; equal inputs become one row.

    Raises:
        DataError: If the file cannot be read, or no columns are known as input and label.
        UsageError: If a column that was said is not there.
    """
    return gathered(_records(path), columns, path)


def gathered(records: Sequence[Mapping[str, Any]], columns: Columns, path: Path) -> Gathered:
    """The same for records that were read already; ``path`` is what mistakes are reported under.

    Raises:
        DataError: If there are none, or no columns are known as input and label.
        UsageError: If a column that was said is not there.
    """
    if not records:
        raise DataError(f"{path}: there are no rows in it")
    names = list(dict.fromkeys(name for record in records for name in record))
    filled = {name for record in records for name, value in record.items() if value not in (None, "")}
    found, guessed = _found(names, columns, path, filled)
    rows, lacking = [], []
    for place, record in enumerate(records, 1):
        missing = [name for name in (*found.inputs, *found.labels) if record.get(name) in (None, "")]
        if missing:
            lacking.append((place, missing[0]))
            continue
        rows.append(_row(record, found))
    notes = _lacking(lacking, len(records), path)
    merged, told = _merged(rows)
    return Gathered(merged, (*guessed, *_renamed(found), *notes, *told), found.id is not None)


def _records(path: Path) -> list[Mapping[str, Any]]:
    suffix = path.suffix.lower()
    if suffix in PARQUET:
        return _parquet(path)
    if suffix in SHEETS:
        raise DataError(f"{path}: spreadsheets are not read", hint="save the sheet as CSV, with a header")
    text = read_bytes(path).decode()
    if suffix in (".csv", ".tsv", ".txt"):
        return _delimited(text, path)
    problems: list[str] = []
    items = (
        json_items(text, path) if suffix == ".json" else jsonl_items(text.split("\n"), path, MAX_ROW_BYTES, problems)
    )
    found = list(items)
    problems += [f"{path}:{n}: a row is an object, received {type(item).__name__}" for n, item in found
                 if not isinstance(item, dict)]  # fmt: skip
    if problems:
        more = f" (and {len(problems) - 1:,} more like it)" if len(problems) > 1 else ""
        raise DataError(problems[0] + more)
    return [item for _, item in found]


def _delimited(text: str, path: Path) -> list[Mapping[str, Any]]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    try:
        delimiter = csv.Sniffer().sniff(text[:SNIFFED], DELIMITERS).delimiter
    except csv.Error:
        head = text.split("\n", 1)[0]
        delimiter = max(DELIMITERS, key=head.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    try:
        rows = list(_cells(reader, path))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not CSV: {error}") from None
    if len(reader.fieldnames or ()) < 2:
        raise DataError(f"{path}:1: a table needs a header with at least two columns, received {reader.fieldnames}")
    return rows


def _cells(reader: csv.DictReader[str], path: Path) -> Iterator[Mapping[str, Any]]:
    for record in reader:
        if None in record or None in record.values():
            raise DataError(f"{path}:{reader.line_num}: has other columns than the header")
        yield {name.strip(): text for name, text in record.items()}


def _parquet(path: Path) -> list[Mapping[str, Any]]:
    from pyarrow import ArrowInvalid, parquet

    try:
        return parquet.read_table(path).to_pylist()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, ArrowInvalid) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from None


def _found(names: Sequence[str], said: Columns, path: Path, filled: Collection[str]) -> tuple[Columns, tuple[str, ...]]:
    """What each column is: as it was said, by ``input.`` and ``label.`` before its name, or by a known layout.

    A layout is known by columns that have a value in some row. Of a table without one the last column is the label and
    the others are inputs, which is said.
    """
    asked = [*said.inputs, *said.labels, *filter(None, (said.id, said.group))]
    for name in asked:
        if name not in names:
            near = did_you_mean(name, list(names))
            hint = f"{near}; the columns are: {', '.join(names)}" if near else f"the columns are: {', '.join(names)}"
            raise UsageError(f"{path}: there is no column {name!r}", hint=hint)
    inputs = said.inputs or tuple(n for n in names if n.startswith("input."))
    labels = said.labels or tuple(n for n in names if n.startswith("label."))
    if not inputs or not labels:
        known = [layout for layout in LAYOUTS
                 if (layout.input in filled or inputs) and (layout.label in filled or labels)]  # fmt: skip
        if known:
            inputs, labels = inputs or (known[0].input,), labels or (known[0].label,)
    guessed: tuple[str, ...] = ()
    if (not inputs or not labels) and path.suffix.lower() not in (".jsonl", ".json"):
        plain = [n for n in names if n not in (*RESERVED, *labels, *inputs)]
        labels = labels or (("label",) if "label" in plain else tuple(plain[-1:]))
        inputs = inputs or tuple(n for n in plain if n not in labels)
        guessed = (
            f"taken as label: {', '.join(labels)}; as input: {', '.join(inputs)} (--label, --input say otherwise)",
        )
    if not inputs or not labels:
        hint = "say it: --input COLUMN --label COLUMN (each several times for several fields)"
        if "messages" in names:
            hint = f"conversations become rows by: python cli.py import {path} --out corpora/NAME.jsonl; else {hint}"
        raise DataError(
            f"{path}: which column is the input and which the label? It has: {', '.join(names[:20])}", hint=hint
        )
    one_id = said.id or next((n for n in IDS if n in names), None)
    group = said.group or next((n for n in GROUPS if n in names), None)
    return Columns(inputs, labels, one_id, group), guessed


def _row(record: Mapping[str, Any], columns: Columns) -> Row:
    inputs = _fields(record, columns.inputs, "input")
    gold = {name: cell(value) if isinstance(value, str) else value
            for name, value in _fields(record, columns.labels, "label").items()}  # fmt: skip
    given = record.get(columns.id) if columns.id else None
    split, group = record.get("split"), record.get(columns.group) if columns.group else None
    return Row(
        content_id(inputs) if given in (None, "") else str(given), inputs, gold,
        SPLIT_NAMES.get(split) if isinstance(split, str) else None, None if group in (None, "") else str(group),
    )  # fmt: skip


def _fields(record: Mapping[str, Any], names: Sequence[str], kind: str) -> dict[str, Any]:
    if len(names) == 1 and isinstance(record[names[0]], Mapping):
        return dict(record[names[0]])
    return {_field(name, kind): record[name] for name in names}


def _field(column: str, kind: str) -> str:
    """A column's name as a field may be called: letters, digits and underscores, no digit first."""
    name = re.sub(r"\W+", "_", column.removeprefix(f"{kind}.")).strip("_")
    return name if re.match(r"[^\W\d]", name) else f"{kind}_{name}".rstrip("_")


def _renamed(columns: Columns) -> tuple[str, ...]:
    """Which columns are fields of another name.

    Raises:
        DataError: If two columns would be one field.
    """
    kinds = (*((name, "input") for name in columns.inputs), *((name, "label") for name in columns.labels))
    fields = Counter(_field(name, kind) for name, kind in kinds)
    twice = next((field for field, count in fields.items() if count > 1 and field), None)
    if twice:
        raise DataError(f"two columns would both be the field {twice!r}: {', '.join(name for name, _ in kinds)}")
    other = [f"{name!r} is called {_field(name, kind)}" for name, kind in kinds
             if _field(name, kind) != name.removeprefix(f"{kind}.")]  # fmt: skip
    return (f"fields need plain names: {', '.join(other)}",) if other else ()


def _lacking(lacking: Sequence[tuple[int, str]], count: int, path: Path) -> tuple[str, ...]:
    if not lacking:
        return ()
    name = Counter(name for _, name in lacking).most_common(1)[0][0]
    if len(lacking) == count:
        raise DataError(f"{path}: no row has a value for {name!r}")
    places = ", ".join(str(place) for place, _ in lacking[:SHOWN])
    more = " ..." if len(lacking) > SHOWN else ""
    return (f"{len(lacking):,} rows without a value for {name!r} are left out (rows {places}{more})",)


def _merged(rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """One row for each input, with the gold that stands there most often, and ids that name one row each."""
    by_input: dict[str, list[Row]] = {}
    for row in rows:
        by_input.setdefault(canonical(dict(row.inputs)), []).append(row)
    kept, equal, contrary = [], 0, 0
    for same in by_input.values():
        answers = Counter(canonical(dict(row.gold)) for row in same)
        best = answers.most_common(1)[0][0]
        kept.append(next(row for row in same if canonical(dict(row.gold)) == best))
        equal += len(same) - 1
        contrary += len(answers) > 1
    notes: list[str] = []
    if equal:
        notes.append(f"{equal:,} rows repeat the input of another one and are merged with it")
    if contrary:
        notes.append(f"{contrary:,} inputs carry different labels; the most frequent label is kept")
    twice = [name for name, count in Counter(row.id for row in kept).items() if count > 1]
    if twice:
        notes.append(f"the ids are not unique (such as {twice[0]!r}); rows are named by their content instead")
        kept = [Row(content_id(r.inputs), r.inputs, r.gold, r.split, r.group) for r in kept]
    return tuple(kept), tuple(notes)
