"""A headless Chromium for pictures and for tests of pages: opened, looked at, printed; it reaches no network.

It is driven over a pair of pipes (Chrome DevTools Protocol), so that it needs no driver, no port and no package.
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--remote-debugging-pipe", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
PHONE = 390
SAYS = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
"""Events that are a line on the console."""


def chromium() -> str | None:
    """The browser of this machine, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def _pipe() -> tuple[int, int]:
    """Both ends of a pipe, under numbers that stay clear of the two that the browser expects."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


class Browser:
    """One tab of a browser of its own; use as a context.

    Attributes:
        console: What the pages that were opened have written to the console, errors of the browser's own among it.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._numbers = itertools.count(1)
        self._session = ""
        self._loaded = False
        self._heard = b""
        self.console: list[str] = []

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        hears, tells = _pipe()
        listens, says = _pipe()

        def handed() -> None:
            os.dup2(hears, 3)  # where the browser listens, and on 4 it answers
            os.dup2(says, 4)

        self._process = subprocess.Popen(
            [self._program, *FLAGS, f"--user-data-dir={self._folder.name}"],
            preexec_fn=handed, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(hears)
        os.close(says)
        self._out = os.fdopen(tells, "wb", buffering=0)
        self._in = os.fdopen(listens, "rb")
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._out.close()  # which ends it
        self._in.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def open(self, page: Path, *, width: int = 1440, height: int = 900, dark: bool = False) -> None:
        """Open a file as a screen of this size in CSS pixels shows it; a phone's width is a phone's screen."""
        narrow = width <= PHONE
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=narrow)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self._loaded = False
        self._ask("Page.navigate", url=page.resolve().as_uri())
        while not self._loaded:
            self._hear()

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript amounts to on the page.

        Raises:
            RuntimeError: If it throws.
        """
        found = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression!r}: {found['exceptionDetails'].get('exception', {}).get('description')}")
        return found["result"].get("value")

    def picture(self, out: Path, *, whole: bool = False) -> None:
        """What the screen shows as a PNG, or the whole page."""
        clip: dict[str, Any] = {}
        if whole:
            size = self._ask("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"captureBeyondViewport": True, "clip": {**size, "x": 0, "y": 0, "scale": 1}}
        out.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", format="png", **clip)["data"]))

    def printed(self) -> bytes:
        """The page as a PDF on A4."""
        paper = {"paperWidth": 8.27, "paperHeight": 11.69}
        return base64.b64decode(self._ask("Page.printToPDF", printBackground=True, **paper)["data"])

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        self._out.write(json.dumps({"id": number, "method": method, "params": params, **session}).encode() + b"\0")
        while True:
            said = self._hear()
            if said.get("id") == number:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']['message']}")
                return said["result"]

    def _hear(self) -> dict[str, Any]:
        """The next message; events leave their traces."""
        while b"\0" not in self._heard:
            some = self._in.read1()
            if not some:
                raise RuntimeError(f"{self._program} has ended by itself")
            self._heard += some
        line, _, self._heard = self._heard.partition(b"\0")
        said: dict[str, Any] = json.loads(line)
        if said.get("method") == "Page.loadEventFired":
            self._loaded = True
        if said.get("method") in SAYS:
            self.console.append(json.dumps(said["params"])[:500])
        return said
