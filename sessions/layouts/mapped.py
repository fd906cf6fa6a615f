"""Rows of any layout as sessions, by a mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from core.patterns import search
from core.plain import digest, to_plain
from sessions.layouts.base import Complain, Draft
from sessions.layouts.mapping import Part, SessionMapping, Source
from sessions.layouts.paths import Missing, Place
from sessions.layouts.steps import steps_of, taken
from sessions.layouts.values import UnreadableError, found, read, text
from sessions.record import Outcome, Session

_MAX_KEPT = 4_000
"""Characters of a value that is kept as metadata unasked."""


def mapped(
    mapping: SessionMapping, places: Iterable[Place], complain: Complain, seen: set[str] | None = None
) -> Iterator[Draft]:
    """The sessions of documents, by a mapping; what cannot be read is complained about and left unknown.

    A row that has nothing of what the mapping looks for is no session. The fields that any row has go to ``seen``.
    """
    parts = mapping.parts or (Part(),)
    met = set[str]() if seen is None else seen
    for place in places:
        rows = 0
        for part in parts:
            looked_for = {n: s for n, s in {**mapping.fields, **part.fields}.items() if s.looked_at}
            for row in place.rows(part.rows or mapping.rows):
                rows += 1
                here = {name for name, source in looked_for.items() if _leads_somewhere(source, row)}
                met |= here
                if looked_for and not here:
                    complain(row.line, f"{row.where}nothing that the mapping looks for; it has {_shape(row.value)}")
                    continue

                def told(line: int, message: str, where: str = row.where) -> None:
                    complain(line, where + message)

                yield Draft(session_of(mapping, part, row, told), row.line)
        if not rows:
            wanted = ", ".join(part.rows or mapping.rows for part in parts)
            complain(place.line, f"no rows at {wanted}; it has {_shape(place.value)}")


def _leads_somewhere(source: Source, row: Place) -> bool:
    return any(not isinstance(row.find(path), Missing) for path in source.looked_at)


def session_of(mapping: SessionMapping, part: Part, row: Place, complain: Complain) -> Session:
    """One row as a session."""
    sources = {**mapping.fields, **part.fields}
    given: dict[str, Any] = {}
    unreadable: dict[str, Any] = {}
    for name, source in sources.items():
        try:
            value = read(name, source, row)
        except UnreadableError as error:
            complain(row.line, f"{name}: {error}; left unknown")
            unreadable[name] = _said(source, row)
            continue
        if not isinstance(value, Missing):
            given[name] = value
    trajectory = None
    if mapping.trajectory is not None and not isinstance(steps := row.find(mapping.trajectory), Missing):
        trajectory = steps_of(steps)
        if trajectory is None:
            complain(row.line, f"trajectory: neither messages nor steps at {mapping.trajectory}; left out")
        else:
            given.setdefault("steps", taken(trajectory))
    metadata = _metadata(mapping, sources, row)
    if unreadable:
        metadata["unreadable"] = unreadable
    tags = {name: text(value) for name, value in _words(mapping.tags, row, complain)}
    given["outcome"], given["success"], said = decide(
        given.get("outcome"), given.get("success"), given.get("errors", ()), mapping.infrastructure
    )
    if said:
        complain(row.line, said)
    name = given.pop("id", "")
    return Session(id=name, **given, tags=tags, metadata=metadata, trajectory=trajectory)


def decide(
    outcome: Outcome | None, success: bool | None, errors: tuple[str, ...], infrastructure: Iterable[str]
) -> tuple[Outcome, bool | None, str]:
    """Outcome and success that agree, and what is to be said where the log contradicts itself.

    An outcome that the log names counts. Without one, an error of the provider makes a session that was not solved a
    failure of the infrastructure; a flag alone decides where there is none; and nobody knows where there is no flag.
    """
    if outcome is None:
        failed = success is not True and any(_matches(errors, pattern) for pattern in infrastructure)
        return (Outcome.INFRASTRUCTURE if failed else Outcome.of(success)), success, ""
    if outcome is Outcome.INFRASTRUCTURE:
        return outcome, success, ""
    implied = {Outcome.SUCCESS: True, Outcome.AGENT_FAILURE: False}.get(outcome)
    if success is None or success is implied:
        return outcome, implied, ""
    return Outcome.UNKNOWN, None, f"success {success} and outcome {outcome.value} contradict each other; neither counts"


def _matches(errors: tuple[str, ...], pattern: str) -> bool:
    return any(search(pattern, error, ignore_case=True) for error in errors)


def generated_id(name: str, session: Session) -> str:
    """An id for a session whose log gives none: the same for the same content."""
    return f"{name}:{digest(to_plain(vars(session)))}"


def _words(sources: Mapping[str, Source], row: Place, complain: Complain) -> Iterator[tuple[str, Any]]:
    for name, source in sources.items():
        try:
            value = found(source, row)
        except UnreadableError as error:
            complain(row.line, f"{name}: {error}; left out")
            continue
        if not isinstance(value, Missing) and value is not None:
            yield name, value


def _metadata(mapping: SessionMapping, sources: Mapping[str, Source], row: Place) -> dict[str, Any]:
    kept = dict(_words(mapping.metadata, row, lambda _line, _message: None))
    if mapping.keep == "rest" and isinstance(row.value, Mapping):
        used = {head for source in (*sources.values(), *mapping.tags.values()) for head in _heads(source)}
        used |= set(_prefixes(mapping.trajectory or ""))
        for key, value in row.value.items():
            if key not in used and key not in kept:
                plain = isinstance(value, (bool, int, float)) or value is None
                if plain or len(str(value)) <= _MAX_KEPT:
                    kept[str(key)] = value
    return kept


def _heads(source: Source) -> Iterator[str]:
    for path in source.looked_at:
        yield from _prefixes(path)


@cache
def _prefixes(path: str) -> tuple[str, ...]:
    """Every key of a row that a path may lead through: ``a``, ``a.b`` and ``a.b.c`` of ``a.b.c``."""
    parts = path.split(".")
    return tuple(".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _said(source: Source, row: Place) -> Any:
    values = [row.find(path) for path in source.looked_at]
    return next((value for value in values if not isinstance(value, Missing)), None)


def _shape(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"the keys {', '.join(map(str, list(value)[:12]))}" if value else "no keys"
    return f"a list of {len(value)}" if isinstance(value, list) else f"{type(value).__name__}"
