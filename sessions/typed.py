"""Filters as people type them: ``model=gpt-4o``, ``code=gpu_race``, ``7d``."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from core.errors import UsageError
from sessions.filters import FilterChain, SessionFilter, field_type
from sessions.tables import utc

_AGE = re.compile(r"(\d+)\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


def chain_of(flags: Sequence[tuple[str, Any]], now: dt.datetime | None = None) -> FilterChain:
    """A chain from pairs of a flag (``last``, ``where``, ``task``, ``since``, ``until``) and what was given, in order.

    Raises:
        UsageError: If a field, a value or a time is none that is known.
    """
    chain = FilterChain()
    for name, given in flags:
        if given is None:
            continue
        if name == "last":
            chain = chain.last(given)
        elif name in ("since", "until"):
            when = moment(given, now)
            chain = chain.add(SessionFilter(since=when) if name == "since" else SessionFilter(until=when))
        for text in given if name in ("where", "task") else ():
            field, equals, value = text.partition("=")
            if name == "where":
                if not equals:
                    raise UsageError(f"--where: received {text!r}; allowed is FIELD=VALUE, as in model=gpt-4o")
                chain = chain.add(SessionFilter(match={field: values(field, value)}))
            else:
                named = {field: value} if equals else {"name": text}
                chain = chain.add(
                    SessionFilter(task_filter={key: values(field_of_task(key), each) for key, each in named.items()})
                )
    return chain


def field_of_task(name: str) -> str:
    """The field of a session that says something of its task; an unknown name is left for the filter to refuse."""
    from sessions.filters import TASK_FIELDS

    return TASK_FIELDS.get(name, name)


def values(name: str, text: str) -> Any:
    """What a text means for a field: its values, separated by commas; ``null`` is what nobody knows.

    Raises:
        UsageError: If it is no value of such a field.
    """
    found = [value for part in text.split(",") for value in _value(name, part.strip())]
    return tuple(found) if len(found) > 1 else found[0]


def _value(name: str, text: str) -> tuple[Any, ...]:
    kind = field_type(name)
    if text == "null" and kind is not list:
        return (None,)
    try:
        if kind is bool:
            return (_TRUTHS[text.lower()],)
        if kind in (int, float):
            return (kind(text),)
    except (KeyError, ValueError):
        wanted = "true or false" if kind is bool else "a number"
        raise UsageError(f"--where: {name}: received {text!r}; allowed is {wanted}") from None
    if kind is not dict:
        return (text,)
    return (text, *_also(text))  # inside metadata 1 may be a text or a number


def _also(text: str) -> tuple[Any, ...]:
    if text in ("true", "false"):
        return (text == "true",)
    for kind in (int, float):
        try:
            return (kind(text),)
        except ValueError:
            continue
    return ()


def moment(text: str, now: dt.datetime | None = None) -> str:
    """A moment of ISO 8601, or an age before now such as ``7d``, ``12h``, ``30m``, ``2w``.

    Raises:
        UsageError: If it is neither.
    """
    age = _AGE.fullmatch(text.strip())
    try:
        if age:
            return ((now or dt.datetime.now(dt.UTC)) - dt.timedelta(**{_UNITS[age[2]]: int(age[1])})).isoformat()
        return utc(text.strip())
    except (ValueError, OverflowError):
        raise UsageError(f"received {text!r} for a time; allowed: 2026-11-01, 2026-11-01T08:00, 7d, 12h, 30m") from None
