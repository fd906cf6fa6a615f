"""A baseline that an earlier run has scored: fetched instead of run again, where nothing that matters is another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dspy

from core.errors import StoreError, UsageError
from core.evaluation import Evaluation
from core.optimization import Optimization, RunStart
from core.plain import digest, from_json
from data.corpus import Row
from metrics.evaluate import Evaluator
from tasks.open_run import OpenRun
from tasks.purpose import Purpose, identity
from tracking.events import EventKind
from tracking.store import Store

KEY = "optimizer.baseline_experiment"
MEASURES = ("metric", "outputs", "judge", "inputs", "adapter")
"""Sections of a task file that say how an answer is read and scored."""


@dataclass(frozen=True)
class KnownOnDev:
    """An evaluator that already knows how one prompt does on dev; whatever else it is asked, it runs."""

    evaluate: Evaluator
    known: Evaluation

    def __call__(
        self, program: dspy.Module, rows: Sequence[Row], *, split: str, program_hash: str = "", **rest: Any
    ) -> Evaluation:
        """The stored rows, for that prompt on rows of dev; otherwise what running gives, with its errors."""
        stored = {row.row_id: row for row in self.known.rows}
        if program_hash != self.known.program_hash or split != "dev" or any(row.id not in stored for row in rows):
            return self.evaluate(program, rows, split=split, program_hash=program_hash, **rest)
        return replace(self.known, rows=tuple(stored[row.id] for row in rows))


def dev_evaluator(run: OpenRun) -> Evaluator | KnownOnDev:
    """How a run scores prompts on dev: the run's own way, but for a baseline that the task file names a run for.

    Raises:
        UsageError: If that run scored other rows, another metric, program or model; every one of them is named.
        StoreError: If there is no such run, or it has no scores on dev.
    """
    named = run.task.config.optimizer.baseline_experiment
    return run.evaluate if named is None else KnownOnDev(run.evaluate, stored_baseline(run, named))


def stored_baseline(run: OpenRun, named: str) -> Evaluation:
    """What an earlier run found for this run's baseline on dev.

    Args:
        run: The run that needs it.
        named: The earlier run: its id in MLflow, or its own.

    Raises:
        UsageError: If it measured anything else; what differs is named.
        StoreError: If there is no such run, or it has no scores on dev.
    """
    found = _run_id(run.store, named)
    start, scored = run.store.started(found), _on_dev(run.store, found)
    now = identity(run.task, Purpose(start.kind))
    config = run.task.config.model_dump(mode="json")
    parts = {
        "data": (_data(start, scored), _shown(run.task.splits.info.fingerprint, [r.id for r in run.task.splits.dev])),
        "metric": (_metric(start.identity, start.config), _metric(now, config)),
        "program": (_program(start, scored.program_hash), now["program"]),
        "model": (_models(start.identity, ("student",)), _models(now, ("student",))),
        "repeats": (start.params.get("repeat", "1"), "1"),
    }
    other = [f"{part} ({digest(a)[:8]}, here {digest(b)[:8]})" for part, (a, b) in parts.items() if a != b]
    if other:
        raise UsageError(
            f"{KEY}: run {found} is no baseline of this task; not the same: {', '.join(other)}",
            hint="leave the key out, and the baseline is scored on dev",
        )
    return scored


def _run_id(store: Store, named: str) -> str:
    """The run of that id, in MLflow or here."""
    told = [run.run_id for run in store.runs() if run.mlflow_run == named]
    return told[0] if told else store.run(named).run_id


def _on_dev(store: Store, run_id: str) -> Evaluation:
    outcome = store.last(run_id, EventKind.FINISHED)
    if outcome is not None:
        return from_json(Optimization, outcome.payload).dev_baseline
    event = store.last(run_id, EventKind.EVALUATION)
    found = from_json(Evaluation, event.payload) if event is not None else None
    if found is None or found.split != "dev":
        raise StoreError(
            f"{KEY}: run {run_id} has no scores of a baseline on dev",
            hint="name a finished search, or make one: python cli.py eval TASK --split dev",
        )
    return found


def _shown(fingerprint: str, rows: Sequence[str]) -> str:
    return digest([fingerprint, list(rows)])


def _data(start: RunStart, scored: Evaluation) -> str:
    return _shown(start.splits.fingerprint, [row.row_id for row in scored.rows])


def _metric(parts: Mapping[str, str], config: Mapping[str, Any]) -> str:
    return digest([parts.get("metric"), _models(parts, ("judge",)), [config.get(key) for key in MEASURES]])


def _models(parts: Mapping[str, str], roles: tuple[str, ...]) -> str:
    """The models of some roles with what their answers depend on; of the embedded ones, its version."""
    named = [text for part, text in sorted(parts.items()) if part.removeprefix("model ").startswith(roles)]
    embedded = any(text.startswith("offline/") for text in named)
    return digest([named, parts.get("embedded model") if embedded else None])


def _program(start: RunStart, prompt: str) -> str:
    """The program as :func:`tasks.purpose.identity` names it, with the prompt that was scored."""
    return prompt + start.identity.get("program", "").removeprefix(start.tags.get("program_hash", ""))
