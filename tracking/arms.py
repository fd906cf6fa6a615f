"""A sequential experiment in MLflow: the parent's decision, and a child run for each arm."""

from __future__ import annotations

from core.experiment import Arm, Experiment
from core.plain import digest, md5, to_json
from tracking.client import MlflowRun, milliseconds

ARM_TAG = "proven.arm"


def tell_experiment(run: MlflowRun, experiment: Experiment) -> None:
    """Write an experiment and its two arms; a second time the same values."""
    figures = {
        "pairs": float(experiment.pairs),
        "pairs/left_out": float(experiment.left_out),
        "pairs/fixed": float(experiment.fixed_n),
        "pairs/saved": experiment.saved,
    }
    run.metrics(figures)
    run.tags(
        {
            "gate": experiment.decision,
            "gate_reason": experiment.reason,
            "kind": "experiment",
            "mlflow.note.content": f"**{experiment.decision}** {experiment.reason}",
        }
    )
    run.text(to_json(experiment), "experiment.json")
    for name, arm in (("control", experiment.control), ("test", experiment.test)):
        _tell_arm(run, experiment, name, arm)


def _tell_arm(parent: MlflowRun, experiment: Experiment, name: str, arm: Arm) -> None:
    tag = digest(f"{experiment.run_id}/{name}")
    child = parent.client.find_run(parent.experiment, ARM_TAG, tag)
    if child is None:
        tags = {"mlflow.parentRunId": parent.id, "mlflow.runName": f"{name}: {arm.experiment_id}", ARM_TAG: tag}
        child = parent.client.make_run(parent.experiment, experiment.started_at, {**tags, "kind": name})
    guidelines = {f"guideline.{md5(text)}": text for text in arm.guidelines}
    child.params({"experiment_id": arm.experiment_id, "model": arm.model, "config": arm.config_hash, **guidelines})
    child.metrics(
        {
            "success_rate": arm.rate,
            "success_rate/low": arm.low,
            "success_rate/high": arm.high,
            "sessions": float(arm.sessions),
            "sessions/left_out": float(arm.left_out),
            "cost_usd": arm.cost_usd,
        }
    )
    child.ended("FINISHED", milliseconds(experiment.started_at) + int(1000 * experiment.seconds))
