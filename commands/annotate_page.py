"""A queue as a page on this machine alone: what would be said in the terminal is shown, what would be typed is sent."""

from __future__ import annotations

import queue
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

LONGEST_ANSWER = 10_000
"""Bytes of an answer that are read."""
HOST = "127.0.0.1"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>annotate</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}}
pre{{white-space:pre-wrap;background:#f4f4f4;color:#111;padding:1rem}}input{{font:inherit;width:100%}}</style>
<pre>{said}</pre>{form}</html>"""
FORM = """<form method="post"><input type="hidden" name="number" value="{number}"><label>{question}
<input name="answer" autofocus autocomplete="off"></label> <button>Go on</button></form>"""


class Page:
    """One person in a browser: ``say`` and ``ask`` are those of a terminal.

    An answer belongs to the question that it was typed under: one that is sent twice counts once.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(16)
        self.port = 0
        self._said: list[str] = []
        self._question, self._number, self._done = "", 0, False
        self._answers: queue.Queue[str] = queue.Queue()
        self._changed = threading.Condition()

    @property
    def address(self) -> str:
        """Where it is; nobody finds it who does not know this address."""
        return f"http://{HOST}:{self.port}/{self.token}"

    def say(self, text: str, **_: Any) -> None:
        """Show a text, with all that was said since the last one that begins an item."""
        with self._changed:
            self._said = [text] if text.startswith("\n---") else [*self._said, text]

    def ask(self, question: str) -> str:
        """Wait for an answer.

        Raises:
            EOFError: If there will be none.
        """
        with self._changed:
            self._question, self._number = question, self._number + 1
            self._changed.notify_all()
        answer = self._answers.get()
        if self._done:
            raise EOFError
        return answer

    def end(self) -> None:
        """Nothing more is asked; whoever waits for an answer gets none."""
        with self._changed:
            self._question, self._done = "", True
            self._changed.notify_all()
        self._answers.put("")

    def answer(self, number: int, text: str) -> None:
        """Take an answer to the question that stands; one to an earlier question is dropped."""
        with self._changed:
            if number == self._number and self._question:
                self._question = ""
                self._answers.put(text)

    def html(self) -> str:
        """The page with the next question, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._question or self._done, timeout=30)
            form = FORM.format(number=self._number, question=escape(self._question)) if self._question else "Done."
            return PAGE.format(said=escape("\n".join(self._said).strip()), form=form)


@contextmanager
def serving() -> Iterator[Page]:
    """A page that is served while the block runs, on this machine alone."""
    page = Page()
    server = ThreadingHTTPServer((HOST, 0), _handler(page))
    server.daemon_threads = False  # the last page is sent before the server closes
    page.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield page
    finally:
        page.end()
        server.shutdown()
        server.server_close()


def _handler(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers at the page's own address alone; another Host is another page that points its name here."""

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the address is not for logs."""

        def do_GET(self) -> None:
            """The page."""
            if self._ours():
                self._send(200, page.html())

        def do_POST(self) -> None:
            """An answer."""
            length = self.headers.get("Content-Length", "0")
            if not self._ours():
                return
            if not length.isdigit() or int(length) > LONGEST_ANSWER:
                self._send(413, "too long")
                return
            given = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"))
            number = given.get("number", [""])[0]
            page.answer(int(number) if number.isdigit() else 0, given.get("answer", [""])[0])
            self.send_response(303)
            self.send_header("Location", f"/{page.token}")
            self.end_headers()

        def _ours(self) -> bool:
            known = secrets.compare_digest(self.path.encode(), f"/{page.token}".encode())
            if known and self.headers.get("Host") == f"{HOST}:{page.port}":
                return True
            self._send(404, "nothing here")
            return False

        def _send(self, status: int, text: str) -> None:
            body = text.encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            self.send_header("Referrer-Policy", "same-origin")
            self.end_headers()
            self.wfile.write(body)

    return Handler
