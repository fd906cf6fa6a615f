"""The run's side of the projection into MLflow: starts the process that writes, tells it of events, and may leave it.

Nothing here imports MLflow. Our own record holds everything, so a command ends without MLflow where MLflow's database
lies beside that record: it waits a tenth of the time that it took, and the process finishes by itself. Where MLflow is
elsewhere, the record may not outlive the command, as in a container, and the command waits until all is there.
``python cli.py sync`` returns once MLflow has everything, whoever was at work on it, and where ``PROVEN_MLFLOW=later``
keeps runs from telling MLflow at all, it is what brings MLflow up to date.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from core.errors import UsageError
from core.workspace import HOME
from tracking.client import own_uri, store_uri
from tracking.store import Store
from tracking.views import CELLS, KEY

DONE = b"done\n"
"""The process's last word on the socket: it has made its last pass; what it could not write is in the store."""
DEFAULT_UI = "http://127.0.0.1:5000"
ADDRESS = "ui.url"
"""File with the address that ``ui`` has last served at."""
LONGEST_WAIT = 60.0
"""Seconds that a command waits for MLflow at most."""
SHARE_OF_WAITING = 0.1
"""Of the time that a command took, what it may wait for a database that lies beside the record."""


def postponed(environment: Mapping[str, str]) -> bool:
    """Whether runs are to leave MLflow to ``sync``: where ``PROVEN_MLFLOW`` is ``later``, instead of ``now``.

    Raises:
        UsageError: If it is neither.
    """
    wanted = environment.get("PROVEN_MLFLOW") or "now"
    if wanted not in ("now", "later"):
        raise UsageError(f"PROVEN_MLFLOW: received {wanted!r}; allowed: now, later")
    return wanted == "later"


def last_address(mlruns: Path) -> str:
    """Where MLflow's UI was last started in this workspace."""
    try:
        return (mlruns / ADDRESS).read_text("utf-8").strip() or DEFAULT_UI
    except OSError:
        return DEFAULT_UI


class Tracker:
    """Follows the store into MLflow from a process of its own; never raises into the run.

    What went wrong is in ``problems`` after :meth:`close`; the events stay in the store and are taken up at the next
    chance. Problems that came up after an earlier command had left are told by the next one.
    """

    def __init__(self, store: Store, mlruns: Path, uri: str | None = None) -> None:
        self.store, self.mlruns = store, mlruns
        self.uri = uri or store_uri(mlruns)
        self.problems: list[str] = []
        self._own = self.uri == own_uri(mlruns)
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._process: _Process | None = None

    def nudge(self) -> None:
        """Say that there are new events; costs nothing but the start of the process, the first time."""
        with self._lock:
            if self._process is None and not self.problems:
                try:
                    self._process = _Process(self.store, self.mlruns, self.uri)
                except OSError as error:
                    self._problem(f"the process that writes cannot be started: {error}")
            if self._process is not None:
                self._process.nudge()

    def close(self) -> None:
        """Leave the process to itself, after waiting as long as the module's docstring says."""
        patience = SHARE_OF_WAITING * (time.monotonic() - self._began) if self._own else LONGEST_WAIT
        self._close(min(patience, LONGEST_WAIT), must_end=not self._own)

    def catch_up(self, timeout: float = 2 * LONGEST_WAIT) -> None:
        """Wait until MLflow has everything that is in the store, then end the process."""
        self.nudge()
        self._close(timeout, must_end=True)

    def _close(self, patience: float, *, must_end: bool) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            ended = process.hang_up(patience)
            if ended is None and must_end:
                self._problem(f"still busy after {patience:.0f} s; it goes on by itself")
            elif ended:
                self._problem(f"the process that writes has ended: {self.store.redact.text(ended)}")
        for text in self.store.take_problems():
            self._problem(text)

    def _problem(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)

    def links(self, task: str, run_id: str | None, base: str | None = None) -> dict[str, str]:
        """Deep links into the UI: the leaderboard of the task, its matrix's cells, the run once MLflow knows it.

        ``cells`` is there once the task has a matrix, ``leaderboard`` where it has anything else or nothing yet. Before
        MLflow has seen anything of the task they lead to the list of experiments. ``row by row`` compares both prompts
        of a run. Without a ``base`` they lead to where MLflow's UI was last seen in this workspace.
        """
        base = base or last_address(self.mlruns)
        experiment = self.store.experiment(task, self.uri)
        own = [run.run_id.startswith(f"{task}-matrix-") for run in self.store.runs() if run.task == task]
        wanted = {"leaderboard": KEY} if not (own and all(own)) else {}
        if any(own):
            wanted["cells"] = CELLS
        at = f"{base}/#/experiments"
        view = f"{at}/{experiment}/runs?workflowType=machine_learning&viewStateShareKey="
        links = {name: f"{view}{key}" if experiment else at for name, key in wanted.items()}
        if run_id is not None:
            known = self.store.run(run_id).mlflow_run
            if known and experiment:
                links["run"] = f"{base}/#/experiments/{experiment}/runs/{known}"
            pair = self.store.comparison(run_id)
            if pair and experiment:
                sides = f"selectedRunUuid={pair[1]}&compareToRunUuid={pair[0]}"
                links["row by row"] = f"{base}/#/experiments/{experiment}/evaluation-runs?{sides}"
        return links


class LaterTracker(Tracker):
    """Knows where a run will be in MLflow, and leaves the writing to ``sync``."""

    def nudge(self) -> None:
        """Start nothing."""

    def close(self) -> None:
        """There is nobody to wait for."""


@contextlib.contextmanager
def following(store: Store, mlruns: Path) -> Iterator[Tracker]:
    """Project the store into MLflow while the block runs; what it could not take is said at the end."""
    tracker = (LaterTracker if postponed(os.environ) else Tracker)(store, mlruns)
    try:
        yield tracker
    finally:
        tracker.close()
        for problem in tracker.problems:
            sys.stderr.write(f"mlflow: {problem}; your results are safe, run `python cli.py sync` later\n")


class _Process:
    """The process at work, and our end of the socket to it."""

    def __init__(self, store: Store, mlruns: Path, uri: str) -> None:
        self._socket, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        # The child inherits our end of nothing: when this process dies, the kernel closes the last copy of our end.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tracking.projector", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self._errors, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        setup = {
            "store": str(store.path.resolve()), "mlruns": str(mlruns.resolve()), "uri": uri, "folder": os.getcwd(),
            "secrets": dict(store.redact.secrets), "patterns": store.redact.patterns,
        }  # fmt: skip
        self._say(json.dumps(setup).encode() + b"\n")
        self._socket.setblocking(False)

    def nudge(self) -> None:
        """There are new events."""
        self._say(b"\n")

    def hang_up(self, patience: float) -> str | None:
        """Let the process end, and wait for that some seconds.

        Returns:
            None while it is still at work; an empty text when it has done what it could; else its last words.
        """
        said = b""
        try:
            self._socket.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + patience
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                heard = self._socket.recv(4096)
                said += heard
                if not heard or said.endswith(DONE):
                    return "" if said.endswith(DONE) else self._last_words()
        except TimeoutError:
            pass
        except OSError:
            return self._last_words()
        finally:
            self._socket.close()
            threading.Thread(target=self._reap, name="mlflow-end", daemon=True).start()
        return None

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it was killed"

    def _reap(self) -> None:
        self.process.wait()
        self._errors.close()

    def _say(self, words: bytes) -> None:
        with contextlib.suppress(OSError):  # it is gone, or has more than enough to do; close() tells
            self._socket.sendall(words)
