"""MLflow through an explicit client and run ids, never through its global state."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.lock import FileLock
from tracking.database import LOCK, prepare
from tracking.views import leaderboard_tag

SAFE_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "64",  # the default pool deadlocks itself from 16 threads on
    "MLFLOW_TRACE_USE_ISOLATED_RANDOM_ID_GENERATOR": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the default of 7 holds everything up for minutes when a server is down
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # without it a server without internet hangs for ever
}
TAG_CHARS, PARAM_CHARS = 5000, 500
DIGITS = 4
BATCH = 1000
"""The most metrics that MLflow takes in one request."""
SQLITE = "sqlite:///"


def store_uri(mlruns: Path) -> str:
    """Where MLflow keeps runs: the user's own ``MLFLOW_TRACKING_URI``, else SQLite in the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or own_uri(mlruns)


def own_uri(mlruns: Path) -> str:
    """The workspace's own database."""
    return f"{SQLITE}{mlruns.resolve() / 'mlflow.db'}"


class Client:
    """One MLflow: its experiments, and runs to write to.

    Raises:
        StoreError: If its database cannot be used by this version.
    """

    def __init__(self, uri: str, mlruns: Path) -> None:
        for name, value in SAFE_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import mlflow
        from mlflow.tracing.client import TracingClient
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        with _same_environment("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            # Linking a prompt to a run goes through the global ones, whatever the client says.
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
        self.mlruns = mlruns.resolve()
        self.mlruns.mkdir(parents=True, exist_ok=True)
        self.local = uri.startswith(SQLITE)
        if self.local:
            prepare(Path(uri.removeprefix(SQLITE)), self.mlruns)
        self.api = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.traces = TracingClient(uri)
        self._found: set[str] = set()
        self.experiments: dict[str, str] = {e.name: e.experiment_id for e in self.api.search_experiments()}

    def ping(self) -> None:
        """Ask for next to nothing; raises what MLflow raises when it is not there."""
        self.api.search_experiments(max_results=1)

    def experiment(self, task: str) -> str:
        """The task's experiment, made with its leaderboard on first use."""
        if task in self.experiments:
            return self.experiments[task]
        with FileLock(str(self.mlruns / LOCK), timeout=120):
            found = self.api.get_experiment_by_name(task)
            if found is not None:
                self.experiments[task] = found.experiment_id
                return found.experiment_id
            location = (self.mlruns / "artifacts" / task).as_uri() if self.local else None
            made = self.api.create_experiment(task, artifact_location=location)
        key, value = leaderboard_tag()
        self.api.set_experiment_tag(made, key, value)
        self.api.set_experiment_tag(made, "mlflow.note.content", f"Runs of the task `{task}`. No run has ended yet.")
        self.experiments[task] = made
        return made

    def describe(self, experiment: str, task: str, holdout: str) -> None:
        """Let an experiment's description name the run with the highest score on a holdout."""
        same = f"tags.stage = 'optimize' and tags.holdout_hash = '{holdout}' and metrics.n > 0"
        best = self.api.search_runs([experiment], same, order_by=["metrics.score DESC"], max_results=1)
        lines = [f"Runs of the task `{task}`."]
        if best:
            data, info = best[0].data, best[0].info
            numbers = f"score {data.metrics['score']:.3f}, lift {data.metrics['lift']:+.3f}"
            link = f"[{info.run_name}](#/experiments/{experiment}/runs/{info.run_id})"
            lines.append(f"Best on the current holdout: {link}, {numbers}, {data.tags.get('gate', '')}.")
        lines.append("Scores compare only between runs with the same `holdout_hash`.")
        self.api.set_experiment_tag(experiment, "mlflow.note.content", " ".join(lines))

    def knows(self, run: str) -> bool:
        """Whether this MLflow has the run; it may be another one than the run was first written to."""
        from mlflow.exceptions import MlflowException

        if run in self._found:
            return True
        try:
            self.api.get_run(run)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        self._found.add(run)
        return True

    def find_run(self, experiment: str, tag: str, value: str) -> MlflowRun | None:
        """The run of an experiment that carries a tag."""
        found = self.api.search_runs([experiment], f"tags.`{tag}` = '{value}'", max_results=1)
        return MlflowRun(self, experiment, str(found[0].info.run_id)) if found else None

    def make_run(self, experiment: str, started_at: str, tags: Mapping[str, str]) -> MlflowRun:
        """A new run."""
        short = {key: str(value)[:TAG_CHARS] for key, value in tags.items()}
        made = self.api.create_run(experiment, start_time=milliseconds(started_at), tags=short)
        self._found.add(str(made.info.run_id))
        return MlflowRun(self, experiment, str(made.info.run_id))


@dataclass(frozen=True)
class MlflowRun:
    """One run in MLflow, to write to. Writing the same twice leaves the same numbers, tags and files."""

    client: Client
    experiment: str
    id: str

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters, cut to what MLflow takes."""
        from mlflow.entities import Param

        self.client.api.log_batch(self.id, params=[Param(k, str(v)[:PARAM_CHARS]) for k, v in values.items()])

    def metrics(self, values: Mapping[str, float | None], step: int = 0) -> None:
        """Log numbers; what is unknown is left out."""
        self.curve([(step, values)])

    def curve(self, points: Sequence[tuple[int, Mapping[str, float | None]]], moment: int | None = None) -> None:
        """Log numbers at steps, as of a time in milliseconds; what is unknown is left out."""
        from mlflow.entities import Metric

        at = int(time.time() * 1000) if moment is None else moment
        metrics = [
            Metric(metric_key(key), round(float(value), DIGITS), at, step)
            for step, values in points
            for key, value in values.items()
            if value is not None
        ]
        for first in range(0, len(metrics), BATCH):
            self.client.api.log_batch(self.id, metrics=metrics[first : first + BATCH])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags, cut to what MLflow takes."""
        from mlflow.entities import RunTag

        self.client.api.log_batch(self.id, tags=[RunTag(k, str(v)[:TAG_CHARS]) for k, v in values.items()])

    def tables(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep tables as artifacts, and list them where MLflow's page of an evaluation looks for tables."""
        for path, table in tables.items():
            self.document(table, path)
        listed = [{"path": path, "type": "table"} for path in tables]
        self.tags({"mlflow.loggedArtifacts": json.dumps(listed)})

    def text(self, body: str, path: str) -> None:
        """Keep a text as an artifact."""
        self.client.api.log_text(self.id, body, path)

    def document(self, body: Any, path: str) -> None:
        """Keep plain data as an artifact, JSON by its name."""
        self.client.api.log_dict(self.id, body, path)

    def running(self) -> None:
        """It works again."""
        self.client.api.update_run(self.id, status="RUNNING")

    def ended(self, status: str, end_time: int) -> None:
        """It is over, since a time in milliseconds."""
        self.client.api.set_terminated(self.id, status=status, end_time=end_time)


@contextlib.contextmanager
def _same_environment(*names: str) -> Iterator[None]:
    """Take back what the block writes into the environment: child processes would write into this MLflow as well."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def milliseconds(moment: str) -> int:
    """ISO time as the milliseconds that MLflow counts in; a bare date is midnight in UTC."""
    parsed = dt.datetime.fromisoformat(moment)
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)).timestamp() * 1000)


def metric_key(name: str) -> str:
    """The name of a metric as MLflow allows it."""
    return re.sub(r"[^\w\-. /:]", "_", name)[:250]


def safe_name(name: str) -> str:
    """A name that may stand in a path or a prompt's name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)
