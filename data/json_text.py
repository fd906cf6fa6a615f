"""JSON that strangers wrote: what cannot be used is named, and nothing of it becomes a traceback further on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, cast

MAX_DEPTH = 100
"""Nesting that is read; walking a value is recursive, and Python gives up at about a thousand calls."""
LARGEST = 10**308
"""Larger numbers have no place on a scale: they are infinite as soon as anything is computed with them."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?|[\[\]{}]', re.DOTALL)
"""A text, and a colon that makes it a key, or a bracket."""
_NESTED = re.compile(r"\s*[\[{]")
OPENING, CLOSING = "[{", "]}"
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonError(ValueError):
    """A text is not JSON, or not JSON that can be used; ``line`` and ``column`` are 1 where nothing is known."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.message, self.line = message, line


class RepeatedKeyError(JsonError):
    """An object has a key twice."""


Complain = Callable[[int, str], None]
"""Takes the line and what is wrong with it; reading goes on."""


def load_json(text: str, *, strict: bool = False, repeated: Complain | None = None) -> Any:
    """Read a JSON value.

    Args:
        text: The JSON.
        strict: Whether a repeated key, NaN, an infinite number and half of a character are mistakes as well; what is
            compared or stored must be free of them.
        repeated: Told of each key that an object repeats, where that is no mistake; the last one counts.

    Raises:
        JsonError: If it is not JSON, is nested more than a hundred deep, or holds an integer that Python does not read.
    """
    try:
        value = _STRICT.decode(text) if strict else json.loads(text) if repeated is None else _UNIQUE.decode(text)
    except RepeatedKeyError:
        if repeated is None:
            raise
        value = load_json(text)
        for line, key in repeated_keys(text):
            repeated(line, f"the key {key!r} stands there twice; the last one counts")
        return value
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error.msg} at column {error.colno}", error.lineno) from None
    except RecursionError:
        raise JsonError(f"nested too deeply; allowed are {MAX_DEPTH} levels") from None
    except JsonError:
        raise
    except ValueError:
        raise JsonError("an integer has more than 4,300 digits") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_too_deep(value):
        raise JsonError(f"nested too deeply; allowed are {MAX_DEPTH} levels")
    if (
        strict
        and "\\u" in text
        and _ESCAPED_SURROGATE.search(text)
        and _SURROGATE.search(json.dumps(value, ensure_ascii=False))
    ):
        raise JsonError("half of a character (a lone surrogate such as \\ud83d): a text that was cut in two")
    return value


def repeated_keys(text: str) -> Iterator[tuple[int, str]]:
    """Each key that an object of a JSON text repeats, with the line of the repetition."""
    within: list[set[str] | None] = []
    line, counted = 1, 0
    for token in _TOKEN.finditer(text):
        said, colon = token[0], token[1]
        if said in OPENING:
            within.append(set() if said == "{" else None)
        elif said in CLOSING:
            del within[-1:]
        elif colon is not None and within and (keys := within[-1]) is not None:
            key = str(json.loads(said.removesuffix(colon)))
            if key in keys:
                line, counted = line + text.count("\n", counted, token.start()), token.start()
                yield line, key
            keys.add(key)


def whole_records(text: str, complain: Complain) -> Any:
    """What can be read of a JSON document that was cut off, or in whose list of records some are broken.

    It is the document with the records that are whole: the objects or lists in its first list of such. Each of the
    others is complained about; None where there is no such list, or nothing whole in it.
    """
    found = _elements(text)
    if found is None:
        return None
    before, spans, rest = found
    kept: list[str] = []
    said: list[tuple[int, str]] = []
    for start, end in spans:
        line = text.count("\n", 0, start)
        try:
            load_json(text[start:end], repeated=lambda at, what, line=line: said.append((line + at, what)))
            kept.append(text[start:end])
        except JsonError as error:
            said.append((line + error.line, f"{error.message}; this record is left out"))
    try:
        value = load_json(text[:before] + ",".join(kept) + rest) if kept else None
    except JsonError:
        return None
    for line, what in said if kept else ():
        complain(line, what)
    if kept and len(kept) == len(spans):
        complain(text.count("\n") + 1, "what stands around the records is no JSON; every record was read")
    return value


def _elements(text: str) -> tuple[int, list[tuple[int, int]], str] | None:
    """Where the first list of objects or lists begins, where each of its elements stands, and how the text ends."""
    opened: list[str] = []
    depth, before, start = -1, 0, 0
    spans: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(text):
        said = token[0]
        if said in OPENING:
            if depth >= 0 and len(opened) == depth:
                start = token.start()
            opened.append(said)
            if depth < 0 and said == "[" and _NESTED.match(text, token.end()):
                depth, before = len(opened), token.end()
        elif said in CLOSING:
            del opened[-1:]
            if depth >= 0 and len(opened) == depth:
                spans.append((start, token.end()))
            if len(opened) < depth:
                return before, spans, text[token.start() :]
    if depth < 0:
        return None
    if len(opened) > depth:
        spans.append((start, len(text)))
    return before, spans, "".join(CLOSING[OPENING.index(one)] for one in reversed(opened[:depth]))


def part(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under a key; an empty one where there is none."""
    found = record.get(key)
    return cast(Mapping[str, Any], found) if isinstance(found, Mapping) else {}


def loaded(value: Any) -> Any:
    """A value that may be JSON in a string, as attributes of spans are."""
    if isinstance(value, str) and value[:1] in ("{", "[", '"'):
        try:
            return load_json(value)
        except JsonError:
            return value
    return value


def _is_too_deep(value: Any) -> bool:
    """Found without recursion, so that depth itself is no danger."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(cast(Mapping[str, Any], item).values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return False
        level = below
    return True


def _whole(digits: str) -> int:
    number = int(digits)
    if not -LARGEST <= number <= LARGEST:
        raise JsonError(f"an integer beyond 10^308 {_NO_NUMBER}")
    return number


def _decimal(digits: str) -> float:
    number = float(digits)
    if not -LARGEST <= number <= LARGEST:
        raise JsonError(f"{number} {_NO_NUMBER}")
    return number


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise RepeatedKeyError(f"the key {twice!r} stands there twice")
    return found


def _constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not JSON; write null for a value that is missing")


_NO_NUMBER = "is not a number that can be compared; allowed are finite numbers"
_UNIQUE = json.JSONDecoder(object_pairs_hook=_pairs)
_STRICT = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_whole, parse_float=_decimal)
