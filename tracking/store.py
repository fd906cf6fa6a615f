"""Our own record of every run, in one SQLite file: the primary truth that MLflow is a projection of."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.catalog import did_you_mean
from core.errors import StoreError
from core.owner import Owner
from core.plain import from_json, to_json
from tracking import openings
from tracking.champions import Champion, add_champion, before_last, champion_of, to_seed
from tracking.events import KINDS, Event, EventKind, kind_of
from tracking.store_file import REMEDY, StoreFile

if TYPE_CHECKING:
    from core.candidate import ProgramPrompts
    from core.cells import Matrix
    from core.optimization import Optimization, RunStart
    from data.splits import HoldoutIdentity

OUTCOMES = ("optimize", "distill")
"""Kinds of runs that end with an ``Optimization``."""
UNFINISHED = ("running", "failed", "stopped", "interrupted", "exhausted")
_RUN_COLUMNS = "run_id, task, state, started_at, finished_at, verdict, synced, mlflow_run, identity, kind, told"


def now() -> str:
    """The time as ISO text in UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class RunSummary:
    """One run in a list of runs.

    ``synced`` is the last event that MLflow has taken; ``told`` says whether its outcome has reached whoever asked.
    """

    run_id: str
    task: str
    state: str
    started_at: str
    finished_at: str | None
    verdict: str | None
    synced: int
    mlflow_run: str | None
    identity: str = ""
    kind: str = "optimize"
    told: bool = True


class Store(StoreFile):
    """The record of one workspace. Safe for several threads and processes; every write is one short transaction.

    Every payload is masked by ``redact`` before it is written.
    """

    # Runs and their events

    def start_run(self, start: RunStart) -> None:
        """Register a run; its first event is ``started``."""
        with self._write() as db:
            db.execute(
                "insert into runs (run_id, task, state, started_at, identity, kind, told) "
                "values (?, ?, 'running', ?, ?, ?, 0)",
                (start.run_id, start.task, start.started_at, start.identity_hash, start.kind),
            )
            self._append(db, start.run_id, EventKind.STARTED, to_json(start))

    def continue_run(self, run_id: str) -> None:
        """Take up a run that did not finish; an earlier wish to stop it is forgotten."""
        with self._write() as db:
            db.execute(
                "update runs set state = 'running', finished_at = null, stop_requested = 0 where run_id = ?", (run_id,)
            )
            self._append(db, run_id, EventKind.CONTINUED, "{}")

    def append(self, run_id: str, kind: EventKind, payload: str) -> int:
        """Append an event and return its number.

        A run does not wait for the disk to take a candidate: after a power cut, the continued run finds it again.

        Raises:
            StoreError: If there is no such kind.
        """
        if kind not in KINDS:
            raise StoreError(f"run {run_id}: unknown kind of event {kind!r}; allowed: {', '.join(sorted(KINDS))}")
        with self._write(durable=kind != EventKind.CANDIDATE) as db:
            if kind in (EventKind.FINISHED, EventKind.VERDICT, EventKind.EXPERIMENT):
                record = json.loads(payload)
                verdict = (record["verdict"] if kind == EventKind.FINISHED else record)["decision"]
                db.execute("update runs set verdict = ? where run_id = ?", (verdict, run_id))
            return self._append(db, run_id, kind, payload)

    def _append(self, db: sqlite3.Connection, run_id: str, kind: EventKind, payload: str) -> int:
        cursor = db.execute(
            "insert into events (run_id, kind, at, payload) values (?, ?, ?, ?)",
            (run_id, str(kind), now(), self.redact.json(payload)),
        )
        return int(cursor.lastrowid or 0)

    def finish_run(self, run_id: str, state: str) -> None:
        """Close a run as finished, failed, stopped, interrupted or exhausted."""
        with self._write() as db:
            db.execute("update runs set state = ?, finished_at = ? where run_id = ?", (state, now(), run_id))
            self._append(db, run_id, EventKind.CLOSED, json.dumps({"state": state}))

    def told(self, run_id: str) -> None:
        """Note that a run's outcome has reached whoever asked for it."""
        with self._write() as db:
            db.execute("update runs set told = 1 where run_id = ?", (run_id,))

    def request_stop(self, run_id: str) -> None:
        """Ask a running run to end in order."""
        with self._write() as db:
            db.execute("update runs set stop_requested = 1 where run_id = ?", (run_id,))

    def stop_requested(self, run_id: str) -> bool:
        """Whether somebody has asked the run to end."""
        rows = self._read("select stop_requested from runs where run_id = ?", (run_id,))
        return bool(rows and rows[0][0])

    def alive(self, run: RunSummary) -> bool:
        """Whether a process works on the run right now."""
        return run.state == "running" and Owner.alive(self.owners, run.run_id)

    def state(self, run: RunSummary) -> str:
        """The run's state as a person should read it; ``died`` when its process is gone without a word."""
        return "died" if run.state == "running" and not self.alive(run) else run.state

    def unfinished(self, task: str, kind: str) -> tuple[RunSummary, ...]:
        """Runs of a task and kind that did not come to their end, newest first."""
        return tuple(run for run in self.runs(task, kinds=(kind,)) if run.state in UNFINISHED)

    def started(self, run_id: str) -> RunStart:
        """What was known when a run started.

        Raises:
            StoreError: If that is not a valid record any more.
        """
        from core.optimization import RunStart

        try:
            return from_json(RunStart, self.events(run_id)[0].payload)
        except (ValueError, IndexError):
            raise StoreError(
                f"run {run_id}: what it started with is not a valid record any more", hint="start a new run with --new"
            ) from None

    def runs(
        self, task: str | None = None, limit: int | None = None, kinds: Sequence[str] = ()
    ) -> tuple[RunSummary, ...]:
        """Runs of all kinds unless some are named, the last registered first, whatever any machine's clock says."""
        marks = ", ".join("?" * len(kinds))
        only = f"and kind in ({marks})" if kinds else ""
        rows = self._read(
            f"select {_RUN_COLUMNS} from runs where (? is null or task = ?) {only} order by rowid desc limit ?",
            (task, task, *kinds, -1 if limit is None else limit),
        )
        return tuple(RunSummary(*row) for row in rows)

    def run(self, run_id: str) -> RunSummary:
        """The run with this id, or with this beginning of an id.

        Raises:
            StoreError: If there is none, or several.
        """
        found = [run for run in self.runs() if run.run_id.startswith(run_id)]
        exact = [run for run in found if run.run_id == run_id]
        if len(exact or found) == 1:
            return (exact or found)[0]
        if found:
            raise StoreError(
                f"{run_id!r} is the beginning of {len(found)} runs: {', '.join(r.run_id for r in found[:5])}"
            )
        known = [run.run_id for run in self.runs(limit=200)]
        raise StoreError(
            f"there is no run {run_id!r}", hint=did_you_mean(run_id, known) or "see: python cli.py history TASK"
        )

    def events(self, run_id: str, after: int = 0, kind: EventKind | None = None) -> tuple[Event, ...]:
        """A run's events after a number, in order; those of one kind where it is given."""
        rows = self._read(
            "select seq, run_id, kind, at, payload from events "
            "where run_id = ? and seq > ? and (? is null or kind = ?) order by seq",
            (run_id, after, kind, kind),
        )
        return tuple(Event(seq, run, kind_of(name), at, payload) for seq, run, name, at, payload in rows)

    def last(self, run_id: str, kind: EventKind) -> Event | None:
        """A run's latest event of a kind."""
        return next(reversed(self.events(run_id, kind=kind)), None)

    def has(self, run_id: str, kind: EventKind) -> bool:
        """Whether a run has an event of a kind."""
        return bool(self._read("select 1 from events where run_id = ? and kind = ? limit 1", (run_id, kind)))

    def optimization(self, run_id: str) -> Optimization:
        """The outcome of a finished run.

        Raises:
            StoreError: If there is no such run, or it did not finish.
        """
        from core.optimization import Optimization

        run = self.run(run_id)
        event = self.last(run.run_id, EventKind.FINISHED)
        if event is None:
            raise StoreError(f"run {run.run_id} has no outcome; it is {run.state}")
        try:
            return from_json(Optimization, event.payload)
        except ValueError:
            raise StoreError(
                f"run {run.run_id}: its outcome is not a valid record any more",
                hint=f"see: python cli.py verify {run.run_id}",
            ) from None

    def matrix(self, run_id: str) -> Matrix:
        """The outcome of a matrix.

        Raises:
            StoreError: If there is no such run, it is not a matrix, or an older version stored it in another form.
        """
        from core.cells import Matrix

        run = self.run(run_id)
        event = self.last(run.run_id, EventKind.MATRIX)
        if event is None:
            raise StoreError(f"run {run.run_id} is not a matrix")
        try:
            return from_json(Matrix, event.payload)
        except ValueError:
            raise StoreError(
                f"run {run.run_id} was stored in a form that this version does not read",
                hint=f"python cli.py matrix {run.task}  # answers come from the ledger, nothing is paid twice",
            ) from None

    # Holdout openings

    def open_holdout(self, task: str, holdout: HoldoutIdentity, run_id: str, candidate: str) -> int:
        """Record that a holdout was opened; returns how many openings count by then, this one included.

        An earlier opening counts when it shared a tenth or more of these rows, whatever the task, the salt or the file
        was called. The same run and candidate count once for the same rows, however often they ask.
        """
        with self._write() as db:
            return openings.record_opening(db, (task, run_id, candidate), holdout, now())

    def openings_that_count(self, holdout: HoldoutIdentity) -> int:
        """How many openings count against a holdout by now; the next one has the number after it. Writes nothing."""
        with self._lock:
            return openings.count_earlier(self._db, holdout)

    def upcoming_opening(self, holdout: HoldoutIdentity, run_id: str, candidate: str | None = None) -> int | None:
        """The number that an opening by a run would have; None where it has made it already. Writes nothing."""
        with self._lock:
            return openings.upcoming(self._db, run_id, candidate, holdout)

    # Champions

    def promote(
        self,
        task: str,
        run_id: str,
        prompts: ProgramPrompts,
        provenance: Mapping[str, Any],
        forced: bool,
        reason: str,
    ) -> Champion:
        """Make a run's prompts the champion of a task."""
        champion = Champion(task, run_id, prompts, dict(provenance), forced, reason, EventKind.PROMOTED, now())
        return self._crown(champion, EventKind.PROMOTED, run_id)

    def _crown(self, champion: Champion, kind: EventKind, told: str) -> Champion:
        """Add a champion, and tell the run ``told`` of it, through which MLflow hears of it."""
        with self._write() as db:
            add_champion(db, champion)
            said = {"prompt_hash": champion.prompts.hash, "forced": champion.forced, "reason": champion.reason}
            self._append(db, told, kind, json.dumps(said))
        return champion

    def history(self, task: str) -> tuple[Champion, ...]:
        """Every champion the task has had, oldest first.

        Raises:
            StoreError: If one of them is not a valid record any more.
        """
        rows = self._read("select * from champions where task = ? order by seq", (task,))
        try:
            return tuple(map(champion_of, rows))
        except ValueError:
            raise StoreError(
                f"{self.path}: the champions of {task} are not valid records any more", hint=REMEDY
            ) from None

    def champion(self, task: str) -> Champion | None:
        """The current champion of a task."""
        history = self.history(task)
        return history[-1] if history else None

    def rollback(self, task: str) -> Champion:
        """Make the champion before the current one the champion again; a second rollback goes one further back.

        Raises:
            StoreError: If there is no earlier champion.
        """
        back, told = before_last(task, self.history(task), now())
        return self._crown(back, EventKind.ROLLED_BACK, told)

    def rollback_to_seed(self, task: str, seed: ProgramPrompts, provenance: Mapping[str, Any]) -> Champion:
        """Make the seed the prompt in production again, whatever has been proven; a rollback takes this back.

        Raises:
            StoreError: If no champion is there to take away.
        """
        back, told = to_seed(task, self.history(task), seed, provenance, now())
        return self._crown(back, EventKind.ROLLED_BACK, told)

    # What MLflow has taken

    def unsynced(self) -> tuple[RunSummary, ...]:
        """Runs with events that MLflow has not taken yet, oldest first."""
        rows = self._read(
            f"select {_RUN_COLUMNS} from runs "
            "where synced < (select max(seq) from events where events.run_id = runs.run_id) order by rowid"
        )
        return tuple(RunSummary(*row) for row in rows)

    def mark_synced(self, run_id: str, seq: int, mlflow_run: str | None = None) -> None:
        """Note how far MLflow has followed a run."""
        with self._write() as db:
            db.execute(
                "update runs set synced = max(synced, ?), mlflow_run = coalesce(?, mlflow_run) where run_id = ?",
                (seq, mlflow_run, run_id),
            )

    def note_experiment(self, task: str, mlflow: str, experiment: str) -> None:
        """Note the id that a task's experiment has in one MLflow."""
        with self._write() as db:
            db.execute("insert or replace into mlflow_experiments values (?, ?, ?)", (task, mlflow, experiment))

    def experiment(self, task: str, mlflow: str) -> str | None:
        """The id of a task's experiment in one MLflow; None before anything of the task was written there."""
        rows = self._read("select experiment from mlflow_experiments where task = ? and mlflow = ?", (task, mlflow))
        return str(rows[0][0]) if rows else None

    def note_comparison(self, run_id: str, baseline: str, challenger: str) -> None:
        """Note the two runs of MLflow that show a run's rows side by side."""
        with self._write() as db:
            db.execute("insert or replace into mlflow_comparisons values (?, ?, ?)", (run_id, baseline, challenger))

    def comparison(self, run_id: str) -> tuple[str, str] | None:
        """The two runs of MLflow that show a run's rows side by side, the baseline first."""
        rows = self._read("select baseline, challenger from mlflow_comparisons where run_id = ?", (run_id,))
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    def note_problem(self, text: str) -> None:
        """Keep what went wrong on the way into MLflow, until somebody is told or it has mended itself."""
        with self._write() as db:
            db.execute("insert or ignore into mlflow_problems values (?)", (self.redact.text(text),))

    def take_problems(self) -> tuple[str, ...]:
        """What went wrong on the way into MLflow and was not told yet; it counts as told from now on."""
        with self._write() as db:
            rows = db.execute("select text from mlflow_problems order by rowid").fetchall()
            db.execute("delete from mlflow_problems")
        return tuple(row[0] for row in rows)
