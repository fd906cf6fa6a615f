"""From YAML or JSON to a ``TaskConfig``: inheritance, overrides, and every mistake at once with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from core.catalog import did_you_mean
from core.errors import ConfigError, Problem, UsageError
from core.section import ChosenBy, without_choices
from tasks.config import TaskConfig
from tasks.files import find_task, is_file

DROP = "DROP"
MAX_BYTES = 250_000
MAX_DEPTH = 50
MAX_VALUES = 50_000
"""Values of a file with its aliases written out; a few lines of aliases of aliases can stand for billions."""
MAX_PARENTS = 20
Path_ = tuple[str, ...]


@dataclass(frozen=True)
class _Document:
    """One file's values and where each key stands."""

    values: dict[str, Any]
    places: Mapping[Path_, tuple[str, int | None]]


def load_task(name: str, *, workspace: Path, sets: Sequence[str] = ()) -> TaskConfig:
    """Load a task with its parents and overrides.

    Args:
        name: Task name or file path.
        workspace: Folder with ``configs/``.
        sets: Overrides ``a.b=value``; the value is YAML, and ``DROP`` deletes the key.

    Raises:
        UsageError: If there is no such task, or an override is not of that form.
        ConfigError: With every mistake found.
    """
    document = _with_parents(find_task(name, workspace), workspace, ())
    values, places = dict(document.values), dict(document.places)
    for text in sets:
        _override(values, places, text)
    values = _without_dropped(values)
    return _validated(values, places, str(find_task(name, workspace)))


def place_of(name: str, workspace: Path, at: Path_) -> tuple[str, int | None]:
    """File and line where a task says something; ``--set`` where no file says it.

    Raises:
        UsageError: If there is no such task.
        ConfigError: If its file cannot be read.
    """
    return _with_parents(find_task(name, workspace), workspace, ()).places.get(at, ("--set", None))


def _with_parents(path: Path, root: Path, seen: tuple[Path, ...]) -> _Document:
    resolved = path.resolve()
    if resolved in seen:
        chain = " -> ".join(p.stem for p in (*seen, resolved))
        raise ConfigError([Problem(str(path), None, "parent", f"the parents form a cycle: {chain}")])
    own = _read(path)
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
    return _Document(_merge(base.values, own.values), {**base.places, **own.places})


def _merge(base: Any, top: Any) -> Any:
    """Deep merge; keys set to DROP stay as marks until everything is merged."""
    if isinstance(base, dict) and isinstance(top, dict):
        return {key: _merge(base[key], top[key]) if key in base and key in top else top.get(key, base.get(key))
                for key in [*base, *(k for k in top if k not in base)]}  # fmt: skip
    return top


def _without_dropped(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _without_dropped(value) for key, value in values.items() if value != DROP}
    return values


def _override(values: dict[str, Any], places: dict[Path_, tuple[str, int | None]], text: str) -> None:
    key, separator, raw = text.partition("=")
    if not separator or not key.strip():
        raise UsageError(f"--set: received {text!r}; expected key=value, such as gate.margin=0.02")
    try:
        value, problems = _parsed(raw, "--set", {})
    except yaml.YAMLError as error:
        raise UsageError(f"--set {key}: the value is not YAML: {error}") from None
    if problems:
        raise ConfigError(problems)
    parts = tuple(key.strip().split("."))
    node = values
    for part in parts[:-1]:
        child = node.get(part)
        child = dict(child) if isinstance(child, dict) else {}
        node[part] = child
        node = child
    node[parts[-1]] = value
    for length in range(1, len(parts)):
        places.setdefault(parts[:length], ("--set", None))
    places[parts] = ("--set", None)


class _Loader(yaml.SafeLoader):
    """A safe loader for which dates are text, and each value that cannot be made is an error with its place."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node; two halves of a character, as JSON writes them, become one."""
        try:
            value = super().construct_object(node, deep)
            return value.encode("utf-16", "surrogatepass").decode("utf-16") if isinstance(value, str) else value
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            shown = str(node.value)[:40]
            what = "half of a character (a lone surrogate)" if isinstance(error, UnicodeError) else f"{shown!r}"
            raise yaml.constructor.ConstructorError(
                None, None, f"{what} cannot be read as {node.tag.rpartition(':')[2]}", node.start_mark
            ) from None


def _parsed(text: str, file: str, places: dict[Path_, tuple[str, int | None]]) -> tuple[Any, list[Problem]]:
    """The value of a YAML text; mistakes of its shape instead, where there are any.

    Raises:
        yaml.YAMLError: If it is not YAML.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, []
        problems: list[Problem] = []
        try:
            _walk(node, (), file, places, problems)
        except _TooMuch as error:
            return None, [Problem(file, node.start_mark.line + 1, "", str(error))]
        return (None, problems) if problems else (loader.construct_document(node), [])
    except RecursionError:
        return None, [Problem(file, None, "", f"nested too deeply; allowed are {MAX_DEPTH} levels")]
    finally:
        loader.dispose()


class _TooMuch(Exception):  # noqa: N818 - never seen outside
    """A file that stands for more than anybody writes."""


def _read(path: Path) -> _Document:
    places: dict[Path_, tuple[str, int | None]] = {}
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise ConfigError(
                [Problem(str(path), None, "", f"{len(data):,} bytes; a task file has at most {MAX_BYTES:,}")]
            )
        values, problems = _parsed(data.decode("utf-8-sig"), str(path), places)
    except OSError as error:
        raise ConfigError([Problem(str(path), None, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), None, "", f"not UTF-8 at byte {error.start}")]) from None
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_problem(path, error)]) from None
    if problems:
        raise ConfigError(problems)
    if not isinstance(values, dict):
        raise ConfigError([Problem(str(path), 1, "", "a task file is a mapping of keys to values")])
    return _Document(values, places)


def _syntax_problem(path: Path, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else None
    message = f"not valid YAML: {getattr(error, 'problem', None) or error}"
    hint = None
    if mark is not None and mark.buffer is not None and "mapping values are not allowed" in message:
        hint = 'quote a text that contains ": ", or write {name: relevance, weight: 35}'
    return Problem(str(path), line, "", message, hint)


def _walk(
    node: yaml.Node, at: Path_, file: str, places: dict[Path_, tuple[str, int | None]], problems: list[Problem]
) -> None:
    places[at] = (file, node.start_mark.line + 1)
    if len(at) > MAX_DEPTH:
        raise _TooMuch(f"nested too deeply, or an alias that stands inside of itself; allowed are {MAX_DEPTH} levels")
    if len(places) > MAX_VALUES:
        raise _TooMuch(f"more than {MAX_VALUES:,} values with its aliases written out")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = str(getattr(key_node, "value", key_node))
            line = key_node.start_mark.line + 1
            if key in seen:
                problems.append(Problem(file, line, ".".join((*at, key)), "the key stands here a second time"))
            seen.add(key)
            _walk(value_node, (*at, key), file, places, problems)
            places[*at, key] = (file, line)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*at, str(index)), file, places, problems)


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
