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


Column = Sequence[Any]
BLOCK = 1_000


def columns_of(sessions: Sequence[Session], redact: Redactor) -> list[Column]:
    """Sessions as columns of ``FIELDS``, ready for the database and without secrets; there is at least one session.

    A column is looked at as a whole, and value by value only where the whole needs it: most columns of most batches say
    nothing, or the same everywhere. Much more than :data:`BLOCK` sessions at a time take longer each.

    Raises:
        DataError: If one has no id, its outcome contradicts its success, or a number or a moment cannot be kept.
    """
    # A dataclass fills its dictionary in the order of its fields, and that is read twice as fast as each by name.
    found = zip(*(vars(session).values() for session in sessions), strict=True)
    columns: list[Column] = [column for _, column in zip(FIELDS, found, strict=False)]
    if not all(columns[_ID]):
        raise DataError("a session needs an id; received an empty one")
    if not set(zip(columns[_SUCCESS], columns[_OUTCOME], strict=True)) <= _AGREE:
        raise _contradiction(sessions)
    for place in _NUMBERS:
        _check_numbers(columns[_ID], FIELDS[place], columns[place])
    for place in _TREES:
        columns[place] = _trees(FIELDS[place], columns[place], redact)
    for place in _MOMENTS:
        columns[place] = _moments(columns[_ID], FIELDS[place], columns[place])
    columns[_OUTCOME] = [outcome._value_ for outcome in columns[_OUTCOME]]
    for place in _TEXTS:
        columns[place] = _texts(columns[place], redact)
    return columns


def _contradiction(sessions: Sequence[Session]) -> DataError:
    wrong = next(s for s in sessions if (s.success, s.outcome) not in _AGREE)
    return DataError(
        f"session {wrong.id!r}: success {wrong.success} and outcome {wrong.outcome.value!r} contradict "
        f"each other; success {wrong.success} is {Outcome.of(wrong.success).value!r}, or infrastructure"
    )


def _check_numbers(ids: Column, name: str, column: Column) -> None:
    known = [value for value in column if value is not None]
    total = sum(known)
    if not known or (not math.isnan(total) and -_LARGEST <= min(known) <= max(known) <= _LARGEST):
        return
    for session_id, value in zip(ids, column, strict=True):
        if value is not None and not -_LARGEST <= value <= _LARGEST:
            raise DataError(f"session {session_id!r}: {name} is {value}; allowed are finite numbers below 2^63")


def _trees(name: str, column: Column, redact: Redactor) -> Column:
    nothing = "{}" if name in MAPPINGS else "[]"
    if not any(column):
        return [nothing] * len(column)
    if name in LISTS:
        known = {value: redact.json(_json(value)) if value else nothing for value in set(column)}
        return [known[value] for value in column]
    return [redact.json(_json(value)) if value else nothing for value in column]


def _moments(ids: Column, name: str, column: Column) -> Column:
    known: dict[str | None, str | None] = {None: None}
    try:
        known |= {when: utc(when) for when in set(column) - {None}}
    except ValueError:
        for session_id, when in zip(ids, column, strict=True):
            known[when] = None if when is None else _moment(session_id, name, when)
    return column if len(known) == 1 else [known[when] for when in column]


def _texts(column: Column, redact: Redactor) -> Column:
    together = "\n".join(column)
    plain = together.isascii() and "\0" not in together
    if plain and (redact is NOTHING or (not redact.patterns and redact.text(together) == together)):
        return column
    return [storable(redact.text(value)) for value in column]


def _moment(session_id: str, name: str, when: str) -> str:
    try:
        return utc(when)
    except ValueError:
        raise DataError(f"session {session_id!r}: {name} is {when!r}; allowed is ISO 8601") from None


def _places(*kinds: str) -> tuple[int, ...]:
    return tuple(FIELDS.index(field.name) for field in fields(Session) if field.type in kinds)


_TEXTS = _places("str")
_NUMBERS = _places("int", "int | None", "float | None")
_MOMENTS = _places("str | None")
_TREES = tuple(FIELDS.index(name) for name in (*LISTS, *MAPPINGS))
_ID, _SUCCESS, _OUTCOME = FIELDS.index("id"), FIELDS.index("success"), FIELDS.index("outcome")


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
