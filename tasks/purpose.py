"""What a run is for, what is recorded of it when it starts, and what makes two runs the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from calls.models import ModelSpec
from core.optimization import RunStart
from core.own_code import own_text
from core.plain import digest
from offline import VERSION as OFFLINE_VERSION
from programs.prompts import read_prompts, schema_hash, source_of
from tasks.config import own_code_of
from tasks.task import ROLES, Task
from tracking.run import code_version, new_run_id


@dataclass(frozen=True)
class Purpose:
    """What a run is for, beyond its task.

    Attributes:
        kind: The command that makes it; ``forecast`` for a dry run.
        params: What people compare runs by, beside what every run says of itself.
        identity: What must be equal, beside the task itself, for an interrupted run to be continued.
        specs: The models that may be asked, for caps on money; those of the task unless given.
        isolate: Whether a model that is down fails alone, instead of ending the run.
        tags: Further tags of the record, which do not make it another run.
    """

    kind: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    identity: Mapping[str, str] = field(default_factory=dict[str, str])
    specs: tuple[ModelSpec, ...] | None = None
    isolate: bool = False
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


def start_of(task: Task, purpose: Purpose, command: str) -> RunStart:
    """What is known of a run when it starts; ``command`` is what was typed."""
    params = {
        "task": task.name,
        "kind": purpose.kind,
        **{role: task.models[role].alias for role in ROLES},
        "metric": task.metric.name,
        "adapter": task.config.adapter,
        "threads": str(task.config.run.threads),
        "n_train": str(len(task.splits.train)),
        "n_dev": str(len(task.splits.dev)),
        "n_holdout": str(len(task.splits.holdout)),
        **purpose.params,
    }
    tags = {
        "stage": purpose.kind,
        "offline": str(task.offline).lower(),
        "baseline": task.baseline,
        "program_hash": read_prompts(task.program).hash,
        "config_hash": task.config_hash,
        "code_version": code_version(),
        "schema_hash": schema_hash(task.program),
        **purpose.tags,
    }
    return RunStart(
        run_id=new_run_id(task.name if purpose.kind == "optimize" else f"{task.name}-{purpose.kind}"),
        task=task.name,
        command=command,
        started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        params=params,
        tags=tags,
        splits=task.splits.info,
        config=task.config.model_dump(mode="json"),
        identity=identity(task, purpose),
        kind=purpose.kind,
    )


def identity(task: Task, purpose: Purpose) -> dict[str, str]:
    """What must be equal for an interrupted run to be continued; how fast it may go and what it may spend is not."""
    parts = {
        "kind": purpose.kind,
        "config": digest(task.config.model_dump(mode="json", exclude={"run", "tracking"})),
        "corpus": task.splits.info.fingerprint,
        "program": read_prompts(task.program).hash + schema_hash(task.program) + digest(source_of(task.program)),
        "metric": task.metric.name + _own_metric(task),
        "fresh": str(not task.config.run.cache),
        **{f"model {role}": _settings(spec) for role, spec in task.models.items()},
        **{f"judge {index + 1}": _settings(spec) for index, spec in enumerate(task.judges)},
        **purpose.identity,
    }
    if task.offline:
        parts["embedded model"] = OFFLINE_VERSION
    return parts


def _own_metric(task: Task) -> str:
    """What a metric of a person's own says, as a digest: a changed one is another metric."""
    path = own_code_of(task.config).get("metric.name")
    return "" if path is None else f" {digest(own_text(path, 'metric.name', task.root))}"


def _settings(spec: ModelSpec) -> str:
    """What a model's answers depend on; its price, its pace and its key are not among it."""
    asked = {"temperature": spec.temperature, "max_tokens": spec.max_tokens, **dict(sorted(spec.params.items()))}
    return f"{spec.model} {spec.api_base or ''} {spec.engine} {asked}"
