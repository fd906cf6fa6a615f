"""From what a log says to what a field of a session holds; what cannot be read is said and left unknown."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from core.patterns import search
from core.plain import canonical
from sessions.layouts.mapping import Source
from sessions.layouts.paths import MISSING, Missing, Place
from sessions.record import Outcome, Session
from sessions.tables import utc

_TRUE = {"true", "yes", "1", "pass", "passed", "success", "succeeded", "solved", "resolved"}
_FALSE = {"false", "no", "0", "fail", "failed", "failure", "unsolved", "unresolved"}
_NOTHING = {"", "null", "none", "nan", "na", "n/a"}
_TYPES = {f.name: str(f.type).removesuffix(" | None") for f in fields(Session)}
LARGEST = 2.0**63
_RANGES = {
    "score": (0.0, 1.0, "a score is from 0 to 1; scale: brings others there"),
    "cost_usd": (0.0, LARGEST, "a cost is 0 or more"),
    "latency_s": (0.0, LARGEST, "a latency is 0 or more"),
}
_EPOCH = 1e11
"""Larger numbers are milliseconds since 1970, beyond 1e14 microseconds, beyond 1e17 nanoseconds."""


class UnreadableError(ValueError):
    """A value does not suit the field that it is mapped to; the text says what is allowed."""


def found(source: Source, place: Place) -> Any:
    """The value of a source in a row, or ``MISSING`` where the row does not say.

    Raises:
        UnreadableError: If the value is there and cannot be used as the mapping wants it.
    """
    value = _raw(source, place)
    if source.count and isinstance(value, (list, Mapping)):
        value = len(value)
    if source.pattern is not None and not isinstance(value, Missing):
        match = search(source.pattern, str(value))
        value = MISSING if match is None else match[1]
    if source.table is not None and not isinstance(value, Missing):
        key = str(value).lower() if isinstance(value, bool) or value is None else str(value)
        if key not in source.table and "default" not in source.model_fields_set:
            raise UnreadableError(f"{value!r} is not in the table; it has {', '.join(source.table)}")
        value = source.table.get(key, MISSING)
    if isinstance(value, Missing) or (value is None and source.default is not None):
        return source.default if "default" in source.model_fields_set else MISSING
    if source.at_least is not None and value is not None:
        value = number(value) >= source.at_least
    if source.scale != 1 and value is not None:
        value = number(value) * source.scale
    return value


def _raw(source: Source, place: Place) -> Any:
    if "const" in source.model_fields_set:
        return source.const
    if source.join:
        parts = [place.find(path) for path in source.join]
        texts = [text(part) for part in parts if not isinstance(part, Missing) and part is not None]
        return source.sep.join(texts) if texts else MISSING
    values = (place.find(path) for path in (source.paths or (source.path or "",)))
    return next((value for value in values if not isinstance(value, Missing)), MISSING)


def read(name: str, source: Source, place: Place) -> Any:
    """The value of a field of a session in a row; ``MISSING`` where the row does not say.

    Raises:
        UnreadableError: If what it says is no such value.
    """
    value = found(source, place)
    if isinstance(value, Missing) or (isinstance(value, str) and value.strip().lower() in _NOTHING):
        return MISSING
    if value is None:
        return MISSING
    known: Any = _READERS[_TYPES[name]](value) if name not in ("started_at", "finished_at") else moment(value)
    if name in _RANGES and not _RANGES[name][0] <= known <= _RANGES[name][1]:
        raise UnreadableError(f"{_short(value)} is out of range; {_RANGES[name][2]}")
    return not known if source.invert and isinstance(known, bool) else known


def text(value: Any) -> str:
    """A short text of any value."""
    if isinstance(value, (bool, list, Mapping)):
        return canonical(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def number(value: Any) -> float:
    """A finite number, also out of a text."""
    try:
        known = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        known = math.nan
    if not math.isfinite(known):
        raise UnreadableError(f"{_short(value)} is not a finite number")
    if abs(known) >= LARGEST:
        raise UnreadableError(f"{_short(value)} is too large; allowed are numbers below 2^63")
    return known


def whole(value: Any) -> int:
    """A whole number of at least 0."""
    if isinstance(value, int) and not isinstance(value, bool):
        known = value
    else:
        exact = number(value)
        if not exact.is_integer():
            raise UnreadableError(f"{_short(value)} is not a whole number")
        known = int(exact)
    if not 0 <= known < 2**63:
        raise UnreadableError(f"{_short(value)} is no count; allowed is 0 or more")
    return known


def truth(value: Any) -> bool:
    """A truth value: true, false, 1, 0, and the words that logs use for them."""
    word = str(value).strip().lower() if not isinstance(value, float) else text(value)
    if isinstance(value, (list, Mapping)) or word not in _TRUE | _FALSE:
        raise UnreadableError(f"{_short(value)} is neither true nor false")
    return word in _TRUE


def outcome(value: Any) -> Outcome:
    """One of the outcomes by name."""
    try:
        return Outcome(str(value))
    except ValueError:
        raise UnreadableError(f"{_short(value)} is no outcome; allowed: {', '.join(Outcome)}") from None


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts; a text alone is a list of one."""
    items = value if isinstance(value, list) else [value]
    return tuple(text(item) for item in items if item not in (None, ""))


def moment(value: Any) -> str:
    """A moment as ISO 8601 in UTC, out of a text or of seconds, milli-, micro- or nanoseconds since 1970."""
    try:
        if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            return utc(value.strip().replace(" UTC", "Z"))
        since = number(value)
        while since > _EPOCH:
            since /= 1000
        return dt.datetime.fromtimestamp(since, dt.UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        raise UnreadableError(f"{_short(value)} is no moment; allowed is ISO 8601 or seconds since 1970") from None


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "str": text,
    "int": whole,
    "float": number,
    "bool": truth,
    "Outcome": outcome,
    "tuple[str, ...]": texts,
}
