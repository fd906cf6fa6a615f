"""Threads of learning in the session store: sessions that share a learning key, counted and windowed by the database.

What belongs to a thread stands in tags and metadata of its sessions, so that any import can say it:

- ``tags.learning_key`` names the thread; ``tags.project``, ``tags.execution_mode`` (``auto``, ``paired``, ``coach``,
  ``escalate``) and ``tags.review_status`` (:data:`REVIEWS`) say where a session belongs;
- ``tags.kind = discovery`` marks a discovery run, which is no session of the thread but leads to one of the same task;
- ``metadata.models`` has the model of each role, ``metadata.reward_stats`` the judges' ``score`` and ``uncertainty``,
  ``metadata.adaptive_summary`` why a mode was chosen, ``metadata.reward_audit`` every judge's answer, and
  ``metadata.learning_usage.session`` which playbook entries fired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from sessions.record import Outcome, Session
from sessions.tables import SESSIONS

KEY, MODE, REVIEW, PROJECT, KIND = "learning_key", "execution_mode", "review_status", "project", "kind"
DISCOVERY = "discovery"
APPROVED = "approved"
REVIEWS = ("pending", APPROVED, "rejected", "quarantined")
"""What a reviewer may say of a session."""
ROLES = ("student", "teacher", "synthesizer", "judge")
UNSAID = "unsaid"
USAGE = ("learning_usage", "session")
Clauses = Sequence[sa.ColumnElement[bool]]
Work = Callable[[sa.Connection], Any]


@dataclass(frozen=True)
class Thread:
    """A learning key: how many sessions it has, and when the last of them started."""

    key: str
    sessions: int
    latest: str | None


@dataclass(frozen=True)
class Cell:
    """Sessions of one thread that agree in mode, review, models and outcome.

    Attributes:
        key: The learning key.
        mode: How the agent was run; ``unsaid`` where nobody says, and so for the review.
        review: What a reviewer said.
        models: Model by role, where one is named.
        outcome: How they ended.
        sessions: How many.
        rewards: Sum of their rewards.
        rewarded: How many have one.
        events: Sum of their steps, where known.
    """

    key: str
    mode: str
    review: str
    models: Mapping[str, str]
    outcome: Outcome
    sessions: int
    rewards: float
    rewarded: int
    events: int


@dataclass(frozen=True)
class TaskCell:
    """The sessions of one thread on one task.

    Attributes:
        key: The learning key.
        task: The task.
        sessions: How many.
        rewards: Sum of their rewards.
        rewarded: How many have one.
        solved_at: The first trial, from 0, that solved the task; None where none did.
        last_trial: The last trial that was made.
        judged: Sessions that say whether the task was solved.
    """

    key: str
    task: str
    sessions: int
    rewards: float
    rewarded: int
    solved_at: int | None
    last_trial: int
    judged: int


@dataclass(frozen=True)
class Point:
    """One session, as short as a window needs it."""

    key: str
    id: str
    task: str
    trial: int
    started_at: str | None
    reward: float | None
    uncertainty: float | None
    mode: str
    review: str
    models: Mapping[str, str]
    outcome: Outcome
    tokens: int | None
    events: int | None


@dataclass(frozen=True)
class ThreadFigures:
    """What the database has counted of some threads.

    Attributes:
        cells: Their sessions, counted.
        tasks: The same by task, ordered by key and task.
        points: By key, the last sessions with a reward, oldest first.
        used: By key, ``metadata.learning_usage.session`` of the last sessions that have one; text or JSON.
    """

    cells: tuple[Cell, ...]
    tasks: tuple[TaskCell, ...]
    points: Mapping[str, Sequence[Point]]
    used: Mapping[str, Sequence[Any]]


CHOSEN = sa.Table(
    "thread_sessions",
    sa.MetaData(),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    *(sa.Column(name, SESSIONS.c.task.type) for name in ("key", "task", "mode", "review", *ROLES, "outcome")),
    sa.Column("reward", sa.Float(53)),
    sa.Column("started", SESSIONS.c.task.type),
    sa.Column("steps", sa.BigInteger),
    sa.Column("trial", sa.BigInteger),
    sa.Column("success", sa.Boolean),
    sa.Column("used", sa.Boolean),
    prefixes=["temporary"],
)
"""What figures need of sessions whose threads were chosen; a table of one transaction."""


def reward_of(session: Session) -> float | None:
    """What a session was worth: the judges' score, else its score, else 1 or 0; None where the agent was not judged."""
    if session.outcome is Outcome.INFRASTRUCTURE:
        return None
    stats = session.metadata.get("reward_stats")
    said = stats.get("score") if isinstance(stats, Mapping) else None
    if isinstance(said, (int, float)) and not isinstance(said, bool):
        return float(said)
    if session.score is not None:
        return session.score
    return float(session.outcome is Outcome.SUCCESS) if session.outcome.counts else None


def threads(clauses: Clauses, limit: int) -> Callable[[sa.Connection], tuple[Thread, ...]]:
    """The learning keys whose sessions started last, the latest first."""

    def work(db: sa.Connection) -> tuple[Thread, ...]:
        key, latest = _tag(db, KEY), sa.func.max(sa.func.coalesce(SESSIONS.c.started_at, ""))
        some = sa.select(key, sa.func.count(), latest).where(*clauses, _ordinary(db)).group_by(key)
        found = db.execute(some.order_by(latest.desc(), sa.func.count().desc(), key).limit(limit + 1))  # one has no key
        return tuple(Thread(name, count, when or None) for name, count, when in found if name is not None)[:limit]

    return work


def figures(
    clauses: Clauses, keys: Sequence[str], *, points: int, uses: int
) -> Callable[[sa.Connection], ThreadFigures]:
    """What sessions of these threads show: counts of all, and the last ``points`` and ``uses`` sessions of each.

    The sessions are looked for once: what the figures need of them goes into a temporary table, which ends with the
    transaction.
    """

    def work(db: sa.Connection) -> ThreadFigures:
        CHOSEN.create(db)
        db.execute(sa.insert(CHOSEN).from_select(CHOSEN.c.keys(), _chosen(db, clauses, keys)))
        return ThreadFigures(*_counts(db), _latest(db, keys, points), _recorded_usage(db, keys, uses))

    return work


def _chosen(db: sa.Connection, clauses: Clauses, keys: Sequence[str]) -> Any:
    """The sessions of these threads, in the columns of :data:`CHOSEN`."""
    c = SESSIONS.c
    used = _inside(db, c.metadata, *USAGE).is_not(None)
    told = [_tag(db, KEY), c.task, _tag(db, MODE), _tag(db, REVIEW), *_models(db), c.outcome]
    measured = [_reward(db), sa.func.coalesce(c.started_at, ""), c.steps, c.trial, c.success, used]
    return sa.select(c.seq, *told, *measured).where(*clauses, _tag(db, KEY).in_(keys), _ordinary(db))


def _counts(db: sa.Connection) -> tuple[tuple[Cell, ...], tuple[TaskCell, ...]]:
    c = CHOSEN.c
    groups = [c.key, c.task, c.mode, c.review, *(c[role] for role in ROLES), c.outcome]
    sums = (
        sa.func.count(), sa.func.sum(c.reward), sa.func.count(c.reward), sa.func.sum(c.steps),
        sa.func.min(c.trial).filter(c.success.is_(True)), sa.func.max(c.trial), sa.func.count(c.success),
    )  # fmt: skip
    by_cell: dict[tuple[Any, ...], list[Any]] = {}
    by_task: dict[tuple[str, str], list[Any]] = {}
    for row in db.execute(sa.select(*groups, *sums).group_by(*groups)):
        key, task, *rest = row[: len(groups)]
        count, worth, rewarded, steps, solved, last, judged = row[len(groups) :]
        cell = by_cell.setdefault((key, *rest), [0, 0.0, 0, 0])
        its = by_task.setdefault((key, task), [0, 0.0, 0, None, 0, 0])
        for place, value in enumerate((count, float(worth or 0), rewarded, int(steps or 0))):
            cell[place] += value
        for place, value in ((0, count), (1, float(worth or 0)), (2, rewarded), (5, judged)):
            its[place] += value
        its[3] = min((at for at in (its[3], solved) if at is not None), default=None)
        its[4] = max(its[4], last)
    cells = [
        Cell(key, mode or UNSAID, review or UNSAID, _named(models), Outcome(outcome), *sums)
        for (key, mode, review, *models, outcome), sums in by_cell.items()
    ]
    return tuple(cells), tuple(TaskCell(*place, *its) for place, its in sorted(by_task.items()))


def _newest(condition: sa.ColumnElement[bool], count: int) -> sa.Subquery:
    """Of each thread the last ``count`` sessions for which something holds, as ``seq`` and ``key``."""
    c = CHOSEN.c
    place = sa.func.row_number().over(partition_by=c.key, order_by=(c.started.desc(), c.seq.desc())).label("place")
    ranked = sa.select(c.seq, c.key, place).where(condition).subquery()
    return sa.select(ranked.c.seq, ranked.c.key).where(ranked.c.place <= count).subquery()


def _latest(db: sa.Connection, keys: Sequence[str], count: int) -> dict[str, list[Point]]:
    c, own, newest = SESSIONS.c, CHOSEN.c, _newest(CHOSEN.c.reward.is_not(None), count)
    uncertain = sa.func.coalesce(
        _number(db, "reward_stats", "uncertainty_mean"), _number(db, "reward_stats", "uncertainty")
    )
    query = sa.select(
        own.key, c.id, c.task, c.trial, c.started_at, own.reward, uncertain, own.mode, own.review,
        *(own[role] for role in ROLES), c.outcome, _tokens(), c.steps,
    ).join(CHOSEN, own.seq == c.seq).join(newest, newest.c.seq == c.seq).order_by(own.started, c.seq)  # fmt: skip
    found: dict[str, list[Point]] = {name: [] for name in keys}
    for row in db.execute(query):
        found[row[0]].append(_point(row))
    return found


def _recorded_usage(db: sa.Connection, keys: Sequence[str], count: int) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [] for name in keys}
    if count:
        newest = _newest(CHOSEN.c.used.is_(True), count)
        query = sa.select(newest.c.key, _inside(db, SESSIONS.c.metadata, *USAGE))
        for name, text in db.execute(query.join(newest, newest.c.seq == SESSIONS.c.seq)):
            found[name].append(text)
    return found


def discoveries(clauses: Clauses, tasks: Sequence[str], count: int) -> Callable[[sa.Connection], tuple[Point, ...]]:
    """The last ``count`` discovery runs of each of these tasks, newest first."""

    def work(db: sa.Connection) -> tuple[Point, ...]:
        c = SESSIONS.c
        newest = (sa.func.coalesce(c.started_at, "").desc(), c.seq.desc())
        place = sa.func.row_number().over(partition_by=c.task, order_by=newest)
        found = sa.select(c.seq, c.task, place.label("place")).where(*clauses, _tag(db, KIND) == DISCOVERY).subquery()
        some = sa.select(found.c.seq).where(found.c.place <= count, found.c.task.in_(tasks))
        query = sa.select(
            sa.func.coalesce(_tag(db, KEY), ""), c.id, c.task, c.trial, c.started_at, _reward(db), sa.null(),
            _tag(db, MODE), _tag(db, REVIEW), *_models(db), c.outcome, _tokens(), c.steps,
        ).where(c.seq.in_(some))  # fmt: skip
        return tuple(_point(row) for row in db.execute(query.order_by(*newest)))

    return work


def _point(row: Sequence[Any]) -> Point:
    models, (outcome, tokens, events) = _named(row[9 : 9 + len(ROLES)]), row[9 + len(ROLES) :]
    key, name, task, trial, started, reward, uncertainty, mode, review = row[:9]
    return Point(
        key, name, task, trial, started, reward, uncertainty, mode or UNSAID, review or UNSAID, models,
        Outcome(outcome), tokens, events,
    )  # fmt: skip


def _named(models: Sequence[str | None]) -> dict[str, str]:
    return {role: model for role, model in zip(ROLES, models, strict=True) if model}


def _ordinary(db: sa.Connection) -> sa.ColumnElement[bool]:
    return sa.func.coalesce(_tag(db, KIND), "") != DISCOVERY


def _tag(db: sa.Connection, name: str) -> Any:
    return _inside(db, SESSIONS.c.tags, name)


def _models(db: sa.Connection) -> list[Any]:
    """The model of each role; the student's is the session's own where no other is named."""
    named = [_inside(db, SESSIONS.c.metadata, "models", role) for role in ROLES]
    return [sa.func.coalesce(named[0], SESSIONS.c.model), *named[1:]]


def _inside(db: sa.Connection, column: sa.ColumnElement[Any], *keys: str) -> Any:
    """What stands inside a JSON column, as text; null where nothing does. Keys are names of our own."""
    if db.dialect.name == "postgresql":
        found: Any = sa.type_coerce(column, JSONB)
        for key in keys:
            found = found[sa.literal_column(f"'{key}'")]
        return found.op("#>>")(sa.literal_column("'{}'"))
    return sa.func.json_extract(column, sa.literal_column("'$." + ".".join(keys) + "'"))


def _number(db: sa.Connection, *keys: str) -> Any:
    found = _inside(db, SESSIONS.c.metadata, *keys)
    if db.dialect.name == "postgresql":
        inner: Any = sa.type_coerce(SESSIONS.c.metadata, JSONB)
        for key in keys:
            inner = inner[sa.literal_column(f"'{key}'")]
        kind, numbers = sa.func.jsonb_typeof(inner), ("number",)
    else:
        kind = sa.func.json_type(SESSIONS.c.metadata, sa.literal_column("'$." + ".".join(keys) + "'"))
        numbers = ("integer", "real")
    return sa.case((kind.in_(numbers), sa.cast(found, sa.Float(53))), else_=None)


def _reward(db: sa.Connection) -> Any:
    """:func:`reward_of` in SQL."""
    c = SESSIONS.c
    solved = sa.case(
        (c.outcome == Outcome.SUCCESS.value, 1.0), (c.outcome == Outcome.AGENT_FAILURE.value, 0.0), else_=None
    )
    worth = sa.func.coalesce(_number(db, "reward_stats", "score"), c.score, solved)
    return sa.case((c.outcome == Outcome.INFRASTRUCTURE.value, None), else_=worth)


def _tokens() -> Any:
    c = SESSIONS.c
    unknown = c.input_tokens.is_(None) & c.output_tokens.is_(None)
    both = sa.func.coalesce(c.input_tokens, 0) + sa.func.coalesce(c.output_tokens, 0)
    return sa.case((unknown, c.total_tokens), else_=both)
