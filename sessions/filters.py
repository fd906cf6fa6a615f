"""Which sessions: filters in a chain, applied in order, by the database or in memory.

    FilterChain().add(SessionFilter(index=slice(-100, None))).add(SessionFilter(match={"model": "gpt-4o"}))

takes the last hundred sessions and of these the ones of that model; the other way round it is the last hundred of that
model. Sessions stand in the order of their start, those without one first, and where that is equal in the order in
which they were stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from core.catalog import did_you_mean
from core.errors import UsageError
from sessions.record import Outcome, Session
from sessions.tables import FIELDS, LISTS, MAPPINGS, ORDER, SESSIONS, utc

TASK_FIELDS: Mapping[str, str] = {
    "name": "task",
    "code": "task_code",
    "split": "split",
    "trial": "trial",
    "impossible": "impossible",
    "optimal_steps": "optimal_steps",
}
"""What a task filter may ask for, and the field of a session that says it."""
_TYPES = {f.name: str(f.type).removesuffix(" | None") for f in fields(Session)}
_PYTHON: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "Outcome": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}


@dataclass(frozen=True)
class SessionFilter:
    """One link of a chain. Where several parts are given, sessions must fit all, and ``index`` counts what fits.

    Attributes:
        index: A slice of the sessions in their order, as of a list; a step must be positive.
        match: Values by field. A tuple or list means any of its values, None that nothing is known. A field that is
            a list (``errors``, ``components``, ``guidelines``) fits where it contains the value; ``tags.NAME`` and
            ``metadata.NAME.NAME`` reach inside.
        task_filter: The same for what belongs to the task: ``name``, ``code``, ``split``, ``trial``, ``impossible``,
            ``optimal_steps``.
        since: Only sessions that started at this moment (ISO 8601) or later.
        until: Only sessions that started before.

    Raises:
        UsageError: If a field is unknown or a value does not suit it.
    """

    index: slice | None = None
    match: Mapping[str, Any] = field(default_factory=dict[str, Any])
    task_filter: Mapping[str, Any] = field(default_factory=dict[str, Any])
    since: str | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.match.items():
            _check(name, value)
        for name, value in self.task_filter.items():
            if name not in TASK_FIELDS:
                raise UsageError(
                    f"unknown field {name!r} of a task; known: {', '.join(TASK_FIELDS)}",
                    hint=did_you_mean(name, tuple(TASK_FIELDS)),
                )
            _check(TASK_FIELDS[name], value)
        for name in ("since", "until"):
            if (given := getattr(self, name)) is not None:
                try:
                    object.__setattr__(self, name, utc(given))
                except ValueError:
                    raise UsageError(f"{name}: received {given!r}; allowed is a moment such as 2026-11-01") from None
        if self.index is not None:
            parts = (self.index.start, self.index.stop, self.index.step)
            if any(part is not None and type(part) is not int for part in parts) or (self.index.step or 1) < 1:
                raise UsageError(f"index: received {self.index}; allowed are whole numbers and a positive step")

    @property
    def asked(self) -> Mapping[str, Any]:
        """Values by field of a session, those of the task included."""
        return {**self.match, **{TASK_FIELDS[name]: value for name, value in self.task_filter.items()}}

    def fits(self, session: Session) -> bool:
        """Whether a session fits, whatever its place."""
        if self.since is not None or self.until is not None:
            start = _start(session)
            if not start or (self.since and start < self.since) or (self.until and start >= self.until):
                return False
        return all(_fits(session, name, value) for name, value in self.asked.items())


@dataclass(frozen=True)
class FilterChain:
    """Filters in the order in which they apply; none selects everything. Nothing is read before it is asked for."""

    filters: tuple[SessionFilter, ...] = ()

    def add(self, one: SessionFilter) -> FilterChain:
        """The chain with another filter at its end."""
        return FilterChain((*self.filters, one))

    def where(self, **match: Any) -> FilterChain:
        """The chain with a match of fields at its end."""
        return self.add(SessionFilter(match=match))

    def last(self, count: int) -> FilterChain:
        """The chain with only its last sessions."""
        return self.add(SessionFilter(index=slice(-count, None) if count else slice(0, 0)))

    def apply(self, sessions: Iterable[Session]) -> list[Session]:
        """The sessions that a chain selects from some that are in memory, in their order."""
        chosen = sorted(sessions, key=_start)
        for one in self.filters:
            chosen = [session for session in chosen if one.fits(session)][one.index or slice(None)]
        return chosen

    def clauses(self, dialect: str) -> list[sa.ColumnElement[bool]]:
        """What the table ``sessions`` is filtered by, in the SQL of ``sqlite`` or ``postgresql``."""
        found: list[sa.ColumnElement[bool]] = []
        for one in self.filters:
            if one.since is not None:
                found.append(SESSIONS.c.started_at >= one.since)
            if one.until is not None:
                found.append(SESSIONS.c.started_at < one.until)
            found += [_clause(name, value, dialect) for name, value in one.asked.items()]
            if one.index is not None and one.index != slice(None):
                found = _sliced(found, one.index)
        return found


EVERYTHING = FilterChain()


def field_type(name: str) -> type:
    """What a field of a session holds: str, int, float, bool, list or dict; str where there is no such field."""
    head = name.partition(".")[0]
    if head in LISTS:
        return list
    if head == "metadata":
        return dict
    return {"int": int, "float": float, "bool": bool}.get(_TYPES.get(head, ""), str)


def _start(session: Session) -> str:
    return utc(session.started_at) if session.started_at else ""


def _check(name: str, value: Any) -> None:
    """Refuse what no session could ever fit because it is mistyped."""
    head, _, rest = name.partition(".")
    known = (*FIELDS, *(f"{mapping}.NAME" for mapping in MAPPINGS))
    if head not in FIELDS or bool(rest) != (head in MAPPINGS) or '"' in rest or ("" in rest.split(".") and rest):
        raise UsageError(
            f"unknown field {name!r} of a session; known: {', '.join(known)}", hint=did_you_mean(head, known)
        )
    kinds = _kinds(head)
    for each in _any_of(value):
        if each is None and head not in LISTS:
            continue
        if not isinstance(each, kinds) or (isinstance(each, bool) and bool not in kinds):
            raise UsageError(
                f"{name}: received {each!r}; allowed is {' or '.join(kind.__name__ for kind in kinds)}"
                + ("" if head in LISTS else ", or None where nothing is known")
            )
        if head == "outcome" and each not in tuple(Outcome):
            raise UsageError(
                f"outcome: received {each!r}; allowed: {', '.join(Outcome)}",
                hint=did_you_mean(str(each), [outcome.value for outcome in Outcome]),
            )


def _kinds(head: str) -> tuple[type, ...]:
    if head in LISTS or head == "tags":
        return (str,)
    return (str, bool, int, float) if head == "metadata" else _PYTHON[_TYPES[head]]


def _any_of(value: Any) -> Sequence[Any]:
    return tuple(value) if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _fits(session: Session, name: str, value: Any) -> bool:
    head, _, rest = name.partition(".")
    has: Any = getattr(session, head)
    if head in ("started_at", "finished_at") and has is not None:
        has = utc(has)
    if head in LISTS:
        return any(each in has for each in _any_of(value))
    for key in rest.split(".") if rest else ():
        has = has.get(key) if isinstance(has, Mapping) else None
    return any(_equal(has, each) for each in _any_of(value))


def _equal(has: Any, value: Any) -> bool:
    return isinstance(has, bool) == isinstance(value, bool) and has == value


def _clause(name: str, value: Any, dialect: str) -> sa.ColumnElement[bool]:
    head, _, rest = name.partition(".")
    column = SESSIONS.c[head]
    wanted = _any_of(value)
    if head in LISTS:
        return sa.or_(sa.false(), *(_contains(column, each, dialect) for each in wanted))
    if rest:
        inside = _inside_postgres if dialect == "postgresql" else _inside_sqlite
        return sa.or_(sa.false(), *(inside(column, rest.split("."), each) for each in wanted))
    known = [str(each) if isinstance(each, Outcome) else each for each in wanted if each is not None]
    equal = column.in_(known) if len(known) != 1 else column == known[0]
    return sa.or_(equal, column.is_(None)) if len(known) < len(wanted) else equal


def _contains(column: sa.ColumnElement[Any], value: str, dialect: str) -> sa.ColumnElement[bool]:
    if dialect == "postgresql":
        return sa.type_coerce(column, JSONB).contains([value])
    inner = sa.func.json_each(column).table_valued("value")
    return sa.exists(sa.select(sa.literal(1)).select_from(inner).where(inner.c.value == value))


def _inside_sqlite(column: sa.ColumnElement[Any], keys: Sequence[str], value: Any) -> sa.ColumnElement[bool]:
    path = "$" + "".join(f'."{key}"' for key in keys)
    kind, found = sa.func.json_type(column, path), sa.func.json_extract(column, path)
    if value is None:
        return sa.func.coalesce(kind, "null") == "null"
    if isinstance(value, bool):
        return kind == ("true" if value else "false")
    kinds = ("text",) if isinstance(value, str) else ("integer", "real")
    return sa.and_(kind.in_(kinds), found == value)


def _inside_postgres(column: sa.ColumnElement[Any], keys: Sequence[str], value: Any) -> sa.ColumnElement[bool]:
    found: Any = sa.type_coerce(column, JSONB)
    for key in keys:
        found = found[key]
    equal = found == sa.cast(sa.literal(json.dumps(value), sa.Text()), JSONB)
    return sa.or_(found.is_(None), equal) if value is None else equal


def _sliced(clauses: Sequence[sa.ColumnElement[bool]], index: slice) -> list[sa.ColumnElement[bool]]:
    """The clauses of a slice of what other clauses select.

    A slice that counts from one end is that end of the order, which needs no numbering of all sessions.
    """
    start, stop = index.start or 0, index.stop
    chosen = sa.select(SESSIONS.c.seq).where(*clauses).correlate(None)
    backward = [column.desc() for column in ORDER]
    if index.step in (None, 1) and start >= 0 and (stop is None or stop >= 0):
        some = chosen.order_by(*ORDER).offset(start)
        some = some if stop is None else some.limit(max(stop - start, 0))
    elif index.step in (None, 1) and start < 0 and (stop is None or stop < 0):
        some = chosen.order_by(*backward).offset(-(stop or 0)).limit(max((stop or 0) - start, 0))
    else:
        some = _numbered(clauses, index)
    return [SESSIONS.c.seq.in_(some)]


def _numbered(clauses: Sequence[sa.ColumnElement[bool]], index: slice) -> sa.Select[Any]:
    """Any slice at all, by the number of each session in the order."""
    place = (sa.func.row_number().over(order_by=list(ORDER)) - 1).label("place")
    total = sa.func.count().over().label("total")
    every = sa.select(SESSIONS.c.seq, place, total).where(*clauses).correlate(None).subquery()

    def resolved(edge: int) -> Any:
        from_end = sa.case((every.c.total + edge < 0, 0), else_=every.c.total + edge)
        return sa.literal(edge) if edge >= 0 else from_end

    start = resolved(index.start or 0)
    conditions = [every.c.place >= start, (every.c.place - start) % (index.step or 1) == 0]
    if index.stop is not None:
        conditions.append(every.c.place < resolved(index.stop))
    return sa.select(every.c.seq).where(*conditions)
