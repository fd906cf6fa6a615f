"""The session store's tables, once for every database, and how a session becomes a row of them and comes back."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from core.errors import DataError
from core.redact import NOTHING, Redactor
from sessions.record import Outcome, Session, Step

VERSION = 1
TABLES = sa.MetaData()
_BINARY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # texts order by their bytes everywhere
_JSON = sa.Text().with_variant(JSONB(), "postgresql")
_COUNT = sa.BigInteger()
LISTS, MAPPINGS = ("errors", "components", "guidelines"), ("tags", "metadata")
_KINDS: Mapping[str, Any] = {
    "str": _BINARY,
    "str | None": _BINARY,
    "int": _COUNT,
    "int | None": _COUNT,
    "float | None": sa.Float(53),
    "bool | None": sa.Boolean(),
    "Outcome": _BINARY,
}
FIELDS = tuple(field.name for field in fields(Session) if field.name != "trajectory")
"""Fields of a session that are columns."""

SESSIONS = sa.Table(
    "sessions",
    TABLES,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    *(
        sa.Column(field.name, _KINDS.get(str(field.type), _JSON), unique=field.name == "id")
        for field in fields(Session)
        if field.name != "trajectory"
    ),
)
TRAJECTORIES = sa.Table(
    "trajectories",
    TABLES,
    sa.Column("id", _BINARY, primary_key=True),
    sa.Column("steps", sa.LargeBinary(), nullable=False),
)
SCHEMA = sa.Table("session_schema", TABLES, sa.Column("version", sa.Integer(), primary_key=True))
ORDER = (sa.func.coalesce(SESSIONS.c.started_at, ""), SESSIONS.c.seq)
"""By start, then by arrival; sessions without a start come first."""

_AGREE = {
    (True, Outcome.SUCCESS),
    (False, Outcome.AGENT_FAILURE),
    *((flag, Outcome.INFRASTRUCTURE) for flag in (True, False, None)),
    (None, Outcome.UNKNOWN),
}
_LARGEST = 2**63 - 1
_BROKEN = re.compile("[\x00\ud800-\udfff]")
"""What no database takes as text: NUL, and half of a character."""
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def storable(text: str) -> str:
    """A text as every database takes it; NUL and half a character become U+FFFD."""
    return _BROKEN.sub("\ufffd", text) if not text.isascii() or "\0" in text else text


@lru_cache(maxsize=4096)
def utc(when: str) -> str:
    """A moment as ISO 8601 in UTC, so that later ones are larger texts; without an offset it is taken as UTC.

    Raises:
        ValueError: If it is no date.
    """
    moment = dt.datetime.fromisoformat(when)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).isoformat()


def _json(value: Any) -> str:
    """JSON that every database takes; NaN and infinities are null."""
    text = _encode(value)
    if "NaN" in text or "Infinity" in text:
        text = _encode(_finite(value))
    if "\\u" in text:  # NUL and halves that are escaped
        text = _encode(_whole(json.loads(text)))
    return storable(text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def row_of(session: Session, redact: Redactor) -> tuple[Any, ...]:
    """A session as values of ``FIELDS``, without secrets.

    Raises:
        DataError: If it has no id, its outcome contradicts its success, or a number or a moment cannot be kept.
    """
    if not session.id:
        raise DataError("a session needs an id; received an empty one")
    if (session.success, session.outcome) not in _AGREE:
        raise DataError(
            f"session {session.id!r}: success {session.success} and outcome {session.outcome.value!r} contradict "
            f"each other; success {session.success} is {Outcome.of(session.success).value!r}, or infrastructure"
        )
    values: list[Any] = list(_values(session))
    for place in _NUMBERS:
        value = values[place]
        if value is not None and not -_LARGEST <= value <= _LARGEST:
            raise DataError(
                f"session {session.id!r}: {FIELDS[place]} is {value}; allowed are finite numbers below 2^63"
            )
    for place in _TREES:
        value = values[place]
        values[place] = redact.json(_json(value)) if value else "{}" if FIELDS[place] in MAPPINGS else "[]"
    for place in _MOMENTS:
        if values[place] is not None:
            values[place] = _moment(session.id, FIELDS[place], values[place])
    values[_OUTCOME] = session.outcome.value
    together = "".join([values[place] for place in _TEXTS])
    if redact is not NOTHING or not together.isascii() or "\0" in together:
        for place in _TEXTS:
            values[place] = storable(redact.text(values[place]))
    return tuple(values)


def _moment(session_id: str, name: str, when: str) -> str:
    try:
        return utc(when)
    except ValueError:
        raise DataError(f"session {session_id!r}: {name} is {when!r}; allowed is ISO 8601") from None


def _places(*kinds: str) -> tuple[int, ...]:
    return tuple(FIELDS.index(field.name) for field in fields(Session) if field.type in kinds)


_values = attrgetter(*FIELDS)
_TEXTS = _places("str")
_NUMBERS = _places("int", "int | None", "float | None")
_MOMENTS = _places("str | None")
_TREES = tuple(FIELDS.index(name) for name in (*LISTS, *MAPPINGS))
_OUTCOME = FIELDS.index("outcome")


def session_of(row: Sequence[Any], trajectory: tuple[Step, ...] | None = None) -> Session:
    """The session of a row of ``FIELDS``."""
    given = dict(zip(FIELDS, row, strict=True))
    for name in LISTS:
        given[name] = () if given[name] == "[]" else tuple(_loaded(given[name]))
    for name in MAPPINGS:
        given[name] = {} if given[name] == "{}" else _loaded(given[name])
    for name in ("success", "impossible", "rejected"):
        given[name] = None if given[name] is None else bool(given[name])
    return Session(**{**given, "outcome": Outcome(given["outcome"]), "trajectory": trajectory})


def _loaded(value: Any) -> Any:
    """A value of a JSON column: text in SQLite, already read in Postgres."""
    return json.loads(value) if isinstance(value, str) else value


def packed(trajectory: Sequence[Step], redact: Redactor) -> bytes:
    """The steps of a trajectory, compressed, without secrets."""
    return zlib.compress(redact.json(_json([astuple(step) for step in trajectory])).encode("utf-8"), 6)


def unpacked(body: bytes) -> tuple[Step, ...]:
    """The steps that :func:`packed` made."""
    return tuple(Step(*step) for step in json.loads(zlib.decompress(body)))
