"""Prompts in MLflow's registry: equal texts are one version, aliases say which one is in use."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import StoreError
from core.optimization import Optimization
from core.verdict import Decision
from tracking.champions import Champion, standing
from tracking.client import TAG_CHARS, MlflowRun, safe_name

LINKING_SECONDS = 10.0


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


@dataclass(frozen=True)
class Registered:
    """The versions of an optimisation's prompts, one for each predictor."""

    before: tuple[Any, ...] = ()
    after: tuple[Any, ...] = ()


def register(run: MlflowRun, o: Optimization) -> Registered:
    """Current and tuned prompt of an optimisation.

    The alias ``seed`` is the task's own instruction, ``candidate`` what the last gate accepted, ``best`` what scored
    highest on this holdout.
    """
    api, evidence = run.client.api, o.verdict.evidence
    tags = {
        "run_id": o.run_id,
        "optimizer": o.optimizer,
        "gate": o.verdict.decision.value,
        "data_hash": o.splits.fingerprint,
        "holdout_hash": o.splits.holdout_fingerprint,
        "program_hash": o.winner.hash,
    }
    if evidence is not None:
        tags |= {"holdout_score": f"{evidence.candidate:.4f}", "holdout_delta": f"{evidence.delta:+.4f}"}
    role = o.params.get("baseline", "seed")
    old: list[Any] = []
    new: list[Any] = []
    for before, after in zip(o.baseline.prompts, o.winner.prompts, strict=True):
        name = prompt_name(o.task, before.predictor)
        known = {"role": role, "data_hash": o.splits.fingerprint}
        seed = _version(run, name, before.text, known, f"{role}: what this task began with")
        api.link_prompt_version_to_run(run.id, seed)
        if role == "seed":
            api.set_prompt_alias(name, "seed", seed.version)
        tuned = seed
        if after.text != before.text:
            tuned = _version(run, name, after.text, tags, _message(o))
            api.link_prompt_version_to_run(run.id, tuned)
            if o.verdict.decision is Decision.PROMOTE:
                api.set_prompt_alias(name, "candidate", tuned.version)
            if evidence is not None and evidence.delta > 0:
                _best(api, name, tuned)
        old.append(seed)
        new.append(tuned)
    return Registered(tuple(old), tuple(new))


def prompt_name(task: str, predictor: str) -> str:
    """The name of a predictor's prompt in the registry."""
    return f"{safe_name(task)}.{safe_name(predictor)}"


def _message(o: Optimization) -> str:
    """What a version's commit message says, such as ``gepa: .555 on the holdout, +.250, PROMOTE``."""
    evidence = o.verdict.evidence
    numbers = f" {evidence.candidate:.3f} on the holdout, {evidence.delta:+.3f}," if evidence else ""
    return f"{o.optimizer}:{numbers} {o.verdict.decision.value}"


def _best(api: Any, name: str, version: Any) -> None:
    """Let the alias ``best`` follow the highest score on one holdout; scores of another holdout do not compare."""
    from mlflow.exceptions import MlflowException

    mine = api.get_prompt_version(name, version.version).tags
    score = mine.get("holdout_score")
    if score is None:
        return
    try:
        best = api.get_prompt_version_by_alias(name, "best").tags
    except MlflowException:
        best = {}
    if best.get("holdout_hash") != mine.get("holdout_hash") or float(score) > float(best.get("holdout_score", -1)):
        api.set_prompt_alias(name, "best", version.version)


def register_texts(run: MlflowRun, task: str, prompts: Mapping[str, str]) -> dict[str, Any]:
    """Prompts of a matrix by name, each linked to the run."""
    made: dict[str, Any] = {}
    for name, text in prompts.items():
        version = _version(run, prompt_name(task, f"prompt.{name}"), text, {"role": "matrix"}, f"prompt {name!r}")
        run.client.api.link_prompt_version_to_run(run.id, version)
        made[name] = version
    return made


def put_in_production(run: MlflowRun, history: Sequence[Champion]) -> None:
    """Point ``production`` at the current champion's prompts, the seed's included, and ``previous`` at those before.

    ``previous`` is what a rollback would return to. Both follow from the task's whole list of champions, so that they
    are right in whatever order runs reach MLflow.
    """
    api, left = run.client.api, standing(history)
    if left:
        _point(run, "production", left[-1])
    if len(left) > 1:
        _point(run, "previous", left[-2])
    elif left:
        for prompt in left[-1].prompts.prompts:
            api.delete_prompt_alias(prompt_name(left[-1].task, prompt.predictor), "previous")


def _point(run: MlflowRun, alias: str, champion: Champion) -> None:
    for prompt in champion.prompts.prompts:
        name = prompt_name(champion.task, prompt.predictor)
        tags = {"role": "seed"} if champion.seed else {"run_id": champion.run_id}
        message = "the seed" if champion.seed else f"champion of run {champion.run_id}"
        run.client.api.set_prompt_alias(name, alias, _version(run, name, prompt.text, tags, message).version)


def _version(run: MlflowRun, name: str, text: str, tags: Mapping[str, str], message: str) -> Any:
    """The registered version with this text; registered now if there is none."""
    api = run.client.api
    known = api.search_prompt_versions(name) if api.get_prompt(name) else []
    for version in known:
        if version.template == text:
            return version
    made = api.register_prompt(name, text, commit_message=message)
    for key, value in tags.items():
        api.set_prompt_version_tag(name, made.version, key, str(value)[:TAG_CHARS])
    _show_in_experiment(run, name)
    return made


def _show_in_experiment(run: MlflowRun, name: str) -> None:
    """Put a prompt on its experiment's page, which lists what this tag says.

    MLflow sets it itself in a thread of its own, to whatever experiment the process has as its global one, and so has
    to be waited for.
    """
    for thread in threading.enumerate():
        if thread.name.startswith("link_prompt_to_experiment_thread"):
            thread.join(LINKING_SECONDS)
    run.client.api.set_prompt_tag(name, "_mlflow_experiment_ids", f",{run.experiment},")
