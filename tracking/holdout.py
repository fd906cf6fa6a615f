"""Both prompts of an optimisation on its holdout, each a child run with its rows: what MLflow compares side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.evaluation import Evaluation
from core.optimization import Optimization, RunStart
from core.plain import digest
from tracking.client import MlflowRun, milliseconds
from tracking.registry import Registered
from tracking.tables import evaluation_numbers
from tracking.traces import tell_rows

ARM_TAG = "proven.holdout"
DEFAULT_ROWS = 500


@dataclass(frozen=True)
class Rows:
    """Which rows MLflow gets: at most ``limit`` of an evaluation, and no text of any row where that is 0."""

    limit: int = DEFAULT_ROWS

    @classmethod
    def of(cls, start: RunStart) -> Rows:
        """What the task file of a run said under ``tracking``."""
        said: Any = start.config.get("tracking") or {}
        return cls(0 if said.get("rows") == "none" else int(said.get("max_rows", DEFAULT_ROWS)))

    @property
    def wanted(self) -> bool:
        """Whether texts of rows may go to MLflow."""
        return self.limit > 0


def tell_holdout(run: MlflowRun, o: Optimization, rows: Rows, prompts: Registered) -> tuple[str, str] | None:
    """Write both arms; the ids of their runs, None where the holdout was not opened."""
    if o.holdout_baseline is None or o.holdout_candidate is None:
        return None
    before = _arm(run, o, "before", o.holdout_baseline, rows)
    after = _arm(run, o, "tuned", o.holdout_candidate, rows)
    for arm, versions in ((before, prompts.before), (after, prompts.after)):
        for version in versions:
            run.client.api.link_prompt_version_to_run(arm.id, version)
    return before.id, after.id


def _arm(parent: MlflowRun, o: Optimization, name: str, evaluation: Evaluation, rows: Rows) -> MlflowRun:
    tag, began = digest(f"{o.run_id}/{name}"), milliseconds(o.started_at)
    arm = parent.client.find_run(parent.experiment, ARM_TAG, tag)
    if arm is None:
        shown = f"{o.optimizer} s{o.seed}: {'current prompt' if name == 'before' else 'tuned prompt'}"
        tags = {"mlflow.parentRunId": parent.id, "mlflow.runName": shown, ARM_TAG: tag, "kind": "holdout"}
        arm = parent.client.make_run(parent.experiment, o.started_at, tags)
    arm.metrics(evaluation_numbers(evaluation))
    arm.tags({"split": evaluation.split, "program_hash": evaluation.program_hash, "arm": name})
    tell_rows(arm, evaluation, began, rows.limit)
    arm.ended("FINISHED", began + int(1000 * o.seconds))
    return arm
