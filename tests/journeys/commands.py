"""Running commands as a person or a script would, and a small task of its own to run them on."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from tests.journeys.warm_client import ask

HOME = Path(__file__).resolve().parents[2]
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
    where = ["--workspace", str(workspace)] if workspace else []
    argv = [str(HOME / "cli.py"), *map(str, words), *where]
    env = {**os.environ, **(env or {})}
    if env.get("PYTHONHASHSEED") == os.environ.get("PYTHONHASHSEED"):
        code, out, err = warm().run(argv, env)
    else:
        done = subprocess.run(
            [sys.executable, *argv], capture_output=True, text=True, env=env, check=False, timeout=HANGS
        )  # fmt: skip
        code, out, err = done.returncode, done.stdout, done.stderr
    assert not check or code == 0, err
    assert "Traceback" not in err
    return code, out, err


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

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self.paths = {loaded: Path(self._folder.name) / loaded for loaded in ("plain", "mlflow")}
        here = Path(__file__).parent
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(here / "warm.py"), str(path), loaded], stdin=subprocess.PIPE,
                start_new_session=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
            for loaded, path in self.paths.items()
        ]  # fmt: skip
        assert all(until(path.exists) for path in self.paths.values())
        self.launcher = Path(self._folder.name) / "python"
        words = {"python": sys.executable, "client": here / "warm_client.py", **self.paths}
        self.launcher.write_text(LAUNCHER.format(**words), "utf-8")
        self.launcher.chmod(0o700)

    def run(self, argv, env):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull, "rb") as nothing:
            streams = [nothing.fileno(), out.fileno(), err.fileno()]
            code = ask(self.paths["plain"], argv, str(self.launcher), streams, env, timeout=HANGS)
            if code is None:
                os.killpg(self.processes[0].pid, signal.SIGKILL)
                raise AssertionError(f"{argv} did not end within {HANGS} s")
            out.seek(0)
            err.seek(0)
            return code, out.read().decode("utf-8"), err.read().decode("utf-8")


@cache
def warm():
    return Warm()
