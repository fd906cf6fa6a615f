"""Sessions out of the store: JSON lines, CSV and Parquet."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

from core.catalog import Catalog
from core.errors import OutputError
from sessions.record import Session
from sessions.tables import FIELDS, LISTS, MAPPINGS
from sessions.traces import trace

_ROWS = 5_000
"""Sessions in memory at a time."""


@dataclass(frozen=True)
class SessionFormat:
    """One form that sessions are written in.

    Attributes:
        name: What people type.
        summary: One line for the catalog.
        suffix: End of the file's name.
        write: Writes sessions into an open binary file and says how many.
    """

    name: str
    summary: str
    suffix: str
    write: Callable[[Iterable[Session], IO[bytes]], int]


def plain(session: Session) -> dict[str, Any]:
    """A session as JSON data; the trajectory is there where it was loaded."""
    row = {name: getattr(session, name) for name in FIELDS}
    row["outcome"] = session.outcome.value
    row |= {name: list(row[name]) for name in LISTS} | {name: dict(row[name]) for name in MAPPINGS}
    if session.trajectory is not None:
        row["trajectory"] = [asdict(step) for step in session.trajectory]
    return row


def cut(sessions: Iterable[Session], limit: int | None) -> Iterator[Session]:
    """Sessions whose trajectories have at most so many steps: the first and the last, with what was left out named."""
    for session in sessions:
        steps = session.trajectory
        if limit is not None and steps is not None and len(steps) > limit:
            head, tail = limit - limit // 2, limit // 2
            kept = (*steps[:head], *(steps[-tail:] if tail else ()))
            left = {"trajectory_steps_left_out": len(steps) - len(kept), "trajectory_cut_after": head}
            yield replace(session, trajectory=kept, metadata={**session.metadata, **left})
        else:
            yield session


def write_sessions(sessions: Iterable[Session], path: Path, form: SessionFormat) -> int:
    """Write sessions to a file in one step, and say how many; without any, no file is made.

    Raises:
        OutputError: If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as handle:
            made = Path(handle.name)
            try:
                count = form.write(sessions, handle)
            except BaseException:
                made.unlink(missing_ok=True)
                raise
        if count:
            os.replace(made, path)
        else:
            made.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    return count


def _lines(record_of: Callable[[Session], Mapping[str, Any]], sessions: Iterable[Session], handle: IO[bytes]) -> int:
    """A JSON object a line, as ``record_of`` makes it of a session."""
    count = 0
    for session in sessions:
        handle.write(json.dumps(record_of(session), ensure_ascii=False).encode("utf-8") + b"\n")
        count += 1
    return count


def _flat(session: Session) -> dict[str, Any]:
    """A session as cells: lists and mappings are JSON, what is not known is nothing."""
    row = plain(session)
    row.setdefault("trajectory", None)
    trees = (*LISTS, *MAPPINGS, "trajectory")
    return row | {name: None if row[name] is None else json.dumps(row[name], ensure_ascii=False) for name in trees}


def _csv(sessions: Iterable[Session], handle: IO[bytes]) -> int:
    count = 0
    text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, (*FIELDS, "trajectory"))
    writer.writeheader()
    for session in sessions:
        writer.writerow({name: _cell(value) for name, value in _flat(session).items()})
        count += 1
    text.detach()
    return count


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def _parquet(sessions: Iterable[Session], handle: IO[bytes]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: Mapping[str, pa.DataType] = {
        **dict.fromkeys(("success", "impossible", "rejected"), pa.bool_()),
        **dict.fromkeys(("score", "cost_usd", "latency_s"), pa.float64()),
        **dict.fromkeys(
            ("trial", "steps", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "total_tokens",
             "optimal_steps"), pa.int64()),
    }  # fmt: skip
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in (*FIELDS, "trajectory")])
    count, remaining = 0, iter(sessions)
    with contextlib.closing(pq.ParquetWriter(handle, schema, compression="zstd")) as writer:
        while rows := [_flat(session) for session in islice(remaining, _ROWS)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


SESSION_FORMATS: Catalog[SessionFormat] = Catalog(
    "export format of sessions",
    (
        SessionFormat(
            "jsonl", "one JSON object per line; `sessions import` reads it back", ".jsonl", partial(_lines, plain)
        ),
        SessionFormat(
            "traces", "records with learning key, rewards and typed events", ".traces.jsonl", partial(_lines, trace)
        ),
        SessionFormat("csv", "a table; lists and mappings are JSON in cells", ".csv", _csv),
        SessionFormat("parquet", "the same table in columns", ".parquet", _parquet),
    ),
)
