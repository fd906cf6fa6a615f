"""A mapping file: where in somebody's logs the fields of a session are, as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from core.catalog import did_you_mean
from core.errors import ConfigError, Problem
from core.patterns import groups_of, usable
from core.section import Section
from sessions.tables import FIELDS

PROVIDER_ERRORS = (
    r"\b(RateLimit|APIConnection|APITimeout|ServiceUnavailable|InternalServer|Authentication|APIStatus)Error\b",
    r"\b(overloaded_error|rate_limit_error|insufficient_quota|quota exceeded|invalid_api_key)\b",
    r"\brate[ _-]?limit(ed|s)?\b.*\b(exceeded|reached|error)\b",
    r"\b(status|status[ _]code|http|error code)\b\W{0,3}(429|5\d\d)\b",
    r"\b(429 Too Many Requests|502 Bad Gateway|503 Service (Temporarily )?Unavailable|504 Gateway Time-?out)\b",
)
"""Errors of whoever serves the model, which say nothing about the agent."""


class Source(Section):
    """Where a value comes from and what becomes of it, in this order; a bare text is a path."""

    path: str | None = Field(default=None, description="Dotted path in the row; ^name and $key, $line, $file.")
    paths: tuple[str, ...] = Field(default=(), description="Paths of which the first that leads somewhere counts.")
    const: Any = Field(default=None, description="The value itself.")
    join: tuple[str, ...] = Field(default=(), description="Paths whose texts are put together.")
    sep: str = Field(default="/", description="What stands between them.")
    pattern: str | None = Field(default=None, description="Regular expression; its first group is the value.")
    table: Mapping[str, Any] | None = Field(default=None, description="Value by what the log says.")
    default: Any = Field(default=None, description="Value where there is none, or none in the table.")
    at_least: float | None = Field(default=None, description="Truth value: whether the number is so large.")
    scale: float = Field(default=1.0, description="What a number is multiplied by, such as 0.001 for milliseconds.")
    count: bool = Field(default=False, description="The length of a list instead of the list.")
    invert: bool = Field(default=False, description="The opposite of a truth value.")

    @property
    def looked_at(self) -> tuple[str, ...]:
        """Every path that it looks at."""
        return (*self.paths, *self.join, *((self.path,) if self.path is not None else ()))

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None and not groups_of(usable(pattern)):
            raise ValueError(f"{pattern!r} has no group; write what is wanted in (...)")
        return pattern

    @field_validator("table", mode="before")
    @classmethod
    def _texts(cls, table: Any) -> Any:
        return {_as_text(key): value for key, value in table.items()} if isinstance(table, dict) else table

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [self.path is not None, bool(self.paths), "const" in self.model_fields_set, bool(self.join)]
        if sum(given) != 1:
            raise ValueError("name one of path, paths, const and join")
        return self


def _as_text(value: Any) -> str:
    """A key of a table as logs would write it: YAML reads ``true`` and ``1`` as what they are."""
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


class Aggregate(Section):
    """Figures that somebody has published about groups of the sessions, to be held against them."""

    file: str | None = Field(default=None, description="File that has them, beside the logs; the log itself if none.")
    rows: str = Field(default="", description="Path with stars to the groups.")
    group: Mapping[str, Source] = Field(default_factory=dict, description="Field of a session, and its value.")
    figures: Mapping[str, Source] = Field(default_factory=dict, description="Figure, and where it is.")
    listed: Source | None = Field(default=None, description="List of what was solved.")
    by: str = Field(default="task", description="Field of a session that the list names.")
    tolerance: float = Field(default=0.001, ge=0, description="Difference that is rounding.")
    distrust: bool = Field(default=False, description="Whether sessions of a contradicted group become unknown.")

    @field_validator("group", mode="before")
    @classmethod
    def _sources_of_group(cls, value: Any) -> Any:
        return _sources(value)

    @field_validator("figures", mode="before")
    @classmethod
    def _sources_of_figures(cls, value: Any) -> Any:
        return _sources(value)

    @field_validator("listed", mode="before")
    @classmethod
    def _source(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("group")
    @classmethod
    def _known_group(cls, group: Mapping[str, Source]) -> Mapping[str, Source]:
        return _known(group, FIELDS, "field of a session")

    @field_validator("figures")
    @classmethod
    def _known_figures(cls, figures: Mapping[str, Source]) -> Mapping[str, Source]:
        return _known(figures, FIGURES, "figure")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.figures and self.listed is None:
            raise ValueError("name figures, or listed")
        return self


FIGURES = (
    "sessions", "successes", "failures", "success_rate", "success_rate_of_all", "mean_score", "mean_steps",
    "mean_tokens", "sum_tokens", "mean_cost_usd", "sum_cost_usd", "mean_latency_s",
)  # fmt: skip
"""What an aggregate may say; ``success_rate_of_all`` counts infrastructure and unknown in its denominator."""


class Part(Section):
    """One kind of rows in a document, and what its fields are."""

    rows: str = Field(default="", description="Path with stars to the rows; the document or line itself if empty.")
    fields: Mapping[str, Source] = Field(default_factory=dict)

    @field_validator("fields", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return _sources(value)

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, value: Mapping[str, Source]) -> Mapping[str, Source]:
        return _known(value, tuple(name for name in FIELDS if name not in ("tags", "metadata")), "field of a session")


class SessionMapping(Part):
    """How logs of one layout become sessions."""

    tags: Mapping[str, Source] = Field(default_factory=dict)
    metadata: Mapping[str, Source] = Field(default_factory=dict)
    keep: Literal["rest", "none"] = Field(default="rest", description="Whether what is not mapped becomes metadata.")
    trajectory: str | None = Field(default=None, description="Path of chat messages or of a list of steps.")
    parts: tuple[Part, ...] = Field(default=(), description="Several kinds of rows, each beside what is said here.")
    infrastructure: tuple[str, ...] = Field(
        default=PROVIDER_ERRORS, description="Errors (regular expressions) that are not the agent's."
    )
    aggregates: tuple[Aggregate, ...] = ()

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Each field with the paths that it is looked for at; those that have a value anyway are left out."""
        every = [(name, source) for part in (self, *self.parts) for name, source in part.fields.items()]
        return tuple(
            (name, " or ".join(map(repr, source.looked_at)))
            for name, source in every
            if source.looked_at and "default" not in source.model_fields_set
        )

    @field_validator("tags", "metadata", mode="before")
    @classmethod
    def _short_words(cls, value: Any) -> Any:
        return _sources(value)

    @field_validator("infrastructure")
    @classmethod
    def _usable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(usable, patterns))


def _sources(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: {"path": source} if isinstance(source, str) else source for name, source in value.items()}


def _known(given: Mapping[str, Source], known: tuple[str, ...], what: str) -> Mapping[str, Source]:
    for name in given:
        if name not in known:
            near = did_you_mean(name, known)
            raise ValueError(f"unknown {what} {name!r}" + (f", {near}" if near else f"; known: {', '.join(known)}"))
    return given


def read_mapping(path: Path) -> SessionMapping:
    """Read a mapping file.

    Raises:
        ConfigError: If it cannot be read, or with every mistake in it.
    """
    try:
        loaded = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError([Problem(str(path), None, "", f"cannot be read: {error}")]) from None
    return mapping_of(loaded, str(path))


def mapping_of(loaded: Any, name: str) -> SessionMapping:
    """A mapping from what a YAML file held.

    Raises:
        ConfigError: With every mistake in it.
    """
    try:
        return SessionMapping.model_validate(loaded if loaded is not None else {})
    except ValidationError as error:
        problems = [
            Problem(name, None, ".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, "))
            for each in error.errors()
        ]
        raise ConfigError(problems, hint="see docs/sessions.md for what a mapping may say") from None
