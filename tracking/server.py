"""MLflow's own server and UI on the local store."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from core.errors import OutputError, UsageError
from tracking.client import SAFE_ENVIRONMENT, store_uri


@dataclass
class Server:
    """A running MLflow UI."""

    url: str
    process: subprocess.Popen[bytes]

    def wait(self) -> int:
        """Wait until it ends."""
        return self.process.wait()

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def serve(mlruns: Path, *, port: int = 5000, timeout: float = 60.0) -> Server:
    """Start MLflow's server on 127.0.0.1 for the local store: one worker, jobs and telemetry off.

    Raises:
        UsageError: If the port is taken.
        OutputError: If the server does not come up in time.
    """
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise UsageError(f"port {port} is in use", hint=f"choose another: python cli.py ui --port {port + 1}")
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store_uri(mlruns), "--artifacts-destination",
        str(mlruns.resolve() / "artifacts"), "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    log = (mlruns / "ui.log").open("wb")
    process = subprocess.Popen(command, env={**os.environ, **SAFE_ENVIRONMENT}, stdout=log, stderr=log)
    log.close()
    server = Server(f"http://127.0.0.1:{port}", process)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=2):
                return server
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    server.stop()
    raise OutputError(f"MLflow did not come up; see {mlruns / 'ui.log'}")
