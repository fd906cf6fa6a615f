"""A process of its own that carries paid requests, so that an answer on its way outlives the run that asked for it.

When the run is killed, the courier finishes what is in flight, writes it to the ledger and ends. The next run finds
the answers there. It ignores Ctrl-C for the same reason. Messages are JSON lines over a private socket pair.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import dspy

from calls.ledger import Ledger
from calls.models import ModelSpec
from calls.records import CallSite, Claim, Completion, Request
from calls.wire import EmptyAnswerError, LateAnswerError, Wire, remember_listed_prices, remember_routes
from core.errors import ModelError, OutputError, ProvenError
from core.owner import Owner
from core.patterns import SlowPatternError
from core.redact import Redactor

PATIENCE_SECONDS = 600.0
"""How long answers that could not be written are kept after the run has ended, for somebody to free space."""
LOOK_SECONDS = 0.5
"""How often whoever waits for an answer looks whether the run goes on."""
Done = TypeVar("Done")
HOME = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Delivery:
    """An answer and whether the ledger had it already, with the run that paid for it."""

    answer: Completion
    hit: bool
    run_id: str


class Courier:
    """The run's side: hands requests to the process and waits for what comes back. Safe for many threads."""

    def __init__(self, ledger: Ledger) -> None:
        ours, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        setup = {"ledger": str(ledger.path), "secrets": dict(ledger.redact.secrets), "patterns": ledger.redact.patterns}
        # The child inherits our end of nothing: when this process dies, the kernel closes the last copy of `ours`.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "calls.courier", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self._errors, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._redact = ledger.redact
        self._socket = ours
        self._out = ours.makefile("wb")
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._number, self._closed = 0, False
        self._send(setup)
        threading.Thread(target=self._listen, name="courier", daemon=True).start()

    def carry(
        self, key: str, site: CallSite, line: str, request: Request, halted: Callable[[], None] = lambda: None
    ) -> Delivery:
        """Have one attempt made, unless the call was answered before, here or in another process.

        Args:
            key: The call's name in the ledger.
            site: Who asks.
            line: The model and its key, as :func:`line_to` writes them.
            request: What is asked.
            halted: Called every now and then while waiting; raises when the run has ended meanwhile. The attempt is
                finished all the same, and its answer found by the next run.

        Raises:
            dspy.LMError: What the provider or the network answered instead.
            ModelError: If the courier itself is gone.
            OutputError: If the ledger cannot be written.
        """
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            self._number += 1
            number = self._number
            self._waiting[number] = future
        body = {
            "n": number, "key": key, "site": [site.run_id, site.task, site.role, site.row_id], "line": line,
            "messages": request.messages, "params": request.params,
        }  # fmt: skip
        self._send(body)
        while True:
            try:
                reply = future.result(LOOK_SECONDS)
                break
            except TimeoutError:
                halted()
        if "error" in reply:
            raise _error(reply)
        return Delivery(Completion(**reply["answer"]), reply["hit"], reply["run_id"])

    def close(self) -> None:
        """Let the process end; what is in flight is finished there first."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._out.close()
        reaper = threading.Thread(target=self._reap, name="courier-end", daemon=True)
        reaper.start()
        if not self._waiting:
            reaper.join(2.0)  # it may stay longer, for what it could not write

    def _reap(self) -> None:
        self._process.wait()
        self._errors.close()

    def _send(self, body: Mapping[str, Any]) -> None:
        line = json.dumps(body, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass") + b"\n"
        with self._lock:
            try:
                self._out.write(line)
                self._out.flush()
            except (OSError, ValueError):
                raise self._gone() from None

    def _listen(self) -> None:
        try:
            with self._socket.makefile("rb") as lines:
                for line in lines:
                    reply = json.loads(line)
                    self._waiting.pop(reply["n"]).set_result(reply)
        except (OSError, ValueError):
            pass  # closed on our side
        for future in list(self._waiting.values()):
            future.set_exception(self._gone())
        self._waiting.clear()

    def _gone(self) -> ModelError:
        if self._closed:
            return ModelError("the run is over")
        self._errors.seek(0)
        last = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        reason = self._redact.text(last[0]) if last else "it was killed"
        return ModelError(
            f"the process that makes the calls has ended: {reason}", hint="run the same command again; it continues"
        )


def line_to(spec: ModelSpec, key: str | None) -> str:
    """A model and its API key as one text, for the private socket; never written anywhere."""
    return json.dumps([asdict(spec), key], sort_keys=True)


_ERRORS: dict[str, type[dspy.LMError]] = {
    kind.__name__: kind
    for kind in (
        dspy.LMTransportError, dspy.LMAuthError, dspy.LMBillingError, dspy.LMRateLimitError, dspy.LMInvalidRequestError,
        dspy.LMUnsupportedModelError, dspy.LMTimeoutError, dspy.LMServerError, dspy.LMConfigurationError,
        dspy.LMNotConfiguredError, dspy.LMProviderError, dspy.LMUnexpectedError, EmptyAnswerError,
        LateAnswerError,
    )
}  # fmt: skip


_ENDINGS: dict[str, type[ProvenError]] = {kind.__name__: kind for kind in (OutputError, SlowPatternError)}
"""What ends the run."""


def _error(reply: Mapping[str, Any]) -> Exception:
    ending = _ENDINGS.get(reply["error"])
    if ending is not None:
        return ending(reply["message"], hint=reply["hint"])
    kind = _ERRORS.get(reply["error"])
    if kind is None:
        kind = dspy.LMInvalidRequestError if reply.get("status") in (400, 413, 422) else dspy.LMUnexpectedError
    return kind(reply["message"], status=reply.get("status"), retry_after=reply.get("retry_after"))


class _Hands:
    """Threads that do what they are given; as many as are needed at a time. None of them keeps the process alive."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._idle, self._lock = 0, threading.Lock()

    def do(self, work: Callable[[], None]) -> None:
        """Have something done as soon as possible."""
        with self._lock:
            start = self._idle == 0
            self._idle -= not start
        self._work.put(work)
        if start:
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self._work.get()()
            with self._lock:
                self._idle += 1


class _CourierServer:
    """The process's side: takes requests, claims them in the ledger, sends them and writes down what came back.

    Every request gets one reply: its answer, or what came instead, at the latest when the time of its attempt is
    over. What cannot be written is kept and tried again, so that an answer that was paid is not lost to a full disk.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._lines = connection.makefile("rb")
        self._out = connection.makefile("wb")
        self._lock = threading.Lock()
        self._wires: dict[str, Wire] = {}
        self._closing = threading.Event()
        self._hands, self._open, self._changed = _Hands(), 0, threading.Condition()
        self._unwritten: deque[Callable[[], object]] = deque()

    def serve(self) -> None:
        """Work until the run hangs up, then finish what is in flight."""
        setup = json.loads(self._lines.readline() or b"{}")
        if not setup:
            return
        redact = Redactor(setup["secrets"], tuple(setup["patterns"]))
        self._ledger = Ledger(Path(setup["ledger"]), redact)
        self._owner = Owner(self._ledger.owners, f"{os.getpid()}-{secrets.token_hex(4)}")
        try:
            for line in self._lines:
                self._take(json.loads(line))
        except OSError:
            pass  # the run is gone
        self._closing.set()
        with self._changed:  # every attempt ends within its own limit
            self._changed.wait_for(lambda: self._open == 0)
            self._changed.wait_for(lambda: not self._unwritten, PATIENCE_SECONDS)
        self._ledger.close()
        self._owner.close()

    def _take(self, body: dict[str, Any]) -> None:
        with self._changed:
            self._open += 1
        self._hands.do(lambda: self._handle(body))

    def _handle(self, body: dict[str, Any]) -> None:
        try:
            reply = self._attempt(body)
        except Exception as error:  # noqa: BLE001 - travels to the run, which names it
            reply = self._told(error)
        if reply is not None:
            self._reply(body["n"], reply)

    def _told(self, error: Exception) -> dict[str, Any]:
        """An error as it travels to the run."""
        try:
            return self._masked(error)
        except SlowPatternError as slow:
            return self._masked(slow)

    def _masked(self, error: Exception) -> dict[str, Any]:
        text = self._ledger.redact.error
        if isinstance(error, dspy.LMError):
            details = {"status": error.status, "retry_after": error.retry_after}
            return {"error": type(error).__name__, "message": text(str(error)), **details}
        if isinstance(error, ProvenError):
            return {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        return {"error": "LMUnexpectedError", "message": text(f"{type(error).__name__}: {error}")}

    def _reply(self, number: int, reply: dict[str, Any]) -> None:
        line = json.dumps({"n": number, **reply}, ensure_ascii=False, default=str)
        with self._lock:
            try:
                self._out.write(line.encode("utf-8", "surrogatepass") + b"\n")
                self._out.flush()
            except (OSError, ValueError):
                self._closing.set()  # the run is gone; the answer is in the ledger
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def _attempt(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Make one attempt; None if its time was over and that has been told already."""
        site, wire = CallSite(*body["site"]), self._wire(body["line"])
        request = Request(body["messages"], body["params"])
        pause = 0.02
        while True:
            if self._closing.is_set():
                raise dspy.LMTransportError("the run ended before this call was made")
            claim = self._ledger.claim(body["key"], site, wire.spec, request, self._owner.name)
            if claim.kind != "busy":
                break
            time.sleep(pause)  # another process asks the same thing
            pause = min(1.5 * pause, 0.5)
        if claim.entry is not None:
            return {"answer": vars(claim.entry.answer), "hit": True, "run_id": claim.entry.run_id}
        answer = self._send(body["n"], claim, wire, request)
        return None if answer is None else {"answer": vars(answer), "hit": False, "run_id": site.run_id}

    def _send(self, number: int, claim: Claim, wire: Wire, request: Request) -> Completion | None:
        started, first = time.perf_counter(), threading.Lock()

        def fail(error: Exception) -> None:
            seconds, text = time.perf_counter() - started, f"{type(error).__name__}: {error}"[:2000]
            self._write(lambda: self._ledger.fail(claim, text, seconds))

        def late() -> None:
            if not first.acquire(blocking=False):
                return
            error: Exception = LateAnswerError(f"no whole answer within {wire.spec.timeout:g} s")
            try:
                fail(error)
            except ProvenError as unwritable:
                error = unwritable
            self._reply(number, self._told(error))

        try:
            answer = wire.send(request, late)
        except Exception as error:
            if not first.acquire(blocking=False):
                return None
            fail(error)
            raise
        if not first.acquire(blocking=False):
            return None
        return self._write(lambda: self._ledger.settle(claim, answer))

    def _write(self, work: Callable[[], Done]) -> Done:
        """Write to the ledger; what cannot be written is kept and tried again.

        Raises:
            OutputError: If it cannot be written now. The run is told and ends; this process stays for it.
        """
        try:
            return work()
        except OutputError:
            with self._changed:
                self._unwritten.append(work)
                if len(self._unwritten) == 1:
                    threading.Thread(target=self._write_again, name="unwritten", daemon=True).start()
            raise

    def _write_again(self) -> None:
        while self._unwritten:
            time.sleep(0.5)
            try:
                self._unwritten[0]()
            except OutputError:
                continue
            with self._changed:
                self._unwritten.popleft()
                self._changed.notify_all()

    def _wire(self, line: str) -> Wire:
        with self._lock:
            if line not in self._wires:
                spec, key = json.loads(line)
                self._wires[line] = Wire(ModelSpec(**spec), key)
            return self._wires[line]


def main() -> None:
    """Serve the socket whose number is the only argument."""
    warnings.simplefilter("ignore")
    remember_listed_prices()
    remember_routes()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        _CourierServer(connection).serve()


if __name__ == "__main__":
    main()
