"""One lesson as a value: when it applies, what to do then, why, and where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from core.errors import DataError
from core.plain import canonical


class CueType(StrEnum):
    """How a cue is found in a text: a regular expression, or a keyword or predicate that the text contains."""

    REGEX = "regex"
    KEYWORD = "keyword"
    PREDICATE = "predicate"


class Category(StrEnum):
    """Whether an entry strengthens what is done already, or sets a case apart."""

    REINFORCEMENT = "reinforcement"
    DIFFERENTIATION = "differentiation"


class Lifecycle(StrEnum):
    """Whether an entry is in force."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Cue:
    """When an entry applies: a pattern that a machine can look for."""

    type: CueType
    pattern: str
    description: str = ""


@dataclass(frozen=True)
class Action:
    """What to do then: a sentence for the agent, the runtime handle that carries it out, and that handle's tool."""

    imperative: str
    handle: str = ""
    tool: str = ""


@dataclass(frozen=True)
class Scope:
    """Where an entry holds."""

    category: Category = Category.REINFORCEMENT
    constraints: str = ""


@dataclass(frozen=True)
class Provenance:
    """Where an entry came from and how it was judged then.

    Attributes:
        session_id: The session it was learned from.
        guidance: First 16 hex digits of the SHA-256 of the teacher's intervention; empty where there was none.
        created_at: ISO 8601, UTC.
        scores: The rubric's scores by name.
        weights: The rubric's weights by name.
    """

    session_id: str = ""
    guidance: str = ""
    created_at: str = ""
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    weights: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Entry:
    """A playbook entry: cue, action, expected effect, scope, provenance and lifecycle.

    Attributes:
        cue: When it applies.
        action: What to do then.
        expected_effect: Why that helps.
        scope: Where it holds.
        audience: Who is told: ``student`` or ``teacher``.
        provenance: Where it came from.
        lifecycle: Whether it is in force.
    """

    cue: Cue
    action: Action
    expected_effect: str = ""
    scope: Scope = Scope()
    audience: str = "student"
    provenance: Provenance = Provenance()
    lifecycle: Lifecycle = Lifecycle.ACTIVE

    @property
    def id(self) -> str:
        """Derived from audience, cue, action and constraints: the same lesson, proposed again, is the same entry."""
        said = [
            self.audience, self.cue.type.value, self.cue.pattern, self.action.imperative, self.action.handle,
            self.scope.constraints,
        ]  # fmt: skip
        return "playbook-entry-" + hashlib.sha256(canonical(said).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def guidance_digest(text: str) -> str:
    """What provenance keeps of a teacher's intervention: 16 hex digits, none for no text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16] if text else ""


def read_entry(raw: Any, *, category: Category = Category.REINFORCEMENT, where: str = "entry") -> Entry:
    """An entry as a person or a model wrote it down: ``cue``, ``action``, ``expected_effect``, ``scope``, ``audience``.

    A cue of an unknown type is a keyword, a scope of an unknown category has the default one. What is missing is empty
    and fails the rubric's gates later, where it is recorded; only what is no entry at all is refused here.

    Args:
        raw: Plain data. ``action.runtime_handle`` and ``action.tool_name`` are read as well.
        category: The scope's category where none is given.
        where: Place for error messages.

    Raises:
        DataError: If it is not an object, or ``cue`` or ``action`` is none.
    """
    given = _object(raw, where)
    cue, action = _object(given.get("cue"), f"{where}.cue"), _object(given.get("action"), f"{where}.action")
    scope = given.get("scope")
    scope = cast(Mapping[str, Any], scope) if isinstance(scope, Mapping) else {}
    kind, chosen = _text(cue, "type").lower(), _text(scope, "category").lower()
    return Entry(
        Cue(
            CueType(kind) if kind in set(CueType) else CueType.KEYWORD, _text(cue, "pattern"), _text(cue, "description")
        ),
        Action(
            _text(action, "imperative"),
            _text(action, "handle") or _text(action, "runtime_handle"),
            _text(action, "tool") or _text(action, "tool_name"),
        ),
        _text(given, "expected_effect"),
        Scope(Category(chosen) if chosen in set(Category) else category, _text(scope, "constraints")),
        _text(given, "audience") or "student",
    )


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError(
            f"{where}: {type(value).__name__} where an object is needed",
            hint='as in {"cue": {"type": "keyword", "pattern": "check logs"}, "action": {"imperative": "Search."}}',
        )
    return cast(Mapping[str, Any], value)


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key)
    return value.strip() if isinstance(value, str) else ""
