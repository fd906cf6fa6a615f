"""MLflow's empty database, made once for all tests: making it takes MLflow seconds, copying it none."""

from __future__ import annotations

import importlib
import os
import shutil
import sqlite3
import tempfile
from importlib.metadata import version
from pathlib import Path

from core.lock import FileLock
from tracking import database

TEMPLATE = Path(tempfile.gettempdir()) / f"proven-tests-{os.getuid()}" / f"mlflow-{version('mlflow')}.db"
_make = database._make


def copied(path: Path, mlruns: Path) -> None:
    """A fresh database at a path, as ``tracking.database`` makes it."""
    TEMPLATE.parent.mkdir(mode=0o700, exist_ok=True)
    with FileLock(f"{TEMPLATE}.lock", timeout=600):
        if not TEMPLATE.exists():
            _make(TEMPLATE, TEMPLATE.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(TEMPLATE, path)
    with sqlite3.connect(path) as db:
        place = (mlruns / "artifacts" / "0").as_uri()
        db.execute("update experiments set artifact_location = ? where experiment_id = 0", (place,))
    db.close()


def load_mlflow() -> None:
    """Import all that writes to MLflow, in a process that others are forked from."""
    client = importlib.import_module("tracking.client")
    os.environ.update(client.SAFE_ENVIRONMENT)
    for name in ("mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store", "tracking.projector"):
        importlib.import_module(name)
    database._make = copied
