"""The call ledger: every request to a model, in one SQLite table; what was answered once is never paid again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calls.packing import keep_texts, pack_messages
from calls.records import OFFLINE_PREFIX, CallSite, Claim, Completion, Entry, Request, storable
from core.errors import OutputError, StoreError
from core.evaluation import Usage
from core.files import keep_private, make_database
from core.lock import FileLock
from core.owner import Owner
from core.redact import NOTHING, Redactor

if TYPE_CHECKING:
    from calls.models import ModelSpec

SCHEMA_VERSION = 2
SCHEMA = """
create table if not exists calls (
    id integer primary key autoincrement, key text not null, state text not null, owner text not null,
    run_id text not null, task text not null, role text not null, prompt text not null, row_id text not null,
    model text not null, endpoint text not null, input_tokens integer, output_tokens integer, cached_tokens integer,
    reasoning_tokens integer, cost_usd real, seconds real, request text not null, outputs text, error text,
    at text not null, packed integer not null default 0
);
create table if not exists texts (hash text primary key, text text not null) without rowid;
create unique index if not exists one_answer on calls (key) where state in ('inflight', 'answered');
create index if not exists calls_by_run on calls (run_id, role, state);
"""
UPGRADES = {1: "alter table calls add column packed integer not null default 0;"}
"""What turns a file of an older version into one of the next, by the older number."""
CAPACITY = 512
"""Most writes that share one transaction."""
GATHER_SECONDS = 0.02
"""How long writes that nobody waits for are gathered."""


def call_key(spec: ModelSpec, request: Request, *, repeat: str = "", salt: str = "") -> str:
    """Name a call by everything that shapes its answer, and by nothing else.

    Model, endpoint, rendered messages, parameters, response format and repeat index; no key, no header. ``salt``
    separates runs that must not share answers.
    """
    endpoint = spec.api_base or ""
    if spec.offline:
        from offline import VERSION

        endpoint = f"embedded {VERSION}"
    body = [spec.model, endpoint, list(request.messages), dict(sorted(request.params.items())), repeat, salt]
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def prompt_hash(request: Request) -> str:
    """Sixteen hex digits of the system message: which prompt a call was made with."""
    return hashlib.sha256(request.system.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Ledger:
    """The calls of one workspace. Safe for many threads and processes.

    Writes that wait at the same moment share a transaction; a caller that waits for its write waits until it is on
    disk (``synchronous=full``), so that an answer survives a power cut from then on.

    Args:
        path: The SQLite file.
        redact: Masks requests, answers and errors before they are stored. The answers are handed on masked as well:
            what a run sees the first time is what it sees when it continues.

    Raises:
        StoreError: If the file is not a ledger, was written by a newer version, or cannot be opened.
    """

    def __init__(self, path: Path, redact: Redactor = NOTHING) -> None:
        self.path, self.redact = path, redact
        self.owners = path.parent / "owners"
        self._read_lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(str(path) + ".lock", timeout=60):
                make_database(path, f"{SCHEMA} pragma user_version={SCHEMA_VERSION};", "calls")
                keep_private(path)  # it holds whatever people put into prompts
                self._writer_db = self._connect()
                self._create()
            self._db = self._connect()
        except (OSError, sqlite3.DatabaseError) as error:
            raise StoreError(
                f"{path}: cannot be used as a call ledger: {error}", hint="move the file away; a new one is made"
            ) from None
        self._waiting: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()
        self._commit_lock = threading.Lock()
        self._wake, self._closing = threading.Event(), False
        self._pending: dict[str, Entry] = {}
        self._lost: OutputError | None = None
        self._thread = threading.Thread(target=self._write_behind, name="ledger", daemon=True)
        self._thread.start()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=full")
        return db

    def _create(self) -> None:
        version = int(self._writer_db.execute("pragma user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: written by a newer version (schema {version}, this one knows {SCHEMA_VERSION})",
                hint="update the project",
            )
        if version == SCHEMA_VERSION:
            return
        upgrades = "".join(UPGRADES[step] for step in range(version, SCHEMA_VERSION) if version)
        # One transaction: a process that is killed here leaves a file of the older version, which can be opened.
        self._writer_db.executescript(
            f"begin immediate; {upgrades} {SCHEMA} pragma user_version={SCHEMA_VERSION}; commit;"
        )

    # The writer

    def _now(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Have something written, and wait until it is on disk.

        Whoever gets the lock commits for everybody who waits at that moment: no thread has to be woken in between.
        """
        future: Future[Any] = Future()
        self._waiting.append((work, future))
        self._drain(future)
        return future.result()

    def _later(self, work: Callable[[sqlite3.Connection], Any]) -> Future[Any]:
        """Have something written soon, without waiting for it."""
        future: Future[Any] = Future()
        self._waiting.append((work, future))
        self._wake.set()
        return future

    def _write_behind(self) -> None:
        while not self._closing:
            self._wake.wait()
            self._wake.clear()
            time.sleep(GATHER_SECONDS)
            self._drain()

    def _drain(self, mine: Future[Any] | None = None) -> None:
        with self._commit_lock:
            while self._waiting and not (mine is not None and mine.done()):
                batch = [self._waiting.popleft() for _ in range(min(CAPACITY, len(self._waiting)))]
                self._commit(batch)

    def _commit(self, batch: Sequence[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]]) -> None:
        results: list[Any] = []
        try:
            self._writer_db.execute("begin immediate")
            results = [work(self._writer_db) for work, _ in batch]
            self._writer_db.execute("commit")
        except Exception as error:  # noqa: BLE001 - handed to the caller whose write it is
            if self._writer_db.in_transaction:
                self._writer_db.execute("rollback")
            if len(batch) > 1:
                for one in batch:  # the others are not to suffer for it
                    self._commit([one])
                return
            batch[0][1].set_exception(self._unwritable(error))
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)

    def _unwritable(self, error: Exception) -> OutputError:
        return OutputError(
            f"the call ledger cannot be written: {self.path}: {error}",
            hint="if the disk is full, free space, then run the same command again: it continues, and nothing that "
            "was answered is paid twice",
        )

    def flush(self) -> None:
        """Wait until everything written so far is on disk.

        Raises:
            OutputError: If something could not be written, now or since the last time; said once.
        """
        self._now(lambda db: None)
        lost, self._lost = self._lost, None
        if lost is not None:
            raise lost

    def close(self) -> None:
        """Write what is left and close the file."""
        self._closing = True
        self._wake.set()
        self._thread.join()
        self._drain()
        with self._read_lock:
            self._db.close()
        self._writer_db.close()

    # Calls

    def find(self, key: str) -> Entry | None:
        """The answer to a call, if it was ever answered."""
        pending = self._pending.get(key)
        if pending is not None:
            return pending
        with self._read_lock:
            row = self._db.execute(_SELECT + _LIVE, (key,)).fetchone()
        return _entry(row) if row is not None and row[0] is not None else None

    def claim(self, key: str, site: CallSite, spec: ModelSpec, request: Request, owner: str) -> Claim:
        """Reserve a call for an owner, durably, before the request goes out.

        What a dead owner left in flight is marked ``lost`` (it was sent, and may have been paid) and is ours now.
        """
        body, texts = self._packed(request)

        def work(db: sqlite3.Connection) -> Claim:
            row = db.execute("select id, state, owner from calls" + _LIVE, (key,)).fetchone()
            if row is not None and row[1] == "answered":
                found = db.execute(_SELECT + " where id = ?", (row[0],)).fetchone()
                return Claim("answered", row[0], _entry(found))
            if row is not None:
                if row[2] == owner or Owner.alive(self.owners, row[2]):
                    return Claim("busy", row[0])
                error = "the process ended while the call was in flight"
                db.execute("update calls set state = 'lost', error = ? where id = ?", (error, row[0]))
            values = (
                key, "inflight", owner, site.run_id, site.task, site.role, prompt_hash(request), storable(site.row_id),
                spec.model, self.redact.text(spec.api_base or ""), body, _now(),
            )  # fmt: skip
            keep_texts(db, texts)
            cursor = db.execute(
                "insert into calls "
                "(key, state, owner, run_id, task, role, prompt, row_id, model, endpoint, request, at, packed) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
                values,
            )
            return Claim("ours", int(cursor.lastrowid or 0))

        return self._now(work)

    def settle(self, claim: Claim, answer: Completion) -> Completion:
        """Keep the answer of a claimed call, durable when this returns; gives it back as it was kept."""
        answer = replace(answer, outputs=self.redact.value(answer.outputs))
        values = (*_numbers(answer), json.dumps(answer.outputs, ensure_ascii=False, default=str), claim.id)
        self._now(
            lambda db: db.execute(
                "update calls set state = 'answered', input_tokens = ?, output_tokens = ?, cached_tokens = ?, "
                "reasoning_tokens = ?, cost_usd = ?, seconds = ?, outputs = ? where id = ?",
                values,
            )
        )
        return answer

    def fail(self, claim: Claim, error: str, seconds: float) -> None:
        """Note that a claimed call failed; the next attempt is a call of its own."""
        values = (storable(self.redact.error(error)), seconds, claim.id)
        self._now(
            lambda db: db.execute("update calls set state = 'failed', error = ?, seconds = ? where id = ?", values)
        )

    def keep(self, key: str, site: CallSite, spec: ModelSpec, request: Request, answer: Completion) -> Completion:
        """Note a call that is free to repeat, without waiting for the disk; the first answer of a key stays."""
        answer = replace(answer, outputs=self.redact.value(answer.outputs))
        body, texts = self._packed(request)
        values = (
            key, "answered", "", site.run_id, site.task, site.role, prompt_hash(request), storable(site.row_id),
            spec.model, self.redact.text(spec.api_base or ""), *_numbers(answer), body,
            json.dumps(answer.outputs, ensure_ascii=False, default=str), _now(),
        )  # fmt: skip
        self._pending[key] = Entry(answer, site.run_id)

        def work(db: sqlite3.Connection) -> None:
            keep_texts(db, texts)
            db.execute(
                "insert or ignore into calls "
                "(key, state, owner, run_id, task, role, prompt, row_id, model, endpoint, input_tokens, output_tokens, "
                "cached_tokens, reasoning_tokens, cost_usd, seconds, request, outputs, at, packed) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
                values,
            )

        written = self._later(work)
        written.add_done_callback(lambda done: self._kept(key, done))
        return answer

    def _kept(self, key: str, written: Future[Any]) -> None:
        self._pending.pop(key, None)
        error = written.exception()
        if isinstance(error, OutputError):
            self._lost = error

    def _packed(self, request: Request) -> tuple[str, dict[str, str]]:
        """The request as it is stored, and the long messages that it refers to, by hash."""
        body = storable(self.redact.value({"messages": list(request.messages), "params": dict(request.params)}))
        body["messages"], texts = pack_messages(body["messages"])
        return json.dumps(body, ensure_ascii=False, default=str), texts

    # Accounts

    def usage(self, run_id: str) -> dict[str, Usage]:
        """What a run has paid for, by role: requests sent, failures among them, tokens, money, seconds.

        Money is None as soon as the price of one answered call is unknown. A lost call counts as sent and failed.
        """
        self.flush()
        with self._read_lock:
            rows = self._db.execute(
                "select role, count(*), sum(state in ('failed', 'lost')), coalesce(sum(input_tokens), 0), "
                "coalesce(sum(output_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(reasoning_tokens), 0), "
                "sum(state = 'answered' and cost_usd is null), coalesce(sum(cost_usd), 0), coalesce(sum(seconds), 0) "
                "from calls where run_id = ? and state <> 'inflight' group by role order by role",
                (run_id,),
            ).fetchall()
        return {
            role: Usage(
                calls=calls, errors=errors, input_tokens=tokens_in, output_tokens=tokens_out, cached_tokens=cached,
                reasoning_tokens=reasoning, cost_usd=None if unknown else cost, seconds=seconds,
            )
            for role, calls, errors, tokens_in, tokens_out, cached, reasoning, unknown, cost, seconds in rows
        }  # fmt: skip

    def nominal(self, run_id: str) -> bool:
        """Whether a run has asked embedded models alone, so that what it paid is nobody's money."""
        self.flush()
        with self._read_lock:
            asked, embedded = self._db.execute(
                "select count(*), coalesce(sum(model like ?), 0) from calls where run_id = ?",
                (f"{OFFLINE_PREFIX}%", run_id),
            ).fetchone()
        return asked > 0 and asked == embedded

    def wait_for_others(self, run_id: str, timeout: float = 90.0) -> int:
        """Wait for calls of a run that a courier of an earlier process still has in flight.

        Returns:
            How many are still in flight with a living owner when the time is over.
        """
        until = time.monotonic() + timeout
        while True:
            with self._read_lock:
                rows = self._db.execute(
                    "select owner, count(*) from calls where run_id = ? and state = 'inflight' group by owner",
                    (run_id,),
                ).fetchall()
            living = sum(count for owner, count in rows if Owner.alive(self.owners, owner))
            if not living or time.monotonic() > until:
                return living
            time.sleep(0.02)


_LIVE = " where key = ? and state in ('inflight', 'answered')"
"""Word for word the condition of the partial index: SQLite does not see that a narrower one would be covered too."""
_SELECT = (
    "select outputs, input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost_usd, seconds, run_id from calls"
)


def _entry(row: Sequence[Any]) -> Entry:
    outputs, *numbers, run_id = row
    tokens_in, tokens_out, cached, reasoning, cost, seconds = numbers
    return Entry(Completion(json.loads(outputs), tokens_in, tokens_out, cached, reasoning, cost, seconds), run_id)


def _numbers(answer: Completion) -> tuple[int, int, int, int, float | None, float]:
    return (
        answer.input_tokens, answer.output_tokens, answer.cached_tokens, answer.reasoning_tokens, answer.cost_usd,
        answer.seconds,
    )  # fmt: skip


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextlib.contextmanager
def opened(path: Path) -> Any:
    """A ledger that is closed at the end of the block."""
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.close()
