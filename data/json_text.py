"""JSON that strangers wrote: what cannot be used is named, and nothing of it becomes a traceback further on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn, cast

MAX_DEPTH = 100
"""Nesting that is read; walking a value is recursive, and Python gives up at about a thousand calls."""
LARGEST = 10**308
"""Larger numbers have no place on a scale: they are infinite as soon as anything is computed with them."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonError(ValueError):
    """A text is not JSON, or not JSON that can be used; ``line`` and ``column`` are 1 where nothing is known."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.message, self.line = message, line


def load_json(text: str, *, strict: bool = False) -> Any:
    """Read a JSON value.

    Args:
        text: The JSON.
        strict: Whether a repeated key, NaN, an infinite number and half of a character are mistakes as well; what is
            compared or stored must be free of them.

    Raises:
        JsonError: If it is not JSON, is nested more than a hundred deep, or holds an integer that Python does not read.
    """
    try:
        value = _STRICT.decode(text) if strict else json.loads(text)
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
        raise JsonError(f"the key {twice!r} stands there twice")
    return found


def _constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not JSON; write null for a value that is missing")


_NO_NUMBER = "is not a number that can be compared; allowed are finite numbers"
_STRICT = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_whole, parse_float=_decimal)
