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
from tasks.config import NAME, TaskConfig

DROP = "DROP"
NOT_TASKS = ("models",)
MAX_BYTES = 1_000_000
Path_ = tuple[str, ...]


@dataclass(frozen=True)
class _Document:
    """One file's values and where each key stands."""

    values: dict[str, Any]
    places: Mapping[Path_, tuple[str, int | None]]


def list_tasks(root: Path) -> tuple[str, ...]:
    """Names of the tasks of a workspace."""
    folder = root / "configs"
    found = {p.stem for pattern in ("*.yaml", "*.yml", "*.json") for p in folder.glob(pattern)}
    return tuple(sorted(n for n in found if n not in NOT_TASKS and not n.endswith(".schema")))


def find_task(name: str, root: Path) -> Path:
    """The file of a task, by name or by path.

    Raises:
        UsageError: If there is none; the message lists the tasks.
    """
    if name.endswith((".yaml", ".yml", ".json")):
        path = Path(name)
        if path.is_file():
            return path
        raise UsageError(f"there is no task file {name}")
    if re.fullmatch(NAME, name):
        for suffix in (".yaml", ".yml", ".json"):
            path = root / "configs" / f"{name}{suffix}"
            if path.is_file():
                return path
    known = list_tasks(root)
    raise UsageError(
        f"unknown task {name!r}; tasks here: {', '.join(known) or 'none yet'}",
        hint=did_you_mean(name, known) or "python cli.py init NAME --from-gold rows.jsonl",
    )


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
    try:
        beside = path.parent / f"{parent}.yaml"
        source = beside if beside.is_file() else find_task(str(parent), root)
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
        value = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {key}: the value is not YAML: {error}") from None
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
    """A safe loader that refuses duplicate keys."""


def _read(path: Path) -> _Document:
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise ConfigError(
                [Problem(str(path), None, "", f"{len(data):,} bytes; a task file has at most {MAX_BYTES:,}")]
            )
        text = data.decode("utf-8-sig")
        node = yaml.compose(text, Loader=_Loader)
    except OSError as error:
        raise ConfigError([Problem(str(path), None, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), None, "", f"not UTF-8 at byte {error.start}")]) from None
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_problem(path, error)]) from None
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError([Problem(str(path), 1, "", "a task file is a mapping of keys to values")])
    places: dict[Path_, tuple[str, int | None]] = {}
    problems: list[Problem] = []
    _walk(node, (), str(path), places, problems)
    if problems:
        raise ConfigError(problems)
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_problem(path, error)]) from None
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
    shown = "" if isinstance(received, (dict, list, BaseModel)) else f"; received {received!r}"
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
