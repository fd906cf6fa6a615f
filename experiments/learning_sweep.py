"""Several ways to learn from the same sessions, each under a learning key of its own, compared on the same tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from core.errors import ConfigError, Problem, UsageError
from core.section import Section
from core.workspace import Workspace
from experiments.config import ExperimentConfig, load_experiment
from experiments.sequential import Request
from playbook.book import Playbook
from playbook.learning import LearningSection
from playbook.pamphlet import pamphlet, told
from playbook.usage import in_force, session_usage, with_usage
from sessions.filters import FilterChain
from sessions.learning import KEY
from sessions.store import SessionStore

WITHOUT = "/without"
"""End of the learning key of a variant's control: the same agent that is told nothing."""


class AgentSection(Section):
    """Whose sessions: an experiment's configuration, and another model for it."""

    parent: str = Field(description="Configuration of the agent without a playbook.")
    model_id: str | None = Field(default=None, description="Instead of the configuration's own.")


class Variant(Section):
    """One way to learn."""

    learning_key: str = Field(min_length=1, description="The thread of its sessions and its playbook; its own.")
    experiment: AgentSection
    prompt_variant: str | None = Field(default=None, description="What the synthesis prompt is called.")
    learning: LearningSection = LearningSection()


def read_variants(paths: Sequence[Path]) -> tuple[Variant, ...]:
    """Variants from YAML files.

    Raises:
        ConfigError: If one cannot be read, with every mistake.
        UsageError: If two share a learning key: their sessions could not be told apart.
    """
    found: list[Variant] = []
    for path in paths:
        try:
            given: Any = yaml.safe_load(path.read_text("utf-8"))
            found.append(Variant.model_validate(given))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError([Problem(str(path), None, "", f"cannot be read: {str(error).splitlines()[0]}")]) from None
        except ValidationError as error:
            raise ConfigError(
                [Problem(str(path), None, ".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
            ) from None
    keys = [one.learning_key for one in found]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise UsageError(
            f"two configurations have the learning key {twice!r}", hint="each variant needs a key of its own"
        )
    return tuple(found)


def variant_request(
    place: Workspace, variant: Variant, known: Playbook, *, student: str | None, sets: Sequence[str], threads: int
) -> Request:
    """The agent that is told the variant's playbook against the same agent that is told nothing, on all its tasks.

    Raises:
        UsageError: If the playbook has no active entry, or entries are not to be put into prompts.
    """
    if not variant.learning.apply_to_prompts:
        raise UsageError(f"{variant.learning_key}: apply_to_prompts is off, so that both arms would be the same")
    chosen = {one.id: one for one in known.active("student")}
    entries = [chosen[name] for name in pamphlet(tuple(chosen.values())).entries]
    if not entries:
        raise UsageError(f"{variant.learning_key}: no entry is in force", hint="see: playbook list --all")
    base = load_experiment(variant.experiment.parent, root=place.root, sets=sets)
    model = student or variant.experiment.model_id or base.model_id

    def arm(name: str, key: str, guidelines: Sequence[str]) -> ExperimentConfig:
        tags = {**base.tags, KEY: key, "playbook_version": str(known.version)}
        more = {"experiment_id": name, "model_id": model, "guidelines": (*base.guidelines, *guidelines), "tags": tags}
        return base.model_copy(update=more)

    key = variant.learning_key
    return Request(
        arm(f"{base.experiment_id}-without", key + WITHOUT, ()),
        arm(f"{base.experiment_id}-{key}", key, [told(entry) for entry in entries]),
        "fixed",
        threads=threads,
    )


def record_usage(store: SessionStore, known: Playbook) -> int:
    """Note in each session of the key what fired there; says in how many."""
    chain = FilterChain().where(**{f"tags.{KEY}": known.key})
    sessions = [one for one in store.sessions(chain, trajectories=True) if one.trajectory is not None]
    noted = (with_usage(one, session_usage(in_force(known, one), one)) for one in sessions)
    store.append(noted, replace=True)
    return len(sessions)
