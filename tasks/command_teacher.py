"""A program outside as teacher: each row is asked once, also when whoever asked is killed meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import NamedTuple

from calls.limits import Breaker
from core.errors import ModelError
from core.plain import canonical
from data.corpus import Row
from tasks.teaching import TeacherVerdict, teacher_facts

NOTES_EXIT = """
import subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    file.write(str(code))
sys.exit(code if code >= 0 else 128 - code)
"""
"""Runs a command and notes how it ended, so that an answer whose asker is gone is known to be whole."""


class _Files(NamedTuple):
    """Where the process of a row writes its verdict, its complaints and how it ended."""

    out: Path
    err: Path
    code: Path


@dataclass(frozen=True)
class CommandTeacher:
    """A program outside: one process per row, input JSON on stdin, verdict JSON on stdout. No shell is involved.

    A process writes into a file of its row and holds a lock on it for as long as it lives. Whoever comes after a kill
    waits for what is still at work and takes what was finished; only a row without a usable verdict is asked again.

    Attributes:
        words: The command and its arguments.
        timeout: Seconds that one row may take.
        threads: Processes at a time.
    """

    words: tuple[str, ...]
    timeout: float
    threads: int = 1
    model: str | None = None
    prompt_hash: str | None = None

    @property
    def name(self) -> str:
        """The command as it would be typed."""
        return shlex.join(self.words)

    def ask(self, rows: Sequence[Row], done: Callable[[TeacherVerdict], None], desk: Path) -> None:
        """Run the command on every row.

        Raises:
            ModelError: If it fails row after row; verdicts given so far are kept.
        """
        desk.mkdir(parents=True, exist_ok=True)
        breaker = Breaker(patience=float("inf"))  # a slow command is not a dead one
        pool = ThreadPoolExecutor(max_workers=self.threads, thread_name_prefix="teacher")
        try:
            futures = {}
            for row in rows:
                files = self._files(desk, row)
                futures[pool.submit(self._one, row, files)] = files
            for future in as_completed(futures):
                verdict = future.result()
                done(verdict)
                for file in futures[future]:
                    file.unlink(missing_ok=True)
                if verdict.error is None:
                    breaker.success()
                elif breaker.failure(overloaded=False):
                    raise ModelError(
                        f"the teacher {self.name} fails row after row; stopped. The last one: {verdict.error}",
                        hint="mend the command, then run this again; verdicts given so far are kept",
                    )
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        with contextlib.suppress(OSError):
            desk.rmdir()

    def _files(self, desk: Path, row: Row) -> _Files:
        asked = canonical([list(self.words), row.id, dict(row.inputs)])
        name = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return _Files(desk / f"{name}.out", desk / f"{name}.err", desk / f"{name}.code")

    def _one(self, row: Row, files: _Files) -> TeacherVerdict:
        with _locked(files.out, self.timeout) as out:
            if out is None:
                return TeacherVerdict(row.id, error=f"no verdict within {self.timeout:g} s")
            if files.code.exists() and files.code.read_text("utf-8") == "0":
                return _verdict(row, out.read())  # whoever had asked was killed before it could take the answer
            files.code.unlink(missing_ok=True)
            out.seek(0)
            out.truncate()
            started = time.perf_counter()
            error = self._run(row, out, files)
            seconds = time.perf_counter() - started
            if error is not None:
                return TeacherVerdict(row.id, error=error)
            out.seek(0)
            return _verdict(row, out.read(), seconds)

    def _run(self, row: Row, out: BufferedRandom, files: _Files) -> str | None:
        """Let the process write; what went wrong, if anything. It outlives a kill of this one, and holds the lock."""
        if shutil.which(self.words[0]) is None:
            return f"cannot be run: there is no program {self.words[0]!r}"
        text = json.dumps(dict(row.inputs), ensure_ascii=False).encode("utf-8", "replace")
        with files.err.open("w+b") as err:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", NOTES_EXIT, str(files.code), *self.words],
                stdin=subprocess.PIPE, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
            try:
                process.communicate(text, self.timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return f"no verdict within {self.timeout:g} s"
            err.seek(0)
            said = err.read().decode("utf-8", "replace").strip().splitlines()
        if process.returncode:
            return f"exit code {process.returncode}: {said[-1] if said else 'nothing on stderr'}"
        return None


def teacher_forecast(gold: Sequence[Row], waiting: int, threads: int, timeout: float) -> str:
    """What asking the rows that wait will take, from what the frozen ones took; for a person."""
    facts = teacher_facts(gold)
    if facts.latency is None:
        time_taken = f"at most {waiting * timeout / threads / 60:.0f} min, by its timeout alone"
    else:
        time_taken = f"about {waiting * facts.latency / threads / 60:.1f} min, by the {facts.rows} rows before"
    return f"{waiting} starts of a command, {time_taken}; what it costs is not known here"


@contextlib.contextmanager
def _locked(path: Path, timeout: float) -> Iterator[BufferedRandom | None]:
    """The file of a row, once no process works on it any more; None if one still does when the time is over."""
    with path.open("a+b") as file:
        until = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    yield None
                    return
                time.sleep(0.05)
        file.seek(0)
        yield file


def _verdict(row: Row, output: bytes, seconds: float | None = None) -> TeacherVerdict:
    try:
        label = json.loads(output)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        return TeacherVerdict(
            row.id, error=f"stdout is not JSON ({reason}): {output[:80].decode('utf-8', 'replace')!r}"
        )
    if label in (None, {}, []):
        return TeacherVerdict(row.id, error=f"an empty verdict: {output[:80].decode('utf-8', 'replace').strip()}")
    return TeacherVerdict(row.id, label=label, latency_s=seconds)
