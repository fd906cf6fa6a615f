"""How the experimenting itself goes: computed from recorded experiments alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.experiment import Experiment
from tracking.events import EventKind
from tracking.store import RunSummary, Store

WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class Kpi:
    """One figure: its value, what it is to be, and what it was computed from.

    ``value`` is None where nothing was recorded that it could be computed from; ``met`` then is None as well.
    """

    name: str
    value: float | None
    target: str
    met: bool | None
    meaning: str
    n: int


def kpis(store: Store, now: dt.datetime | None = None) -> tuple[Kpi, ...]:
    """The figures of a workspace.

    - velocity: experiments decided in the last seven days; replays are not counted.
    - saved: share of the sessions of the fixed designs that sequential ones did not need, over all decided ones.
    - autonomy: share of finished experiments with a decision; one without leaves the choice to a person.
    - pivots: experiments of the last seven days that were given up - ended early and not continued - after their first
      pair.
    - blocking: share of the time from the start to the end of experiments in which none worked on them: they were
      interrupted, waiting for somebody to go on.
    """
    moment = now or dt.datetime.now(dt.UTC)
    runs = [(run, _outcome(store, run)) for run in store.runs(kinds=("experiment",))]
    decided = [done for _, done in runs if done is not None and not done.replayed]
    week = [d for r, d in runs if d is not None and not d.replayed and r.finished_at and _within(r.finished_at, moment)]
    fixed, taken = sum(d.fixed_n for d in decided), sum(d.pairs for d in decided)
    conclusive = sum(d.decision != "no decision" for d in decided)
    idle = [run for run, done in runs if done is None and not store.alive(run)]
    given_up = [r for r in idle if _within(r.started_at, moment) and store.has(r.run_id, EventKind.PAIR)]
    waited, whole = _waiting(store, [run for run, done in runs if done is not None and not done.replayed])
    saved = 1 - taken / fixed if fixed else None
    autonomy = conclusive / len(decided) if decided else None
    blocking = waited / whole if whole else None
    return (
        Kpi("velocity", float(len(week)), "> 5 a week", len(week) > 5, "experiments decided in seven days", len(week)),
        Kpi("saved", saved, "30 % to 50 %", None if saved is None else saved >= 0.3,
            "sessions not needed, of those of the fixed designs", len(decided)),
        Kpi("autonomy", autonomy, "> 80 %", None if autonomy is None else autonomy > 0.8,
            "experiments that came to a decision by themselves", len(decided)),
        Kpi("pivots", float(len(given_up)), "< 2 a week", len(given_up) < 2,
            "experiments of seven days given up after their first pair", len(runs)),
        Kpi("blocking", blocking, "< 10 %", None if blocking is None else blocking < 0.1,
            "share of their time in which experiments waited to be continued", len(decided)),
    )  # fmt: skip


def _outcome(store: Store, run: RunSummary) -> Experiment | None:
    from core.plain import from_json

    event = store.last(run.run_id, EventKind.EXPERIMENT)
    return None if event is None else from_json(Experiment, event.payload)


def _within(at: str, now: dt.datetime) -> bool:
    return now - _moment(at) <= WEEK


def _moment(at: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(at)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _waiting(store: Store, runs: Sequence[RunSummary]) -> tuple[float, float]:
    """Seconds in which experiments waited to be continued, and seconds from start to end."""
    waited = whole = 0.0
    for run in runs:
        events = store.events(run.run_id)
        whole += (_moment(events[-1].at) - _moment(events[0].at)).total_seconds()
        for before, event in pairwise(events):
            if event.kind == EventKind.CONTINUED:
                waited += (_moment(event.at) - _moment(before.at)).total_seconds()
    return waited, whole
