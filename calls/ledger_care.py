"""Looking into the call ledger and keeping it small: its size, the calls of a run, export and pruning."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from calls.ledger import Ledger
from calls.packing import keep_texts, pack_messages, unpack_messages
from core.errors import OutputError


@dataclass(frozen=True)
class LedgerSize:
    """How much a ledger holds.

    Attributes:
        bytes: The file with what is not yet merged into it.
        calls: Attempts by state: answered, failed, lost, inflight.
        oldest: When the first of them was made, as ``2026-11-21T09:30:00Z``; None in an empty ledger.
        texts: Messages that are kept once however often they were sent.
        unpacked: Calls of an older version that still hold their messages themselves; pruning packs them.
    """

    bytes: int
    calls: dict[str, int]
    oldest: str | None
    texts: int
    unpacked: int


@dataclass(frozen=True)
class Call:
    """One attempt as it was made. Money is None where the price is unknown; ``outputs`` where there was no answer."""

    run_id: str
    task: str
    role: str
    row_id: str
    model: str
    endpoint: str
    state: str
    at: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    seconds: float | None
    messages: list[dict[str, Any]]
    params: dict[str, Any]
    outputs: list[Any] | None
    error: str | None


@dataclass(frozen=True)
class Pruning:
    """What pruning did: calls that are gone, calls that are old but needed, bytes before and after."""

    pruned: int
    kept: int
    bytes_before: int
    bytes_after: int


def ledger_size(ledger: Ledger) -> LedgerSize:
    """Measure a ledger."""
    ledger.flush()
    with _reading(ledger.path) as db:
        states = dict(db.execute("select state, count(*) from calls group by state order by state").fetchall())
        oldest = db.execute("select min(at) from calls").fetchone()[0]
        texts = db.execute("select count(*) from texts").fetchone()[0]
        unpacked = db.execute("select count(*) from calls where packed = 0").fetchone()[0]
    return LedgerSize(_bytes(ledger.path), states, oldest, texts, unpacked)


def calls_of(ledger: Ledger, run_id: str, row_id: str | None = None) -> Iterator[Call]:
    """The calls that a run has paid for or tried to, in the order they were made; of one row if it is named.

    What the run found in the ledger was made by another run and is not among them.
    """
    ledger.flush()
    where, values = ("run_id = ?", [run_id]) if row_id is None else ("run_id = ? and row_id = ?", [run_id, row_id])
    with _reading(ledger.path) as db:
        yield from _calls(db, where, values)


def export_calls(ledger: Ledger, out: TextIO, before: str | None = None) -> int:
    """Write calls as JSON lines, all of them or those made before a moment; returns how many."""
    ledger.flush()
    count = 0
    with _reading(ledger.path) as db:
        for call in _calls(db, "at < ?", [before or "9999"]):
            out.write(json.dumps(asdict(call), ensure_ascii=False) + "\n")
            count += 1
    return count


def prune(ledger: Ledger, before: str, unfinished_tasks: Collection[str] = ()) -> Pruning:
    """Forget calls made before a moment, and pack what an older version wrote.

    A run that is continued meets its answers again, also those that it had found and another run of its task had
    paid for. So of a task with an unfinished run nothing is forgotten, and of no task what is in flight.

    Args:
        ledger: The ledger.
        before: A UTC moment as ``2026-11-21`` or ``2026-11-21T09:30:00Z``.
        unfinished_tasks: Tasks that have a run which may still be continued.

    Raises:
        OutputError: If the file cannot be written; nothing is forgotten then.
    """
    ledger.flush()
    size = _bytes(ledger.path)
    marks = ",".join("?" * len(unfinished_tasks))
    old, needed = "at < ? and state <> 'inflight'", f"task in ({marks})"
    try:
        with contextlib.closing(sqlite3.connect(ledger.path, timeout=60, isolation_level=None)) as db:
            db.execute("begin immediate")
            kept = db.execute(f"select count(*) from calls where {old} and {needed}", (before, *unfinished_tasks))
            kept = int(kept.fetchone()[0])
            gone = db.execute(f"delete from calls where {old} and not ({needed})", (before, *unfinished_tasks)).rowcount
            _pack(db)
            _forget_texts(db)
            db.execute("commit")
            db.execute("vacuum")
            db.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.Error as error:
        raise OutputError(
            f"{ledger.path}: cannot be pruned: {error}", hint="is the disk full, or a run at work?"
        ) from None
    return Pruning(gone, kept, size, _bytes(ledger.path))


def _pack(db: sqlite3.Connection) -> None:
    """Take the messages out of the calls that an older version wrote."""
    for number, request in db.execute("select id, request from calls where packed = 0").fetchall():
        body = json.loads(request)
        body["messages"], texts = pack_messages(body["messages"])
        keep_texts(db, texts)
        values = (json.dumps(body, ensure_ascii=False), number)
        db.execute("update calls set request = ?, packed = 1 where id = ?", values)


def _forget_texts(db: sqlite3.Connection) -> None:
    """Forget the messages that no call refers to any more."""
    used = {
        message["text_hash"]
        for (request,) in db.execute("select request from calls")
        for message in json.loads(request)["messages"]
        if "text_hash" in message
    }
    known = {name for (name,) in db.execute("select hash from texts")}
    db.executemany("delete from texts where hash = ?", [(name,) for name in known - used])


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as db:
        yield db


def _calls(db: sqlite3.Connection, where: str, values: list[str]) -> Iterator[Call]:
    fields = (
        "run_id, task, role, row_id, model, endpoint, state, at, input_tokens, output_tokens, cost_usd, seconds, "
        "request, outputs, error"
    )
    for row in db.execute(f"select {fields} from calls where {where} order by id", values):
        named: dict[str, Any] = dict(zip(fields.split(", "), row, strict=True))
        body, outputs = json.loads(named.pop("request")), named.pop("outputs")
        messages = unpack_messages(body["messages"], lambda name: _text(db, name))
        answer = None if outputs is None else json.loads(outputs)
        yield Call(**named, messages=messages, params=body["params"], outputs=answer)


def _text(db: sqlite3.Connection, name: str) -> str:
    return str(db.execute("select text from texts where hash = ?", (name,)).fetchone()[0])


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, Path(f"{path}-wal")) if file.exists())
