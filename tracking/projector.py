"""A process of its own that writes our record into MLflow, so that no command waits for MLflow's import.

It reads the store itself; over a private socket pair it gets its setup as one JSON line, and after that a line whenever
there are new events. When the run hangs up, or is killed, it takes what is left and ends. What goes wrong is kept in
the store, where whoever asks next finds it. It ignores Ctrl-C, as it has a session of its own.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import sys
import threading
import time
import warnings
from itertools import groupby
from pathlib import Path

from core.errors import ProvenError, StoreError
from core.lock import FileLock, Locked
from core.redact import Redactor
from tracking.client import Client, MlflowRun
from tracking.handlers import Telling, run_name, tell
from tracking.projection import DONE
from tracking.store import RunSummary, Store

RUN_TAG = "proven.run_id"
PARENT_TAG = "sweep"
"""The tag of a run that belongs to another one, of the same task: the other's id."""
GATHER_SECONDS = 0.2
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before what somebody else's lock held up is tried again, at the end."""
LINGER_SECONDS = 120.0
"""How long the process goes on after its run has hung up; what it has not done by then is for ``sync``."""


class Projector:
    """Follows the store into one MLflow. Writing an event twice changes nothing."""

    def __init__(self, store: Store, mlruns: Path, uri: str) -> None:
        self.store, self.mlruns, self.uri = store, mlruns, uri
        self._client: Client | None = None
        self.refused = False
        """Whether trying again in this process would end the same."""
        self.held_up = False
        """Whether something was left because somebody else held MLflow's database, which passes."""

    def follow(self) -> None:
        """Write what is new; a run that cannot be written does not hold up the others, and nothing is raised."""
        if self.refused:
            return
        self.held_up = False
        try:
            if self._client is None:
                self._client = Client(self.uri, self.mlruns)
            for run in self.store.unsynced():
                self._try(self._client, run)
            if not self.store.unsynced():
                self.store.take_problems()  # they have mended themselves
        except Exception as error:  # noqa: BLE001 - a projection must never stop a paid run; the text is kept
            self.refused = isinstance(error, StoreError)
            self._note(error)

    def _try(self, client: Client, run: RunSummary) -> None:
        try:
            # One process at a time: two that meet the same new run would make it twice.
            with FileLock(str(self.mlruns / ".projection.lock"), timeout=LINGER_SECONDS):
                self._project(client, self.store.run(run.run_id))
        except Exception as error:  # noqa: BLE001 - kept; the next run may well be fine
            self._note(error, run.run_id)
            client.ping()  # unless nothing answers: then every other run would only wait as long

    def _project(self, client: Client, run: RunSummary) -> None:
        store = self.store
        experiment = client.experiment(run.task)
        store.note_experiment(run.task, self.uri, experiment)
        known = run.mlflow_run is not None and client.knows(run.mlflow_run)
        last = run.synced if known else 0  # another MLflow than the one that took the first events gets all of them
        if known and run.mlflow_run is not None:
            into = MlflowRun(client, experiment, run.mlflow_run)
        else:
            into = client.find_run(experiment, RUN_TAG, run.run_id) or self._make(client, experiment, run)
            store.mark_synced(run.run_id, 0, into.id)
        telling = Telling(into, store, run.run_id)
        for kind, group in groupby(store.events(run.run_id, after=last), key=lambda event: event.kind):
            events = list(group)
            tell(telling, kind, events)
            last = events[-1].seq
        store.mark_synced(run.run_id, last, into.id)

    def _make(self, client: Client, experiment: str, run: RunSummary) -> MlflowRun:
        start = self.store.started(run.run_id)
        tags = {
            "kind": start.kind,
            **start.tags,
            RUN_TAG: run.run_id,
            "mlflow.runName": run_name(start),
            "gate": "pending",
            "data_hash": start.splits.fingerprint,
            "holdout_hash": start.splits.holdout_fingerprint,
            "command": start.command,
        }
        above = start.tags.get(PARENT_TAG)
        if above is not None:
            parent = client.find_run(experiment, RUN_TAG, above)
            tags["mlflow.parentRunId"] = (parent or self._make(client, experiment, self.store.run(above))).id
        return client.make_run(experiment, start.started_at, tags)

    def _note(self, error: Exception, about: str = "") -> None:
        said = error.message if isinstance(error, ProvenError) else str(error)
        hint = f" ({error.hint})" if isinstance(error, ProvenError) and error.hint else ""
        first = (said.splitlines() or [""])[0]
        self.held_up = self.held_up or isinstance(error, Locked) or "database is locked" in said
        self.store.note_problem(f"{about}{': ' if about else ''}{type(error).__name__}: {first}{hint}")


class _Hearing:
    """Listens to the run: wakes the process when there are new events, and ends it when it has outlived its run."""

    def __init__(self, connection: socket.socket, store: Store) -> None:
        self.wake, self.over = threading.Event(), False
        self._connection, self._store = connection, store
        threading.Thread(target=self._listen, name="hearing", daemon=True).start()

    def _listen(self) -> None:
        try:
            while self._connection.recv(4096):
                self.wake.set()
        except OSError:
            pass  # the run was killed
        self.over = True
        self.wake.set()
        time.sleep(LINGER_SECONDS)
        self._store.note_problem(f"gave up {LINGER_SECONDS:.0f} s after the run was over")
        os._exit(1)


def serve(connection: socket.socket) -> None:
    """Follow the store until the run hangs up, then take what is left and say so."""
    setup = json.loads(connection.makefile("rb").readline() or b"{}")
    if not setup:
        return
    os.chdir(setup["folder"])  # MLFLOW_TRACKING_URI may be relative to where the command was given
    store = Store(Path(setup["store"]), Redactor(setup["secrets"], tuple(setup["patterns"])))
    projector, hearing = Projector(store, Path(setup["mlruns"]), setup["uri"]), _Hearing(connection, store)
    over = False
    while not over:
        over = hearing.over  # asked before following: what was written before the run hung up is taken
        projector.follow()
        if not over:
            hearing.wake.wait()
            hearing.wake.clear()
            if not hearing.over:
                time.sleep(GATHER_SECONDS)
    for pause in PAUSES:
        if projector.held_up:
            time.sleep(pause)
            projector.follow()
    with contextlib.suppress(OSError):
        connection.sendall(DONE)


def main() -> None:
    """Serve the socket whose number is the only argument."""
    warnings.simplefilter("ignore")
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)
    gc.freeze()  # what MLflow has imported would be searched for circles before the end, for more than a second


if __name__ == "__main__":
    main()
