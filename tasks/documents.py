"""YAML and JSON files as values with their places: read safely, merged, overridden; mistakes with file and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.errors import ConfigError, Problem, UsageError

DROP = "DROP"
MAX_BYTES = 250_000
MAX_DEPTH = 50
MAX_VALUES = 50_000
"""Values of a file with its aliases written out; a few lines of aliases of aliases can stand for billions."""
Path_ = tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """One file's values and where each key stands."""

    values: dict[str, Any]
    places: Mapping[Path_, tuple[str, int | None]]


def merge(base: Any, top: Any) -> Any:
    """Deep merge; keys set to DROP stay as marks until everything is merged."""
    if isinstance(base, dict) and isinstance(top, dict):
        return {key: merge(base[key], top[key]) if key in base and key in top else top.get(key, base.get(key))
                for key in [*base, *(k for k in top if k not in base)]}  # fmt: skip
    return top


def without_dropped(values: Any) -> Any:
    """Without the keys that are set to DROP."""
    if isinstance(values, dict):
        return {key: without_dropped(value) for key, value in values.items() if value != DROP}
    return values


def override(values: dict[str, Any], places: dict[Path_, tuple[str, int | None]], text: str) -> None:
    """Set one key as ``a.b=value`` says; the value is YAML.

    Raises:
        UsageError: If the text is not of that form.
        ConfigError: If its value is too much.
    """
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


def read_document(path: Path) -> Document:
    """Read one file.

    Raises:
        ConfigError: If it cannot be read, is not YAML or JSON, or is no mapping.
    """
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
    return Document(values, places)


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
