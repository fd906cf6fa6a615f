"""What the sessions and the playbook of a learning key show together: the computation behind the learning report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from core.plain import from_json, to_json
from playbook.book import Playbook, PlaybookStore, slug
from playbook.entry import Category, Entry, Lifecycle
from playbook.gain import Contrast, Curve, Momentum, curve, momentum
from playbook.impact import Impact, Totals, impacts, totals
from playbook.rubric import Quality
from playbook.usage import SessionUsage, in_force, session_usage
from sessions.filters import FilterChain, SessionFilter
from sessions.learning import (
    KEY,
    PROJECT,
    ROLES,
    Cell,
    Point,
    TaskCell,
    Thread,
    discoveries,
    figures,
    threads,
)
from sessions.store import SessionStore

MOST_USAGE = 2_000
"""Sessions of a thread whose recorded usage is read, the newest; a report says how many it read."""
MOST_TASKS = 5_000
"""Tasks whose figures a summary keeps for later comparisons."""


@dataclass(frozen=True)
class Asked:
    """What a learning report is to look at.

    Attributes:
        keys: Learning keys; those whose sessions started last where none is named.
        limit: At most so many keys.
        recent: Size of the recent window.
        baseline: Size of the window before it.
        overlapping: Let the baseline contain the recent window, as older reports did.
        projects: Only sessions of these projects (``tags.project``); the filters bind every figure of a report.
        tasks: Only sessions of these tasks.
        tags: Only sessions with these tags.
        summary_only: Count in the database alone: no trajectory is read, usage is what sessions recorded of it.
        batch: Keys at a time.
        trajectories: Most sessions of a key whose trajectory is read, the newest.
        discoveries: Most discovery runs that are named.
    """

    keys: tuple[str, ...] = ()
    limit: int = 5
    recent: int = 10
    baseline: int = 50
    overlapping: bool = False
    projects: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    summary_only: bool = False
    batch: int = 4
    trajectories: int = 200
    discoveries: int = 5

    @property
    def chain(self) -> FilterChain:
        """The filters."""
        match = {f"tags.{name}": values for name, values in self.tags.items()}
        match |= {f"tags.{PROJECT}": self.projects} if self.projects else {}
        match |= {"task": self.tasks} if self.tasks else {}
        return FilterChain((SessionFilter(match=match),)) if match else FilterChain()


@dataclass(frozen=True)
class ModelUse:
    """One model in one role: its sessions, their mean reward, and the last reward within the windows."""

    role: str
    model: str
    sessions: int
    reward_mean: float | None
    latest: float | None


@dataclass(frozen=True)
class Latest:
    """One of the last sessions, and how many events of each role its trajectory has; None where it was not read."""

    point: Point
    events: Mapping[str, int] | None


@dataclass(frozen=True)
class KeySummary:
    """Everything that a learning report says of one key.

    Attributes:
        key: The learning key.
        slug: What its files are called.
        sessions: Sessions that fit the filters.
        outcomes: How they ended.
        reward_mean: Mean of their rewards.
        events: Steps of all their trajectories, as counted when they were recorded.
        momentum: The last sessions against those before.
        curve: Tasks solved within so many trials.
        modes: Sessions by execution mode, in the recent window and in ``all``.
        reviews: Sessions by review status, likewise.
        models: Models by role.
        discoveries: Discovery runs of the tasks in the windows.
        latest: The recent window, newest first.
        version: Of the playbook; 0 where there is none.
        entries: Every entry of the playbook as it is.
        quality: What the rubric said of the latest batch.
        lifecycle: Entries by category and lifecycle.
        rejected: Entries that the latest batch had rejected.
        impacts: What each entry changed, highest first.
        usage: Use of the whole playbook.
        usage_source: ``trajectories`` or ``recorded``.
        tasks: Figures by task, for comparisons; empty beyond 5 000 tasks.
        notes: What a reader must know.
    """

    key: str
    slug: str
    sessions: int
    outcomes: Mapping[str, int]
    reward_mean: float | None
    events: int
    momentum: Momentum
    curve: Curve | None
    modes: Mapping[str, Mapping[str, int]]
    reviews: Mapping[str, Mapping[str, int]]
    models: tuple[ModelUse, ...]
    discoveries: tuple[Point, ...]
    latest: tuple[Latest, ...]
    version: int
    entries: tuple[Entry, ...]
    quality: Quality | None
    lifecycle: Mapping[str, Mapping[str, int]]
    rejected: tuple[str, ...]
    impacts: tuple[Impact, ...]
    usage: Totals
    usage_source: str
    tasks: tuple[TaskCell, ...]
    notes: tuple[str, ...] = ()
    control: Contrast | None = None
    control_key: str = ""


@dataclass(frozen=True)
class Counted:
    """What the database has counted of one key."""

    key: str
    cells: tuple[Cell, ...]
    tasks: tuple[TaskCell, ...]
    points: tuple[Point, ...]
    recorded: tuple[Any, ...]
    discoveries: tuple[Point, ...]


def summarise(
    store: SessionStore, books: PlaybookStore, asked: Asked, labels: Mapping[str, Category] | None = None
) -> tuple[KeySummary, ...]:
    """The summaries of the keys that are asked for, in their order; ``labels`` overrides categories of entries.

    The sessions of all keys are looked for once; what is left of a key is done ``batch`` at a time.
    """
    clauses = store.clauses(asked.chain)
    found: tuple[Thread, ...] = ()
    if not asked.keys:
        found = store.read(threads(clauses, asked.limit))
    keys = asked.keys or tuple(thread.key for thread in found)
    if not keys:
        return ()
    size = max(asked.recent, asked.baseline) if asked.overlapping else asked.recent + asked.baseline
    told = store.read(figures(clauses, keys, points=size, uses=MOST_USAGE if asked.summary_only else 0))
    seen = {point.task for key in keys for point in told.points[key]}
    runs = store.read(discoveries((), sorted(seen), asked.discoveries)) if asked.discoveries else ()
    counted: list[Counted] = []
    for key in keys:
        tasks = {point.task for point in told.points[key]}
        counted.append(
            Counted(
                key,
                tuple(cell for cell in told.cells if cell.key == key),
                tuple(task for task in told.tasks if task.key == key),
                tuple(told.points[key]),
                tuple(told.used[key]),
                tuple(run for run in runs if run.task in tasks)[: asked.discoveries],
            )
        )
    with ThreadPoolExecutor(asked.batch, thread_name_prefix="learning") as pool:
        return tuple(pool.map(lambda one: _summary(store, books.read(one.key), asked, one, labels or {}), counted))


def _summary(
    store: SessionStore, known: Playbook, asked: Asked, counted: Counted, labels: Mapping[str, Category]
) -> KeySummary:
    cells_, points = counted.cells, counted.points
    recent = points[-asked.recent :]
    usages, events, source, notes = _used(store, known, asked, counted)
    rewarded = sum(cell.rewarded for cell in cells_)
    batch = next((revision for revision in reversed(known.revisions) if revision.quality is not None), None)
    learned = curve(counted.tasks)
    if learned is not None and learned.stops:
        notes.append(
            "tasks that were solved are not tried again, so that later sessions are of harder tasks and their rewards "
            "fall while nothing gets worse: read the tasks solved within so many trials instead of the momentum"
        )
    return KeySummary(
        key=counted.key,
        slug=slug(counted.key),
        sessions=sum(cell.sessions for cell in cells_),
        outcomes=_counted(cells_, lambda cell: cell.outcome.value),
        reward_mean=sum(cell.rewards for cell in cells_) / rewarded if rewarded else None,
        events=sum(cell.events for cell in cells_),
        momentum=momentum(points, asked.recent, asked.baseline, overlapping=asked.overlapping),
        curve=learned,
        modes={"recent": Counter(one.mode for one in recent), "all": _counted(cells_, lambda cell: cell.mode)},
        reviews={"recent": Counter(one.review for one in recent), "all": _counted(cells_, lambda cell: cell.review)},
        models=_models(cells_, points),
        discoveries=counted.discoveries,
        latest=tuple(Latest(one, events.get(one.id)) for one in reversed(recent)),
        version=known.version,
        entries=tuple(known.entries.values()),
        quality=batch.quality if batch else None,
        lifecycle=_lifecycle(known, labels),
        rejected=tuple(
            change.entry.id
            for change in (batch.changes if batch else ())
            if change.entry.lifecycle is Lifecycle.REJECTED
        ),
        impacts=impacts(usages),
        usage=totals(usages),
        usage_source=source,
        tasks=counted.tasks if len(counted.tasks) <= MOST_TASKS else (),
        notes=tuple(notes),
    )


def _used(
    store: SessionStore, known: Playbook, asked: Asked, counted: Counted
) -> tuple[list[SessionUsage], dict[str, Counter[str]], str, list[str]]:
    """How entries were used, events of sessions by role, where that comes from, and what is to be said about it."""
    usages: list[SessionUsage] = []
    if asked.summary_only:
        texts = counted.recorded
        broken = 0
        for text in texts:
            try:
                usages.append(from_json(SessionUsage, text if isinstance(text, str) else to_json(text)))
            except ValidationError:
                broken += 1
        notes = [f"{broken} sessions have a learning_usage that cannot be read; left out"] if broken else []
        if len(texts) == MOST_USAGE:
            notes.append(f"usage and impact are of the {MOST_USAGE:,} newest sessions that recorded any")
        return usages, {}, "recorded", notes
    chain = asked.chain.where(**{f"tags.{KEY}": counted.key}).last(asked.trajectories)
    events: dict[str, Counter[str]] = {}
    without = 0
    for session in store.sessions(chain, trajectories=True):
        if session.trajectory is None:
            without += 1
            continue
        events[session.id] = Counter(step.role for step in session.trajectory)
        usages.append(session_usage(in_force(known, session), session))
    left = (
        f"{without} of the last {without + len(usages)} sessions have no trajectory: nobody can tell what fired there"
    )
    return usages, events, "trajectories", [left] if without and known.entries else []


def _counted(found: Sequence[Cell], by: Callable[[Cell], str]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for cell in found:
        counts[by(cell)] += cell.sessions
    return dict(sorted(counts.items()))


def _models(found: Sequence[Cell], points: Sequence[Point]) -> tuple[ModelUse, ...]:
    uses: list[ModelUse] = []
    for role in ROLES:
        for model in sorted({cell.models[role] for cell in found if role in cell.models}):
            its = [cell for cell in found if cell.models.get(role) == model]
            rewarded = sum(cell.rewarded for cell in its)
            mean = sum(cell.rewards for cell in its) / rewarded if rewarded else None
            last = next((one.reward for one in reversed(points) if one.models.get(role) == model), None)
            uses.append(ModelUse(role, model, sum(cell.sessions for cell in its), mean, last))
    return tuple(uses)


def _lifecycle(known: Playbook, labels: Mapping[str, Category]) -> dict[str, dict[str, int]]:
    """Entries by category, where a label counts more than the entry's own, and by lifecycle."""
    counts = {category.value: dict.fromkeys((one.value for one in Lifecycle), 0) for category in Category}
    for name, entry in known.entries.items():
        counts[labels.get(name, entry.scope.category).value][entry.lifecycle.value] += 1
    return counts
