"""Running commands as a person or a script would, and a small task of its own to run them on."""

import atexit
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from tests.journeys.warm_client import begin, ending

HOME = Path(__file__).resolve().parents[2]
SHARED = "PROVEN_TESTS_WARM"
"""The variable with the folder of the processes of ``warm.py``, which workers of a test run share."""
HANGS = 300
"""Seconds after which a command hangs; nothing that works comes near it, however busy the machine is."""
ROOMS = {
    "kitchen": ["stove", "oven", "sink"],
    "garden": ["lawn", "hedge", "pond"],
    "office": ["printer", "desk", "lamp"],
}
FILLERS = ["please look at the", "we still wait for the", "nobody has seen to the", "there is trouble with the"]
TAILS = ["before noon", "if you can", "as agreed on Monday", "and call me back", "it is the third time"]


def gold(path, n=150, seed=3):
    generator = random.Random(seed)
    with path.open("w", encoding="utf-8") as handle:
        for index in range(n):
            room = generator.choice(sorted(ROOMS))
            thing = generator.choice(ROOMS[room])
            text = f"{generator.choice(FILLERS)} {thing} {generator.choice(TAILS)} ({index})"
            handle.write(json.dumps({"id": f"row:{index}", "input": {"text": text}, "label": {"team": room}}) + "\n")
    return path


def run(*words, workspace=None, env=None, check=True):
    """Run cli.py; returns (exit code, stdout, stderr). A hash seed is given to an interpreter of its own."""
    argv = _typed(words, workspace)
    env = {**os.environ, **(env or {})}
    if env.get("PYTHONHASHSEED") == os.environ.get("PYTHONHASHSEED"):
        code, out, err = warm().start(argv, env).ended()
    else:
        done = subprocess.run(
            [sys.executable, *argv], capture_output=True, text=True, env=env, check=False, timeout=HANGS
        )  # fmt: skip
        code, out, err = done.returncode, done.stdout, done.stderr
    assert not check or code == 0, err
    assert "Traceback" not in err
    return code, out, err


def started(*words, workspace=None, cwd=None):
    """Start cli.py and return at once, for what happens beside it or to it."""
    return warm().start(_typed(words, workspace), os.environ, cwd and str(cwd))


def started_code(code, *words, cwd=HOME):
    """Start Python code as ``python -c`` does; ``cwd`` is where it runs, and what it imports from first."""
    return warm().start(["-c", code, *map(str, words)], os.environ, str(cwd))


def _typed(words, workspace):
    return [str(HOME / "cli.py"), *map(str, words), *(["--workspace", str(workspace)] if workspace else [])]


def until(holds):
    """Wait for what another process is about to do; whether it came about."""
    end = time.monotonic() + HANGS
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


LAUNCHER = """#!/bin/sh
case "$*" in
"-m calls.courier "*) exec {python} -ISE {client} {plain} {python} "$@" ;;
"-m tracking.projector "*) exec {python} -ISE {client} {mlflow} {python} "$@" ;;
esac
exec {python} "$@"
"""


class Warm:
    """The processes of ``warm.py`` and the way to them.

    Attributes:
        launcher: A ``python`` that has the processes beside a run forked there, and is Python for everything else.
    """

    def __init__(self, folder):
        """In a folder; those that are there already, of another process, are used."""
        self.paths = {loaded: Path(folder) / loaded for loaded in ("plain", "mlflow")}
        self.launcher = Path(folder) / "python"
        if not self.launcher.exists():
            self._start()

    def _start(self):
        here = Path(__file__).parent
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(here / "warm.py"), str(path), loaded], stdin=subprocess.PIPE,
                start_new_session=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
            for loaded, path in self.paths.items()
        ]  # fmt: skip
        assert all(until(path.exists) for path in self.paths.values())
        words = {"python": sys.executable, "client": here / "warm_client.py", **self.paths}
        self.launcher.write_text(LAUNCHER.format(**words), "utf-8")
        self.launcher.chmod(0o700)

    def start(self, argv, env, cwd=None):
        return Started(self, argv, env, cwd)


class Started:
    """A command at work, in a process that takes signals as any other does."""

    def __init__(self, warm, argv, env, cwd):
        self._argv, self._code = argv, None
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed by ``ended``
        with open(os.devnull, "rb") as nothing:
            streams = [nothing.fileno(), self._out.fileno(), self._err.fileno()]
            self._ending, self.pid = begin(warm.paths["plain"], argv, str(warm.launcher), streams, env, cwd)

    def poll(self):
        """Its exit code, None while it is at work."""
        if self._code is None:
            self._code = ending(self._ending, 0)
        return self._code

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.ended()

    def ended(self):
        """Wait for it, once: its exit code, and all that it has written."""
        if self._code is None:
            self._code = ending(self._ending, HANGS)
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"{self._argv} did not end within {HANGS} s")
        self._ending.close()
        texts = []
        for stream in (self._out, self._err):
            with stream:
                stream.seek(0)
                texts.append(stream.read().decode("utf-8"))
        return self._code, *texts


@cache
def warm():
    """The processes of this test run; whoever asks first starts them, and they end with it."""
    if SHARED not in os.environ:
        os.environ[SHARED] = tempfile.mkdtemp(prefix="warm-")
        atexit.register(shutil.rmtree, os.environ[SHARED], ignore_errors=True)
    return Warm(os.environ[SHARED])
