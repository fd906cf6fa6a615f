"""MLflow as a projection of our own record; the only file that imports it."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from core.candidate import Candidate
from core.cells import Cell, Matrix
from core.errors import OutputError, StoreError, UsageError
from core.evaluation import Evaluation
from core.optimization import Optimization, RunStart
from core.plain import digest, from_json, to_json
from tracking.events import Event, EventKind
from tracking.store import RunSummary, Store
from tracking.views import CELLS, KEY, cells_tag, leaderboard_tag

SAFE_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "64",  # the default pool deadlocks itself from 16 threads on
    "MLFLOW_TRACE_USE_ISOLATED_RANDOM_ID_GENERATOR": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the default of 7 holds every command up for minutes when a server is down
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # without it a server without internet hangs for ever
}
RUN_TAG = "proven.run_id"
CELL_TAG = "proven.cell"
DEFAULT_UI = "http://127.0.0.1:5000"
STATES = {
    "finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED", "interrupted": "KILLED", "exhausted": "KILLED",
}  # fmt: skip
TAG_CHARS, PARAM_CHARS = 5000, 500
_USER_URI = os.environ.get("MLFLOW_TRACKING_URI")
"""Read once, at import: MLflow writes this variable itself later on."""


def store_uri(mlruns: Path) -> str:
    """Where MLflow keeps runs: the user's own ``MLFLOW_TRACKING_URI``, else SQLite in the workspace."""
    return _USER_URI or f"sqlite:///{mlruns.resolve() / 'mlflow.db'}"


def prompt_text(uri: str, name: str, alias: str) -> str:
    """The template of a registered prompt.

    Raises:
        StoreError: If there is no such prompt or alias.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        found = MlflowClient(tracking_uri=uri, registry_uri=uri).get_prompt_version_by_alias(name, alias)
    except MlflowException as error:
        raise StoreError(f"MLflow has no prompt {name!r} with the alias {alias!r}: {error.message}") from None
    if not isinstance(found.template, str):
        raise StoreError(f"the prompt {name}@{alias} is a chat, not a text")
    return found.template


class Tracker:
    """Projects events into MLflow from a thread of its own; never raises into the run.

    What went wrong is in ``problems``; the events stay in the store and are taken up at the next chance.
    """

    def __init__(self, store: Store, mlruns: Path, uri: str | None = None) -> None:
        self.store, self.mlruns = store, mlruns
        self.uri = uri or store_uri(mlruns)
        self.problems: list[str] = []
        self._wake, self._stop = threading.Event(), threading.Event()
        self._projector: _Projector | None = None
        self._refused = False
        self._experiments: dict[str, str] = {}
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Say that there are new events; costs nothing."""
        self._wake.set()

    def close(self, timeout: float = 60.0) -> None:
        """Take what is left and end the thread."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self.problems.append(f"still busy after {timeout:.0f} s")

    def links(self, task: str, run_id: str | None, base: str = DEFAULT_UI) -> dict[str, str]:
        """Deep links into the UI: the leaderboard of the task, its matrix's cells, the run once MLflow knows it.

        ``cells`` is there once the task has a matrix, ``leaderboard`` where it has anything else or nothing yet.
        """
        experiment = self._experiments.get(task, "")
        own = [run.run_id.startswith(f"{task}-matrix-") for run in self.store.runs() if run.task == task]
        wanted = {"leaderboard": KEY} if not (own and all(own)) else {}
        if any(own):
            wanted["cells"] = CELLS
        at = f"{base}/#/experiments"
        view = f"{at}/{experiment}/runs?workflowType=machine_learning&viewStateShareKey="
        links = {name: f"{view}{key}" if experiment else at for name, key in wanted.items()}
        if run_id is not None:
            known = self.store.run(run_id).mlflow_run
            if known and experiment:
                links["run"] = f"{base}/#/experiments/{experiment}/runs/{known}"
        return links

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            stopping = self._stop.is_set()
            self._pass()
            if stopping:
                return
            time.sleep(0.2)  # gather a batch

    def _pass(self) -> None:
        """Project what is new; a run that cannot be projected does not hold up the others."""
        if self._refused:
            return
        try:
            if self._projector is None:
                self._projector = _Projector(self.uri, self.mlruns)
            for run in self.store.unsynced():
                self._one(self._projector, run)
            self._experiments = dict(self._projector.experiments)
        except Exception as error:  # noqa: BLE001 - a projection must never stop a paid run; the text is kept
            self._refused = isinstance(error, StoreError)  # trying again in this process would end the same
            self._problem(error)

    def _one(self, projector: _Projector, run: RunSummary) -> None:
        try:
            projector.project(self.store, run)
        except Exception as error:  # noqa: BLE001 - kept; the next run may well be fine
            self._problem(error, run.run_id)
            projector.ping()  # unless nothing answers: then every other run would only wait as long

    def _problem(self, error: Exception, about: str = "") -> None:
        first = (str(error).splitlines() or [""])[0]
        text = f"{about}{': ' if about else ''}{type(error).__name__}: {self.store.redact.text(first)}"
        if text not in self.problems:
            self.problems.append(text)


class _Projector:
    """Writes a run's events into MLflow through an explicit client; writing an event twice changes nothing."""

    def __init__(self, uri: str, mlruns: Path) -> None:
        for name, value in SAFE_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import mlflow
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        with _same_environment("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            # Linking a prompt to a run goes through the global ones, whatever the client says.
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
        self.mlruns = mlruns.resolve()
        self.mlruns.mkdir(parents=True, exist_ok=True)
        self.local = uri.startswith("sqlite:///")
        if self.local:
            _prepare_sqlite(Path(uri.removeprefix("sqlite:///")), self.mlruns, uri)
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.uri = uri
        self._found: set[str] = set()
        self.experiments: dict[str, str] = {e.name: e.experiment_id for e in self.client.search_experiments()}

    def ping(self) -> None:
        """Ask for next to nothing; raises what MLflow raises when it is not there."""
        self.client.search_experiments(max_results=1)

    def experiment(self, task: str) -> str:
        """The task's experiment, made with its leaderboard on first use."""
        if task in self.experiments:
            return self.experiments[task]
        with FileLock(str(self.mlruns / ".mlflow.lock"), timeout=120):
            found = self.client.get_experiment_by_name(task)
            if found is not None:
                self.experiments[task] = found.experiment_id
                return found.experiment_id
            location = (self.mlruns / "artifacts" / task).as_uri() if self.local else None
            made = self.client.create_experiment(task, artifact_location=location)
        key, value = leaderboard_tag()
        self.client.set_experiment_tag(made, key, value)
        note = f"Runs of the task `{task}`. Compare only runs with the same data_hash."
        self.client.set_experiment_tag(made, "mlflow.note.content", note)
        self.experiments[task] = made
        return made

    def project(self, store: Store, run: RunSummary) -> None:
        """Write the events of one run that MLflow has not taken.

        One process at a time: two that meet the same new run would make it twice.
        """
        with FileLock(str(self.mlruns / ".projection.lock"), timeout=120):
            self._project(store, store.run(run.run_id))

    def _project(self, store: Store, run: RunSummary) -> None:
        experiment = self.experiment(run.task)
        known = run.mlflow_run if run.mlflow_run is not None and self._has(run.mlflow_run) else None
        mlflow_run = known or self._find_or_create(store, run, experiment)
        self._found.add(mlflow_run)
        candidates: list[Event] = []
        last = run.synced if known else 0  # another MLflow than the one that took the first events gets all of them
        for event in store.events(run.run_id, after=last):
            if event.kind == EventKind.CANDIDATE:
                candidates.append(event)
            else:
                self._candidates(mlflow_run, store, run, candidates)
                candidates = []
                self._event(mlflow_run, store, run, event)
            last = event.seq
        self._candidates(mlflow_run, store, run, candidates)
        store.mark_synced(run.run_id, last, mlflow_run)

    def _has(self, mlflow_run: str) -> bool:
        """Whether this MLflow knows the run; it may be another one than the run was first written to."""
        from mlflow.exceptions import MlflowException

        if mlflow_run in self._found:
            return True
        try:
            self.client.get_run(mlflow_run)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    def _find_or_create(self, store: Store, run: RunSummary, experiment: str) -> str:
        found = self.client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{run.run_id}'", max_results=1)
        if found:
            return str(found[0].info.run_id)
        start = from_json(RunStart, store.events(run.run_id)[0].payload)
        tags = {
            **start.tags,
            RUN_TAG: run.run_id,
            "mlflow.runName": _run_name(start.params),
            "gate": "pending",
            "data_hash": start.splits.fingerprint,
            "holdout_hash": start.splits.holdout_fingerprint,
            "command": start.command,
        }
        made = self.client.create_run(
            experiment, start_time=_millis(start.started_at), tags={k: str(v)[:TAG_CHARS] for k, v in tags.items()}
        )
        return str(made.info.run_id)

    def _event(self, mlflow_run: str, store: Store, run: RunSummary, event: Event) -> None:
        payload = event.payload
        if event.kind == "started":
            self._started(mlflow_run, from_json(RunStart, payload))
        elif event.kind == "finished":
            self._finished(mlflow_run, from_json(Optimization, payload))
        elif event.kind == "matrix":
            self._matrix(mlflow_run, from_json(Matrix, payload))
        elif event.kind == "failed":
            self._tags(mlflow_run, {"gate": "failed", "gate_reason": json.loads(payload).get("message", "")})
        elif event.kind == "continued":
            self.client.update_run(mlflow_run, status="RUNNING")
        elif event.kind == "forecast":
            self.client.log_dict(mlflow_run, json.loads(payload), "forecast.json")
        elif event.kind == "closed":
            state = STATES.get(json.loads(payload).get("state", ""), "FINISHED")
            self.client.set_terminated(mlflow_run, status=state, end_time=_millis(event.at))
        elif event.kind == "report":
            path = Path(json.loads(payload)["path"])
            if path.is_file():
                self.client.log_text(mlflow_run, path.read_text("utf-8"), "report.html")
        elif event.kind in ("promoted", "rolled_back"):
            self._tags(mlflow_run, {"promoted": event.kind, "promoted_at": event.at})
            self._production(store.optimization(run.run_id))
        elif event.kind == "exported":
            self._tags(mlflow_run, {"exported_at": event.at, "exported": json.loads(payload).get("format", "")})

    def _started(self, mlflow_run: str, start: RunStart) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        splits = start.splits
        self.client.log_batch(mlflow_run, params=[Param(k, str(v)[:PARAM_CHARS]) for k, v in start.params.items()])
        profile = {"train": splits.train, "dev": splits.dev, "holdout": splits.holdout}
        dataset = Dataset(
            name=start.task, digest=splits.fingerprint[:16], source_type="local", profile=json.dumps(profile),
            source=json.dumps({"path": str(start.config.get("corpus", {}).get("path", ""))}),
        )  # fmt: skip
        tags = [InputTag("mlflow.data.context", "train, dev, holdout")]
        self.client.log_inputs(mlflow_run, datasets=[DatasetInput(dataset, tags)])
        self.client.log_text(mlflow_run, yaml.safe_dump(dict(start.config), sort_keys=False), "config.yaml")

    def _candidates(self, mlflow_run: str, store: Store, run: RunSummary, events: list[Event]) -> None:
        """Step metrics of a batch of candidates: dev score, best so far, money and calls."""
        if not events:
            return
        from mlflow.entities import Metric

        batch = {event.seq for event in events}
        best, metrics = None, []
        for event in store.events(run.run_id, kind=EventKind.CANDIDATE):
            candidate = from_json(Candidate, event.payload)
            score = candidate.dev_score
            if score is not None:
                best = score if best is None else max(best, score)
            if event.seq not in batch:
                continue
            values = {
                "candidate/dev_score": score,
                "best/dev_score": best,
                "cost/usd_cum": candidate.usage.cost_usd,
                "calls/cum": candidate.usage.calls,
            }
            moment = int(time.time() * 1000)
            metrics += [
                Metric(key, round(float(value), 6), moment, candidate.index)
                for key, value in values.items()
                if value is not None
            ]
        for first in range(0, len(metrics), 1000):
            self.client.log_batch(mlflow_run, metrics=metrics[first : first + 1000])

    def _finished(self, mlflow_run: str, o: Optimization) -> None:
        verdict = o.verdict
        self._metrics(mlflow_run, _leaderboard(o))
        reason = "; ".join(verdict.reasons)
        note = f"**{verdict.decision}** {reason}" + (
            "\n\nThe embedded offline stand-in answered, not a language model." if o.offline else ""
        )
        outcome = {"gate": verdict.decision.value, "gate_reason": reason, "mlflow.note.content": note}
        self._tags(mlflow_run, {**outcome, "mlflow.runName": f"{_run_name(o.params)} {verdict.decision.value}"})
        gate = json.loads(to_json(verdict))
        self.client.log_dict(mlflow_run, gate, "gate.json")
        self.client.log_text(mlflow_run, to_json(o), "optimization.json")
        self.client.log_dict(mlflow_run, _candidate_table(o), "tables/candidates.json")
        if o.holdout_baseline is not None and o.holdout_candidate is not None:
            table = _holdout_table(o.holdout_baseline, o.holdout_candidate)
            self.client.log_dict(mlflow_run, table, "tables/holdout_rows.json")
        for before, after in zip(o.baseline.prompts, o.winner.prompts, strict=True):
            name = _safe(before.predictor)
            self.client.log_text(mlflow_run, before.text, f"prompts/{name}.seed.md")
            self.client.log_text(mlflow_run, after.text, f"prompts/{name}.tuned.md")
        self._register(mlflow_run, o)

    def _matrix(self, mlflow_run: str, m: Matrix) -> None:
        """The parent's figures, and one child run per cell, so that MLflow's compare view works on cells."""
        self._metrics(
            mlflow_run, {f"score/{_key(cell.name)}": cell.score.value if cell.score else None for cell in m.cells}
        )
        self._tags(mlflow_run, {"gate": m.cheapest or "no cell is proven good enough", "kind": "matrix"})
        key, value = cells_tag()
        self.client.set_experiment_tag(self.client.get_run(mlflow_run).info.experiment_id, key, value)
        self.client.log_text(mlflow_run, to_json(m), "matrix.json")
        for cell in m.cells:
            self._cell(mlflow_run, m, cell)

    def _cell(self, parent: str, m: Matrix, cell: Cell) -> None:
        """One cell; a second time it is found by its tag and written again with the same values."""
        from mlflow.entities import Param

        experiment = self.client.get_run(parent).info.experiment_id
        tag = f"{m.run_id}/{cell.name}"
        found = self.client.search_runs([experiment], f"tags.`{CELL_TAG}` = '{digest(tag)}'", max_results=1)
        if found:
            child = str(found[0].info.run_id)
        else:
            tags = {
                "mlflow.parentRunId": parent,
                "mlflow.runName": cell.name,
                CELL_TAG: digest(tag),
                "kind": "cell",
                "outcome": cell.comparison.outcome.value,
                "gate": cell.comparison.outcome.value,
            }
            made = self.client.create_run(experiment, start_time=_millis(m.started_at), tags=tags)
            child = str(made.info.run_id)
        params = {"model": cell.model, "prompt": cell.prompt, "prompt_sha": cell.prompt_hash, "metric": m.metric}
        self.client.log_batch(child, params=[Param(k, v[:PARAM_CHARS]) for k, v in params.items()])
        worth = cell.evaluation.worth
        self._metrics(
            child,
            {
                "score": cell.score.value if cell.score else None,
                "score_low": cell.score.low if cell.score else None,
                "score_high": cell.score.high if cell.score else None,
                "delta": cell.comparison.delta,
                "rows": len(cell.evaluation.rows),
                "failed": len(cell.evaluation.rows) - len(cell.evaluation.scored),
                "cost_per_1000": cell.cost_per_1000,
                "latency": cell.latency,
                "tokens_in": worth.input_tokens,
                "tokens_out": worth.output_tokens,
                **{f"criterion/{_key(name)}": value for name, value in cell.evaluation.field_means().items()},
                **{f"companion/{_key(name)}": value for name, value in cell.companions.items()},
            },
        )
        rows = [
            {"id": r.row_id, "status": r.status.value, "score": r.score, "output": dict(r.prediction), "error": r.error}
            for r in cell.evaluation.rows
        ]
        body = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        self.client.log_text(child, body, "outputs.jsonl")
        said = [
            {"id": r.row_id, "score": r.score, "criteria": dict(r.fields), "feedback": r.feedback, **r.companions}
            for r in cell.evaluation.rows
        ]
        body = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in said)
        self.client.log_text(child, body, "scores.jsonl")
        self.client.set_terminated(child, end_time=_millis(m.started_at) + int(1000 * m.seconds))

    def _register(self, mlflow_run: str, o: Optimization) -> None:
        """Seed and selected prompt into the registry; equal texts are one version."""
        evidence = o.verdict.evidence
        shared = {
            "run_id": o.run_id,
            "optimizer": o.optimizer,
            "gate": o.verdict.decision.value,
            "data_hash": o.splits.fingerprint,
            "program_hash": o.winner.hash,
        }
        for before, after in zip(o.baseline.prompts, o.winner.prompts, strict=True):
            name = f"{_safe(o.task)}.{_safe(before.predictor)}"
            seed = self._version(name, before.text, {"role": "seed", "data_hash": o.splits.fingerprint})
            self.client.link_prompt_version_to_run(mlflow_run, seed)
            if after.text == before.text:
                continue
            tags = dict(shared)
            if evidence is not None:
                tags |= {"holdout_score": f"{evidence.candidate:.4f}", "holdout_delta": f"{evidence.delta:+.4f}"}
            tuned = self._version(name, after.text, tags)
            self.client.link_prompt_version_to_run(mlflow_run, tuned)
            if o.verdict.decision.value == "PROMOTE":
                self.client.set_prompt_alias(name, "candidate", tuned.version)

    def _version(self, name: str, text: str, tags: Mapping[str, str]) -> Any:
        """The registered version with this text; registered now if there is none."""
        known = self.client.search_prompt_versions(name) if self.client.get_prompt(name) else []
        for version in known:
            if version.template == text:
                return version
        made = self.client.register_prompt(name, text)
        for key, value in tags.items():
            self.client.set_prompt_version_tag(name, made.version, key, str(value)[:TAG_CHARS])
        return made

    def _production(self, o: Optimization) -> None:
        """Move the alias ``production`` to a run's prompts, and ``previous`` to what it was before."""
        for prompt in o.winner.prompts:
            name = f"{_safe(o.task)}.{_safe(prompt.predictor)}"
            version = self._version(name, prompt.text, {"run_id": o.run_id})
            info = self.client.get_prompt(name)
            aliases = {str(k): v for k, v in (getattr(info, "aliases", None) or {}).items()}
            current = aliases.get("production") or self._alias(name, "production")
            if current is not None and int(current) != int(version.version):
                self.client.set_prompt_alias(name, "previous", int(current))
            self.client.set_prompt_alias(name, "production", version.version)

    def _alias(self, name: str, alias: str) -> int | None:
        for version in self.client.search_prompt_versions(name):
            if alias in (getattr(version, "aliases", None) or []):
                return int(version.version)
        return None

    def _metrics(self, mlflow_run: str, values: Mapping[str, float | None]) -> None:
        from mlflow.entities import Metric

        moment = int(time.time() * 1000)
        metrics = [Metric(_key(k), round(float(v), 4), moment, 0) for k, v in values.items() if v is not None]
        self.client.log_batch(mlflow_run, metrics=metrics)

    def _tags(self, mlflow_run: str, values: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self.client.log_batch(mlflow_run, tags=[RunTag(k, str(v)[:TAG_CHARS]) for k, v in values.items()])


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


def _run_name(params: Mapping[str, str]) -> str:
    """A name that fits the narrow column of the UI, such as ``gepa-light-s0``."""
    if params.get("kind") == "matrix":
        return f"matrix, {params.get('cells', '?')} cells, {params.get('rows', '?')} rows"
    return f"{params.get('optimizer', 'run')}-{params.get('budget', '')}-s{params.get('seed', '')}"


def _millis(moment: str) -> int:
    """ISO time as the milliseconds that MLflow counts in; a bare date is midnight in UTC."""
    parsed = dt.datetime.fromisoformat(moment)
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)).timestamp() * 1000)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _key(name: str) -> str:
    return re.sub(r"[^\w\-. /:]", "_", name)[:250]


def _leaderboard(o: Optimization) -> dict[str, float | None]:
    """The single numbers of a run, as they appear in the leaderboard."""
    evidence, usage = o.verdict.evidence, o.total_usage
    values: dict[str, float | None] = {
        "dev/score": o.candidates[o.winner_index].dev_score,
        "dev/baseline": o.dev_baseline.mean,
        "gate/passed": float(o.verdict.decision.value == "PROMOTE"),
        "cost/usd_total": usage.cost_usd,
        "cost/tokens_in": usage.input_tokens,
        "cost/tokens_out": usage.output_tokens,
        "cost/calls": usage.calls,
        "time/wall_s": o.seconds,
        "errors/count": usage.errors,
        "prompt/chars": o.winner.chars,
        "candidates/count": len(o.candidates),
    }
    if evidence is not None:
        values |= {
            "holdout/score": evidence.candidate,
            "holdout/baseline": evidence.baseline,
            "holdout/delta": evidence.delta,
            "holdout/delta_lo": evidence.low,
            "holdout/delta_hi": evidence.high,
            "holdout/delta_adjusted": evidence.delta_adjusted,
            "holdout/adjusted_lo": evidence.adjusted_low,
            "holdout/adjusted_hi": evidence.adjusted_high,
            "holdout/p_value": evidence.p_value,
            "holdout/n": evidence.n,
            "holdout/opening": evidence.opening,
        }
        values |= {f"holdout/field_{name}": after for name, (_, after, _, _) in evidence.fields.items()}
    return values


def _table(columns: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    return {"columns": columns, "data": rows}


def _candidate_table(o: Optimization) -> dict[str, Any]:
    columns = ["candidate", "dev_score", "origin", "parents", "complete", "calls", "cost_usd", "prompt"]
    rows = [
        [c.index, c.dev_score, c.origin, ", ".join(map(str, c.parents)), c.complete, c.usage.calls, c.usage.cost_usd,
         "\n\n".join(p.text for p in c.prompts.prompts)]
        for c in o.candidates
    ]  # fmt: skip
    return _table(columns, rows)


def _holdout_table(baseline: Evaluation, candidate: Evaluation) -> dict[str, Any]:
    columns = ["row_id", "candidate_score", "baseline_score", "delta", "status"]
    rows = []
    for before, after in zip(baseline.rows, candidate.rows, strict=True):
        known = before.score is not None and after.score is not None
        delta = after.score - before.score if known else None  # type: ignore[operator]
        rows.append([after.row_id, after.score, before.score, delta, after.status.value])
    return _table(columns, rows)


def _prepare_sqlite(path: Path, mlruns: Path, uri: str) -> None:
    """Create or open the database once, under a lock; upgrade an old one after copying it; mend moved paths."""
    from mlflow.tracking import MlflowClient

    try:
        with FileLock(str(mlruns / ".mlflow.lock"), timeout=120):
            _upgrade(path, uri)
            MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
            with sqlite3.connect(path, timeout=30) as db:
                db.execute("pragma journal_mode=wal")
                if path.resolve().parent == mlruns:  # in a database of several workspaces these are others' as well
                    _relocate(db, mlruns)
            db.close()
    except Timeout:
        raise OutputError(f"{path}: another process holds the lock") from None


def _upgrade(path: Path, uri: str) -> None:
    """Bring an older database up to date; what it was lies beside it, and is never written over.

    MLflow itself would refuse some old schemas, and change others without a copy.

    Raises:
        StoreError: If MLflow cannot upgrade it, for example because a newer MLflow wrote it.
    """
    from mlflow.store.db.utils import _get_latest_schema_revision

    if not path.exists():
        return
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as db:
        if not db.execute("select count(*) from sqlite_master where name = 'alembic_version'").fetchone()[0]:
            return
        (version,) = db.execute("select version_num from alembic_version").fetchone() or ("unknown",)
        if version == _get_latest_schema_revision():
            return
        copy = path.with_name(f"{path.stem}.{version}.db")
        if not copy.exists():
            with contextlib.closing(sqlite3.connect(copy)) as target:
                db.backup(target)  # a copy of the file would lack what is still in the write-ahead log
    done = subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", uri], capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StoreError(
            f"{path}: schema {version} is not this MLflow's and cannot be upgraded: {why}",
            hint=f"use the MLflow that wrote it, or move the file away and sync; a copy is {copy.name}",
        )


def _relocate(db: sqlite3.Connection, mlruns: Path) -> None:
    """Rewrite absolute artifact paths after the workspace was moved; MLflow would silently list nothing."""
    here = (mlruns / "artifacts").as_uri()
    rows = db.execute("select artifact_location from experiments where artifact_location like '%/mlruns/artifacts/%'")
    old = {location.split("/mlruns/artifacts/")[0] + "/mlruns/artifacts" for (location,) in rows.fetchall()} - {here}
    for before in old:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            db.execute(f"update {table} set {column} = replace({column}, ?, ?)", (before + "/", here + "/"))
    db.commit()


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
