"""A small OpenAI-compatible server on 127.0.0.1 for tests; it answers through the embedded model or fails on schedule.

It keeps its own ledger of what it was asked: the truth that our accounting is compared with.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dspy.lm15 import Config, Message, Request, TextPart

Fault = Callable[["Provider", int], tuple[int, dict[str, str], bytes] | None]


@dataclass
class Provider:
    """The server's state: every request body it has seen, in order of arrival."""

    engine: Any
    latency: float = 0.0
    fault: Fault | None = None
    key: str | None = None
    seen: list[dict[str, Any]] = field(default_factory=list)
    answered: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer one chat completion with the embedded model."""
        system = "\n".join(m["content"] for m in body["messages"] if m["role"] == "system")
        turns = tuple(
            Message(role=m["role"], parts=(TextPart(text=m["content"]),))
            for m in body["messages"]
            if m["role"] != "system"
        )
        response = self.engine.complete(Request(model=body["model"], system=system, messages=turns, config=Config()))
        return {
            "id": "cmpl-test",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": response.message.text},
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": response.usage.input_tokens,
                "completion_tokens": response.usage.output_tokens,
                "total_tokens": response.usage.input_tokens + response.usage.output_tokens,
            },
        }


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with provider.lock:
                provider.seen.append(body)
                number = len(provider.seen)
            if provider.latency:
                time.sleep(provider.latency)
            if provider.key is not None and self.headers.get("Authorization") != f"Bearer {provider.key}":
                self._send(
                    401, {}, json.dumps({"error": {"message": "invalid api key", "code": "invalid_api_key"}}).encode()
                )
                return
            planned = provider.fault(provider, number) if provider.fault else None
            if planned is not None:
                self._send(*planned)
                return
            payload = json.dumps(provider.answer(body)).encode()
            with provider.lock:
                provider.answered += 1
            self._send(200, {"Content-Type": "application/json"}, payload)

        def _send(self, status: int, headers: dict[str, str], payload: bytes) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(payload)

    return Handler


@contextlib.contextmanager
def serving(provider: Provider) -> Iterator[Provider]:
    """Serve the provider on a free port while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider))
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
