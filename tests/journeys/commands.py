"""Running commands as a person or a script would, and a small task of its own to run them on."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

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
    """Run cli.py; returns (exit code, stdout, stderr). With ``env`` in an interpreter of its own."""
    where = ["--workspace", str(workspace)] if workspace else []
    argv = [str(HOME / "cli.py"), *map(str, words), *where]
    if env is None:
        code, out, err = _warm().run(argv)
    else:
        done = subprocess.run(
            [sys.executable, *argv], capture_output=True, text=True, env={**os.environ, **env}, check=False,
            timeout=HANGS,
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


class Warm:
    """The process of ``warm.py`` and the pipe to it."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, start_new_session=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip

    def run(self, argv):
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / "out", Path(folder) / "err"
            out.touch()
            err.touch()
            request = {"argv": argv, "cwd": os.getcwd(), "env": dict(os.environ), "out": str(out), "err": str(err)}
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], HANGS)
            if not ready:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise AssertionError(f"{argv} did not end within {HANGS} s")
            return int(self.process.stdout.readline()), out.read_text("utf-8"), err.read_text("utf-8")


@cache
def _warm():
    return Warm()
