"""A small OpenAI-compatible server on 127.0.0.1; it answers through the embedded model or fails on schedule.

It keeps its own ledger of what it was asked and what it answered: the truth that our accounting is compared with.
Run alone for benchmarks: python -m tests.provider --latency 0.2 --faults 0.2
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import random
import re
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dspy.lm15 import Config, Message, Request, TextPart

from offline import OfflineEngine

Fault = Callable[["Provider", int, str, int], str | tuple[int, dict[str, str], bytes] | None]
"""(provider, number of the request, name of its body, how often this body has come) -> what goes wrong, if anything."""

KINDS = (
    "429", "429 wait", "500", "503", "reset", "slow", "truncated", "no fences", "no choices", "wrong type",
)  # fmt: skip


FAULTS = (
    *KINDS, "429 hour", "429 nan", "429 negative", "stall", "drip", "drip head", "flood", "half closed", "empty",
    "deep", "not text", "odd usage", "html", "redirect", "surrogate", "nul",
)  # fmt: skip
"""Everything that can go wrong; the last two are answers all the same."""


def chaos(share: float, seed: int = 0, kinds: tuple[str, ...] = KINDS, most: int = 2) -> Fault:
    """Fail so large a share of requests, decided by the request itself, never more than ``most`` times in a row."""

    def fault(provider: Provider, number: int, name: str, times: int) -> str | None:
        dice = random.Random(f"{seed} {name} {times}")
        return dice.choice(kinds) if times <= most and dice.random() < share else None

    return fault


@dataclass
class Provider:
    """The server's state: every request it has seen, in order of arrival, and what it has answered."""

    engine: Any = field(default_factory=lambda: OfflineEngine("small"))
    latency: float = 0.0
    fault: Fault | None = None
    key: str | None = None
    canned: bool = False
    seen: list[dict[str, Any]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    most_in_flight: int = 0
    in_flight: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def repeated(self) -> int:
        """How many answers it gave to questions that it had answered before."""
        with self.lock:
            return sum(count - 1 for count in self.answered.values())

    def ledger(self) -> dict[str, Any]:
        """Its own account."""
        with self.lock:
            return {
                "requests": len(self.seen), "answered": self.answered.total(), "distinct": len(self.answered),
                "faults": dict(self.faults), "most_in_flight": self.most_in_flight,
            }  # fmt: skip

    def text(self, body: dict[str, Any]) -> tuple[str, int, int]:
        """The answer of the embedded model with its token counts, or a fixed one."""
        if self.canned:
            return "[[ ## label ## ]]\na\n\n[[ ## completed ## ]]", 200, 12
        system = "\n".join(m["content"] for m in body["messages"] if m["role"] == "system")
        turns = tuple(
            Message(role=m["role"], parts=(TextPart(text=m["content"]),))
            for m in body["messages"]
            if m["role"] != "system"
        )
        engine = OfflineEngine("large") if body["model"].endswith("large") else self.engine
        response = engine.complete(Request(model=body["model"], system=system, messages=turns, config=Config()))
        return response.message.text or "", response.usage.input_tokens or 0, response.usage.output_tokens or 0

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """One chat completion, as OpenAI's servers write it."""
        text, tokens_in, tokens_out = self.text(body)
        return {
            "id": "cmpl-test",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
            },
        }


def error(message: str, **details: str) -> bytes:
    """An error body as OpenAI's servers write it."""
    return json.dumps({"error": {"message": message, **details}}).encode()


ENDINGS = {"surrogate": " \ud83d", "nul": " \x00"}
"""What some models append to an answer: half a character, a byte that ends a string in C."""


def _content(done: dict[str, Any], change: Callable[[str], Any]) -> dict[str, Any]:
    """A completion with another text."""
    message = done["choices"][0]["message"]
    return {**done, "choices": [{**done["choices"][0], "message": {**message, "content": change(message["content"])}}]}


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one class
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every answer waits 40 ms for the caller's delayed acknowledgement
        wbufsize = 1 << 16
        ending = ""

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._send(200, {}, json.dumps(provider.ledger()).encode())

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            body = json.loads(raw)
            name = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
            with provider.lock:
                provider.seen.append(body)
                provider.asked[name] += 1
                number, times = len(provider.seen), provider.asked[name]
                provider.in_flight += 1
                provider.most_in_flight = max(provider.most_in_flight, provider.in_flight)
            try:
                time.sleep(provider.latency)
                self._answer(body, name, number, times)
            finally:
                with provider.lock:
                    provider.in_flight -= 1

        def _answer(self, body: dict[str, Any], name: str, number: int, times: int) -> None:
            if provider.key is not None and self.headers.get("Authorization") != f"Bearer {provider.key}":
                self._send(401, {}, error("invalid api key", code="invalid_api_key"))
                return
            planned = provider.fault(provider, number, name, times) if provider.fault else None
            if isinstance(planned, tuple):
                self._send(*planned)
                return
            if planned is not None:
                with provider.lock:
                    provider.faults[planned] += 1
                if not self._misbehave(planned, body):
                    return
            done, ending = provider.completion(body), self.ending
            self.ending = ""
            payload = json.dumps(_content(done, lambda text: text + ending)).encode()
            if self._caller_is_gone():
                return
            with provider.lock:
                provider.answered[name] += 1
            self._send(200, {}, payload)

        def _misbehave(self, kind: str, body: dict[str, Any]) -> bool:
            """Do one of the things that real providers do; True when the answer should follow all the same."""
            plain = {
                "429": (429, {}, error("slow down")),
                "429 wait": (429, {"Retry-After": "0.2"}, error("slow down")),
                "429 hour": (429, {"Retry-After": "3600"}, error("come back later")),
                "400": (400, {}, error("content policy")),
                "500": (500, {}, error("internal")),
                "503": (503, {}, error("overloaded")),
                "429 nan": (429, {"Retry-After": "nan"}, error("slow down")),
                "429 negative": (429, {"Retry-After": "-5"}, error("slow down")),
                "no choices": (200, {}, json.dumps({**provider.completion(body), "choices": []}).encode()),
                "wrong type": (200, {"Content-Type": "text/html"}, b"<html>gateway</html>"),
                "html": (502, {"Content-Type": "text/html"}, b"<html><h1>502 Bad Gateway</h1></html>"),
                "truncated": (200, {}, json.dumps(provider.completion(body)).encode()[:-40]),
                "deep": (200, {}, b"[" * 100_000),
                "redirect": (307, {"Location": provider.url + "/chat/completions"}, b""),
            }  # fmt: skip
            if kind in plain:
                self._send(*plain[kind])
            elif kind in self.rewritten:
                self._send(200, {}, json.dumps(self.rewritten[kind](provider.completion(body))).encode())
            elif kind == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
            elif kind in ("stall", "drip", "drip head", "flood", "half closed"):
                with contextlib.suppress(OSError):
                    self._never_end(kind)
                self.close_connection = True
            elif kind == "slow":
                time.sleep(0.3)
            elif kind in ENDINGS:
                self.ending = ENDINGS[kind]
            return kind == "slow" or kind in ENDINGS

        rewritten = {
            "no fences": lambda done: _content(done, lambda text: re.sub(r"\[\[ ##|## \]\]|[{}]", "", text)),
            "empty": lambda done: _content(done, lambda text: ""),
            "not text": lambda done: _content(done, lambda text: {"text": [text]}),
            "odd usage": lambda done: {**_content(done, lambda text: ""), "usage": {"prompt_tokens": "many"}},
        }

        def _never_end(self, kind: str) -> None:
            """Begin an answer that does not end, or not in order."""
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            if kind == "drip head":
                for number in range(600):
                    self.wfile.write(b"X-Drop-%d: 1\r\n" % number)
                    self.wfile.flush()
                    time.sleep(0.1)
            self.wfile.write(b"Content-Length: 1000000000\r\n\r\n")
            self.wfile.flush()
            if kind == "half closed":
                self.wfile.write(b'{"choices": [')
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_WR)
                time.sleep(0.1)
            elif kind == "stall":
                time.sleep(30)
            for _ in range(1000 if kind == "flood" else 600 if kind == "drip" else 0):
                self.wfile.write(b" " * (1_000_000 if kind == "flood" else 1))
                self.wfile.flush()
                time.sleep(0 if kind == "flood" else 0.1)

        def _caller_is_gone(self) -> bool:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

        def _send(self, status: int, headers: dict[str, str], payload: bytes) -> None:
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)
                self.wfile.flush()

        def handle_one_request(self) -> None:
            """One request; a caller that hangs up, or a connection closed on purpose, is not an error here."""
            try:
                super().handle_one_request()
            except (OSError, ValueError):
                self.close_connection = True

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection is part of the test."""

    def shutdown_request(self, request: Any) -> None:
        """Close quietly, also a socket that was reset on purpose."""
        with contextlib.suppress(OSError):
            super().shutdown_request(request)


def _start(provider: Provider, port: int = 0) -> _Server:
    server = _Server(("127.0.0.1", port), _handler(provider))
    provider.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    return server


@contextlib.contextmanager
def serving(provider: Provider) -> Iterator[Provider]:
    """Serve the provider on a free port while the block runs."""
    server = _start(provider)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Serve until killed; prints the address on the first line. GET anywhere returns the server's own account."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--canned", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    fault = chaos(arguments.faults) if arguments.faults else None
    provider = Provider(latency=arguments.latency, fault=fault, canned=arguments.canned)
    server = _start(provider, arguments.port)
    sys.stdout.write(provider.url + "\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
