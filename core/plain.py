"""Values and records as plain JSON data, and equality of values as equality of text."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Record = TypeVar("Record")


def to_plain(value: Any) -> Any:
    """Turn any value into plain JSON data; records become dictionaries, the rest its text."""
    if isinstance(value, Mapping):
        mapping = cast(Mapping[Any, Any], value)
        return {str(k): to_plain(v) for k, v in mapping.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(v) for v in cast(Iterable[Any], value)]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    pydantic = sys.modules.get("pydantic")  # a value is no model of what nobody has loaded
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return to_plain(value.model_dump(mode="json"))
    return str(value)


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str)


def normalise(value: Any) -> Any:
    """Make equal values equal as JSON: integral floats become integers, mappings are walked."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value.is_integer() else value
    if isinstance(value, Mapping):
        mapping = cast(Mapping[Any, Any], value)
        return {str(k): normalise(v) for k, v in mapping.items()}
    if isinstance(value, (list, tuple)):
        return [normalise(v) for v in cast(Iterable[Any], value)]
    return value


def canonical(value: Any) -> str:
    """JSON text of a value with sorted keys and normalised numbers; equal texts mean equal values."""
    return _ENCODER.encode(normalise(value))


def canonical_json(value: Any) -> str:
    """The same for a value that was read from JSON, several times as fast: mostly there is no number to normalise."""
    text = _ENCODER.encode(value)
    return canonical(value) if ".0" in text or "e+" in text else text


def digest(value: Any) -> str:
    """Sixteen hex digits over a value's canonical text."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@cache
def md5(text: str) -> str:
    """The md5 of a prompt component's UTF-8 text as it stands, 32 hex digits; it names the text and secures nothing."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # a table of runs does without

    return TypeAdapter(kind)


def to_json(record: Any) -> str:
    """Write a record as JSON; the inverse of :func:`from_json`."""
    return _adapter(cast(type[Any], type(record))).dump_json(record, fallback=str).decode()


def from_json(kind: type[Record], text: str | bytes) -> Record:
    """Read a record of ``kind`` back from the JSON that :func:`to_json` wrote.

    Raises:
        pydantic.ValidationError: If the text is not such a record.
    """
    return _adapter(kind).validate_json(text)
