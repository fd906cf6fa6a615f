"""The ``learning:`` block: what entries may say, which gates they pass, how they are scored and what is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field, ValidationError, model_validator

from core.errors import ConfigError, Problem
from core.section import Section
from playbook.entry import Category, CueType

Weight = Annotated[float, Field(ge=0)]


class EntrySchemaSection(Section):
    """What an entry may say."""

    allowed_runtime_handles: tuple[str, ...] = Field(
        default=(), description="Handles of real tools; a trailing * stands for any ending. None: any handle."
    )
    runtime_handle_prefixes: tuple[str, ...] = Field(default=(), description="Beginnings of handles of real tools.")
    cue_types: tuple[CueType, ...] = Field(default=tuple(CueType), min_length=1)
    default_scope_category: Category = Category.REINFORCEMENT

    def allows(self, handle: str) -> bool:
        """Whether a handle belongs to a real tool; any does where nothing is listed. Case does not matter."""
        named = [name.lower() for name in self.allowed_runtime_handles]
        starts = [name.lower() for name in self.runtime_handle_prefixes]
        starts += [name[:-1] for name in named if name.endswith("*")]
        asked = handle.lower()
        return not (named or starts) or asked in named or any(asked.startswith(start) for start in starts)


class GatesSection(Section):
    """Which gates reject an entry; one that is not enforced is still judged and shown."""

    enforce_actionability: bool = True
    enforce_cue: bool = True
    enforce_generality: bool = True
    max_text_length: int = Field(default=420, ge=1)
    banned_tokens: tuple[str, ...] = ("incident", "ticket", "case", "postmortem")
    allowed_proper_nouns: tuple[str, ...] = ("SQL", "HTTP", "JSON", "Atlas")

    @property
    def enforced(self) -> tuple[str, ...]:
        """The gates that reject, by name."""
        gates = {
            "actionability": self.enforce_actionability,
            "cue": self.enforce_cue,
            "generality": self.enforce_generality,
        }
        return tuple(name for name, on in gates.items() if on)


class WeightsSection(Section):
    """What each score counts; in any scale, shares are taken of their sum."""

    actionability: Weight = 0.4
    generality: Weight = 0.3
    hookability: Weight = 0.2
    concision: Weight = 0.1

    @model_validator(mode="after")
    def _something_counts(self) -> WeightsSection:
        if sum(self.model_dump().values()) <= 0:
            raise ValueError("at least one weight must be above 0")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """The weights over their sum."""
        given: dict[str, float] = self.model_dump()
        return {name: weight / sum(given.values()) for name, weight in given.items()}


class UsageSection(Section):
    """What is kept of how entries are used."""

    enabled: bool = True
    capture_examples: bool = True
    max_examples_per_entry: int = Field(default=3, ge=0)

    @property
    def examples(self) -> int:
        """Most snippets that are kept for an entry."""
        return self.max_examples_per_entry if self.capture_examples else 0


class LearningSection(Section):
    """How playbook entries are made, judged, used and counted; without a word of it, the defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    enabled: bool = True
    update_enabled: bool = True
    entry_schema: EntrySchemaSection = Field(default=EntrySchemaSection(), alias="schema")
    gates: GatesSection = GatesSection()
    rubric_weights: WeightsSection = WeightsSection()
    usage_tracking: UsageSection = UsageSection()
    llm: dict[str, Any] | None = Field(default=None, description="Model that proposes entries, where not the teacher.")
    prompts: dict[str, str] | None = Field(
        default=None,
        description="Under `synthesis` what the proposer is told: a text, or run:ID of a run that tuned it.",
    )
    history_limit: int = Field(default=10, ge=1, description="Earlier sessions that a synthesis sees.")
    session_note_enabled: bool = True
    apply_to_prompts: bool = Field(default=True, description="Put the active entries into prompts.")


def read_learning(path: Path) -> LearningSection:
    """The ``learning:`` block of a YAML file; the defaults where it has none.

    Raises:
        ConfigError: If it cannot be read, with every mistake that is in the block.
    """
    try:
        given = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError([Problem(str(path), None, "", f"cannot be read: {str(error).splitlines()[0]}")]) from None
    if not isinstance(given, dict):
        raise ConfigError([Problem(str(path), None, "", "holds no keys; a block called learning is looked for")])
    try:
        return LearningSection.model_validate(given.get("learning") or {})
    except ValidationError as error:
        raise ConfigError(
            [
                Problem(str(path), None, ".".join(["learning", *map(str, one["loc"])]), one["msg"])
                for one in error.errors(include_url=False)
            ]
        ) from None
