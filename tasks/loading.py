"""From YAML or JSON to a ``TaskConfig``: inheritance, overrides, and every mistake at once with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from core.catalog import did_you_mean
from core.errors import ConfigError, Problem, UsageError
from core.section import ChosenBy, without_choices
from tasks.config import TaskConfig
from tasks.documents import Document, Path_, merge, override, read_document, without_dropped
from tasks.files import find_task, is_file

MAX_PARENTS = 20


def load_task(
    name: str, *, workspace: Path, sets: Sequence[str] = (), patch: Mapping[str, Any] | None = None
) -> TaskConfig:
    """Load a task with its parents, a patch and overrides.

    Args:
        name: Task name or file path.
        workspace: Folder with ``configs/``.
        sets: Overrides ``a.b=value``; the value is YAML, and ``DROP`` deletes the key.
        patch: Values that are merged over the file's, key by key; ``DROP`` deletes a key, also one that is not there.

    Raises:
        UsageError: If there is no such task, or an override is not of that form.
        ConfigError: With every mistake found.
    """
    document = _with_parents(find_task(name, workspace), workspace, ())
    values, places = dict(merge(document.values, dict(patch or {}))), dict(document.places)
    for text in sets:
        override(values, places, text)
    values = without_dropped(values)
    return _validated(values, places, str(find_task(name, workspace)))


def place_of(name: str, workspace: Path, at: Path_) -> tuple[str, int | None]:
    """File and line where a task says something: ``--set`` where its file does not, ``configuration`` without a file.

    Raises:
        ConfigError: If its file cannot be read.
    """
    try:
        path = find_task(name, workspace)
    except UsageError:
        return "configuration", None
    return _with_parents(path, workspace, ()).places.get(at, ("--set", None))


def _with_parents(path: Path, root: Path, seen: tuple[Path, ...]) -> Document:
    resolved = path.resolve()
    if resolved in seen:
        chain = " -> ".join(p.stem for p in (*seen, resolved))
        raise ConfigError([Problem(str(path), None, "parent", f"the parents form a cycle: {chain}")])
    own = read_document(path)
    parent = own.values.pop("parent", None)
    if parent is None:
        return own
    line = own.places.get(("parent",), (str(path), None))[1]
    if not isinstance(parent, str) or len(seen) >= MAX_PARENTS:
        message = "is the name of a task" if len(seen) < MAX_PARENTS else f"more than {MAX_PARENTS} parents in a row"
        raise ConfigError([Problem(str(path), line, "parent", message)])
    try:
        beside = path.parent / f"{parent}.yaml"
        source = beside if is_file(beside) else find_task(parent, root)
    except UsageError:
        raise ConfigError([Problem(str(path), line, "parent", f"there is no task {parent!r}")]) from None
    base = _with_parents(source, root, (*seen, resolved))
    return Document(merge(base.values, own.values), {**base.places, **own.places})


def _validated(values: dict[str, Any], places: Mapping[Path_, tuple[str, int | None]], file: str) -> TaskConfig:
    try:
        return TaskConfig.model_validate(values)
    except ValidationError as error:
        problems = [_problem(detail, places, file) for detail in error.errors()]
        raise ConfigError(list(dict.fromkeys(problems))) from None


def _problem(detail: Any, places: Mapping[Path_, tuple[str, int | None]], file: str) -> Problem:
    loc = tuple(str(part) for part in detail["loc"])
    at = whole = without_choices(loc)
    if detail["type"] == "union_tag_invalid":
        return _unknown_kind(detail, at, places, file)
    while at and at not in places and detail["type"] != "missing":
        at = at[:-1]
    place = at
    while place and place not in places:
        place = place[:-1]
    where, line = places.get(place, (file, None))
    key = ".".join(part for part in whole if part not in ("int", "str")) or "task"
    if detail["type"] == "extra_forbidden":
        known = _known_keys(loc[:-1])
        return Problem(
            where, line, ".".join(whole), f"unknown key; known: {', '.join(known)}", did_you_mean(whole[-1], known)
        )
    if detail["type"] == "missing":
        return Problem(where, line, key, "is required")
    message = detail["msg"].removeprefix("Value error, ")
    received = detail.get("input")
    text = repr(received)
    shown = (
        "" if isinstance(received, (dict, list, BaseModel)) else f"; received {text[:100]}{'...' * (len(text) > 100)}"
    )
    hint = None
    if detail["type"] == "literal_error":
        hint = did_you_mean(str(received), re.findall(r"'([^']*)'", detail["ctx"]["expected"]))
    return Problem(where, line, ".".join(at) or key, f"{message}{shown}", hint)


def _unknown_kind(detail: Any, at: Path_, places: Mapping[Path_, tuple[str, int | None]], file: str) -> Problem:
    """A section whose kind, type or name is none of those there are."""
    key, _, received = detail["ctx"]["tag"].partition("=")
    known = [tag.partition("=")[2] for tag in re.findall(r"'([^']*)'", detail["ctx"]["expected_tags"])]
    where, line = places.get((*at, key), places.get(at, (file, None)))
    message = f"received {received!r}; allowed: {', '.join(known)}"
    return Problem(where, line, ".".join((*at, key)), message, did_you_mean(received, known))


def _known_keys(loc: Path_) -> list[str]:
    """The keys that the section at this place may have."""
    model: Any = TaskConfig
    choice: ChosenBy | None = None
    for part in loc:
        if choice is not None and part in choice.sections:
            model = choice.sections[part]
        field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is None:
            continue
        choice = next((m for m in field.metadata if isinstance(m, ChosenBy)), None) or _choice_of(field.annotation)
        model = _section_of(field.annotation) or model
    return list(model.model_fields) + (["parent"] if model is TaskConfig else [])


def _choice_of(annotation: Any) -> ChosenBy | None:
    """What chooses the section inside an annotation."""
    own = next((m for m in getattr(annotation, "__metadata__", ()) if isinstance(m, ChosenBy)), None)
    inner = (_choice_of(argument) for argument in getattr(annotation, "__args__", ()))
    return own or next((found for found in inner if found is not None), None)


def _section_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _section_of(argument)
        if found is not None:
            return found
    return None
