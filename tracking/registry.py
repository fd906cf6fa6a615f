"""Prompts in MLflow's registry: equal texts are one version, aliases say which one is in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import StoreError
from core.optimization import Optimization
from core.verdict import Decision
from tracking.champions import Champion, standing
from tracking.client import TAG_CHARS, MlflowRun, safe_name


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


def register(run: MlflowRun, o: Optimization) -> None:
    """Seed and selected prompt of an optimisation; the alias ``candidate`` follows what its gate accepted."""
    api, evidence = run.client.api, o.verdict.evidence
    tags = {
        "run_id": o.run_id,
        "optimizer": o.optimizer,
        "gate": o.verdict.decision.value,
        "data_hash": o.splits.fingerprint,
        "program_hash": o.winner.hash,
    }
    if evidence is not None:
        tags |= {"holdout_score": f"{evidence.candidate:.4f}", "holdout_delta": f"{evidence.delta:+.4f}"}
    for before, after in zip(o.baseline.prompts, o.winner.prompts, strict=True):
        name = f"{safe_name(o.task)}.{safe_name(before.predictor)}"
        role = o.params.get("baseline", "seed")
        seed = _version(api, name, before.text, {"role": role, "data_hash": o.splits.fingerprint})
        api.link_prompt_version_to_run(run.id, seed)
        if after.text == before.text:
            continue
        tuned = _version(api, name, after.text, tags)
        api.link_prompt_version_to_run(run.id, tuned)
        if o.verdict.decision is Decision.PROMOTE:
            api.set_prompt_alias(name, "candidate", tuned.version)


def put_in_production(run: MlflowRun, history: Sequence[Champion]) -> None:
    """Point ``production`` at the current champion's prompts, the seed's included, and ``previous`` at those before.

    ``previous`` is what a rollback would return to. Both follow from the task's whole list of champions, so that they
    are right in whatever order runs reach MLflow.
    """
    api, left = run.client.api, standing(history)
    if left:
        _point(api, "production", left[-1])
    if len(left) > 1:
        _point(api, "previous", left[-2])
    elif left:
        for prompt in left[-1].prompts.prompts:
            api.delete_prompt_alias(f"{safe_name(left[-1].task)}.{safe_name(prompt.predictor)}", "previous")


def _point(api: Any, alias: str, champion: Champion) -> None:
    for prompt in champion.prompts.prompts:
        name = f"{safe_name(champion.task)}.{safe_name(prompt.predictor)}"
        tags = {"role": "seed"} if champion.seed else {"run_id": champion.run_id}
        api.set_prompt_alias(name, alias, _version(api, name, prompt.text, tags).version)


def _version(api: Any, name: str, text: str, tags: Mapping[str, str]) -> Any:
    """The registered version with this text; registered now if there is none."""
    known = api.search_prompt_versions(name) if api.get_prompt(name) else []
    for version in known:
        if version.template == text:
            return version
    made = api.register_prompt(name, text)
    for key, value in tags.items():
        api.set_prompt_version_tag(name, made.version, key, str(value)[:TAG_CHARS])
    return made
