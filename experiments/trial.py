"""A trial of one playbook entry: agents that are told it against agents that are not, decided by a sequential test."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from core.errors import UsageError
from core.experiment import Experiment, PairResult
from core.plain import from_json
from core.workspace import Workspace
from experiments.config import ExperimentConfig
from experiments.sequential import Request
from playbook.book import Change, Playbook, PlaybookStore
from playbook.entry import Entry, Lifecycle
from playbook.lifecycle import after_trial
from playbook.pamphlet import told
from sessions.learning import KEY
from stats import tango
from tasks.open_run import open_store, redactor
from tracking.events import EventKind

INJECTED = "injected"
"""Tag of a trial's sessions: ``on`` where the agent was told the entry, else ``off``."""


@dataclass(frozen=True)
class Trial:
    """What an entry causes, as a trial saw it.

    Attributes:
        entry_id: The entry.
        useful: What the test decided; None where it did not.
        lifecycle: Of the entry, from now on.
        pairs: Pairs of sessions that the test took.
        wins: Those that only the agent with the entry solved.
        losses: Those that only the agent without it solved.
        effect: Difference of the shares solved, with less without. A test that stops when it is sure stops oftener on
            favourable chance, so that a trial that was decided early shows too large a difference on average;
            ``--method fixed`` does not.
        low: Lower end of Tango's 95 % interval of it, with the same reservation.
        high: Upper end.
        experiment: The experiment.
    """

    entry_id: str
    useful: bool | None
    lifecycle: Lifecycle
    pairs: int
    wins: int
    losses: int
    effect: float | None
    low: float | None
    high: float | None
    experiment: Experiment


def trial_request(
    base: ExperimentConfig,
    known: Playbook,
    entry: Entry,
    *,
    alone: bool = False,
    method: str = "sprt",
    threads: int = 4,
) -> Request:
    """Two arms that differ in one entry alone; both are told the other active entries, unless it is tried ``alone``.

    Raises:
        UsageError: If the entry was rejected by the gates.
    """
    if entry.lifecycle is Lifecycle.REJECTED:
        raise UsageError(
            f"{entry.id} was rejected: {known.history(entry.id)[-1][1].why}",
            hint="propose it again in words that pass the gates",
        )
    others = [] if alone else [told(one) for one in known.active(entry.audience) if one.id != entry.id]
    short = entry.id.removeprefix("playbook-entry-")
    arms = [
        base.model_copy(
            update={
                "experiment_id": name,
                "guidelines": (*base.guidelines, *others, *added),
                "tags": {**base.tags, KEY: known.key, "entry": entry.id, INJECTED: injected},
            }
        )
        for name, added, injected in (
            (f"{base.experiment_id}-without-{short}", (), "off"),
            (f"{base.experiment_id}-with-{short}", (told(entry),), "on"),
        )
    ]
    return Request(arms[0], arms[1], method, threads=threads)


def conclude(
    place: Workspace, books: PlaybookStore, known: Playbook, entry: Entry, done: Experiment, worth: float
) -> Trial:
    """Write the decision into the playbook, once for each run: a useful entry is in force, a useless one is not.

    Only the sequential test of Wald rejects because a gain of ``worth`` would have shown; where another test has found
    nothing, an entry is useless if the interval excludes that gain, and else undecided.
    """
    wins, losses = _pairs(place, done.run_id)
    interval = tango(wins, losses, done.pairs) if done.pairs else None
    useful = {"accept": True, "reject": False}.get(done.decision)
    if useful is False and done.method != "sprt" and (interval is None or interval.high >= worth):
        useful = None
    rates = [f"{arm.successes} of {arm.sessions}" for arm in (done.control, done.test)]
    why = (
        f"trial {done.run_id} ({done.method}): {done.decision} after {done.pairs} pairs, {wins} won and {losses} lost; "
        f"solved without it {rates[0]}, with it {rates[1]}"
    )

    def decide(known: Playbook) -> tuple[tuple[Change, ...], None]:
        noted = any(done.run_id in change.why for _, change in known.history(entry.id))
        return (() if noted else after_trial(known, entry, useful=useful, why=why)), None

    after = books.revise(known.key, "tried", decide)
    lifecycle, effect = after.entries[entry.id].lifecycle, (wins - losses) / done.pairs if done.pairs else None
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Trial(entry.id, useful, lifecycle, done.pairs, wins, losses, effect, low, high, done)


def _pairs(place: Workspace, run_id: str) -> tuple[int, int]:
    """Pairs that were won and lost."""
    with contextlib.closing(open_store(place, redactor(place))) as store:
        pairs = [from_json(PairResult, event.payload) for event in store.events(run_id, kind=EventKind.PAIR)]
    known = [pair.difference for pair in pairs if pair.difference is not None]
    return sum(one > 0 for one in known), sum(one < 0 for one in known)
