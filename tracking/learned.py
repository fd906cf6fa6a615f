"""A learning report in MLflow: its conditions, and a child run for each key, so that the compare view works on keys."""

from __future__ import annotations

from core.learned import LearnedKey, LearningComparison
from core.plain import digest, to_json
from tracking.client import MlflowRun, milliseconds

KEY_TAG = "proven.learning_key"


def tell_learning(run: MlflowRun, found: LearningComparison) -> None:
    """Write a report and its keys; a second time the same values."""
    run.params({**found.conditions, **{f"earlier {name}": value for name, value in found.earlier.items()}})
    run.metrics({"keys": float(len(found.keys))})
    run.text(to_json(found), "learning.json")
    for one in found.keys:
        _tell_key(run, found, one)


def _tell_key(parent: MlflowRun, found: LearningComparison, one: LearnedKey) -> None:
    tag = digest(f"{found.run_id}/{one.key}")
    child = parent.client.find_run(parent.experiment, KEY_TAG, tag)
    if child is None:
        tags = {"mlflow.parentRunId": parent.id, "mlflow.runName": one.key, KEY_TAG: tag, "learning_key": one.key}
        child = parent.client.make_run(parent.experiment, found.started_at, {**tags, "kind": "learning key"})
    control = {"control": one.control} if one.control else {}
    child.params({"learning_key": one.key, **control, **found.conditions})
    child.metrics(one.numbers)
    child.ended("FINISHED", milliseconds(found.started_at))
