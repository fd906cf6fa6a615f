"""When an entry comes into force and when it leaves it; nothing is removed, and every change says why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from playbook.book import Change, Playbook
from playbook.entry import Entry, Lifecycle, Provenance
from playbook.impact import Impact
from playbook.rubric import Judged

FEWEST_SESSIONS, SESSIONS_TO_TRANSFER = 10, 20
RARE, SAME = 0.05, 0.01
HITS_TO_HARM, HITS_TO_BE_NEUTRAL, ADOPTED = 5, 10, 0.5


def revision(known: Playbook, batch: Sequence[Judged], *, helpful: Collection[str] = ()) -> tuple[Change, ...]:
    """What a synthesis changes.

    An entry that fails a gate is recorded as rejected, and only that one. Those that pass come into force. A known
    entry of the same audience that was not proposed again is deprecated, unless nothing passed, or its measured impact
    is positive: leaving a good lesson out once says nothing against it.

    Args:
        known: The playbook so far.
        batch: What was proposed, judged.
        helpful: Ids of entries whose measured impact is positive.
    """
    entries = known.entries
    changes = [Change(one.entry, one.why) for one in batch if not one.accepted]
    passed = {one.entry.id: one.entry for one in batch if one.accepted}
    for name, entry in passed.items():
        before = entries.get(name)
        if before is None:
            changes.append(Change(entry, "passed the gates"))
        else:
            provenance = _first(before.provenance, entry.provenance)
            changes.append(Change(replace(entry, provenance=provenance), "proposed again"))
    proposed = {one.entry.id for one in batch}
    audiences = {entry.audience for entry in passed.values()}
    changes += [
        Change(replace(entry, lifecycle=Lifecycle.DEPRECATED), "not proposed again")
        for entry in known.active()
        if entry.audience in audiences and entry.id not in proposed and entry.id not in helpful
    ]
    return tuple(changes)


def pruning(known: Playbook, impacts: Mapping[str, Impact]) -> tuple[Change, ...]:
    """Deprecate what use has shown to be no good; see :func:`prune_reason`."""
    found = [(entry, prune_reason(impacts[entry.id])) for entry in known.active() if entry.id in impacts]
    return tuple(Change(replace(entry, lifecycle=Lifecycle.DEPRECATED), why) for entry, why in found if why)


def retirement(known: Playbook, entry: Entry, why: str) -> tuple[Change, ...]:
    """Take an entry out of force by a person's decision; nothing where it is out already."""
    if known.entries[entry.id].lifecycle is not Lifecycle.ACTIVE:
        return ()
    return (Change(replace(entry, lifecycle=Lifecycle.DEPRECATED), why),)


def after_trial(known: Playbook, entry: Entry, *, useful: bool | None, why: str) -> tuple[Change, ...]:
    """What a trial decides: a useful entry is in force, a useless one out of it; undecided, it stays where it is.

    The record has the trial in any case.
    """
    now = known.entries[entry.id]
    lifecycle = now.lifecycle if useful is None else Lifecycle.ACTIVE if useful else Lifecycle.DEPRECATED
    return (Change(replace(now, lifecycle=lifecycle), why),)


def prune_reason(impact: Impact) -> str:
    """Why an entry should leave the playbook; empty where it may stay, or after fewer than ten sessions.

    *too_specific*: it fires in less than 5 % of sessions. *harmful*: at five hits or more, rewards are more than .01
    lower where it fires. *neutral*: at ten hits or more and over half of them followed, rewards are not .01 higher.
    *no_transfer*: after 20 sessions it has fired on one task at most. Rewards of all sessions are compared, not of the
    same tasks: read *harmful* and *neutral* beside the matched contrast.
    """
    if impact.sessions < FEWEST_SESSIONS:
        return ""
    delta = impact.reward_delta
    if impact.hit_rate is not None and impact.hit_rate < RARE:
        return "too_specific"
    if delta is not None and delta < -SAME and impact.hits >= HITS_TO_HARM:
        return "harmful"
    followed = impact.adoption_rate is not None and impact.adoption_rate > ADOPTED
    if delta is not None and delta < SAME and followed and impact.hits >= HITS_TO_BE_NEUTRAL:
        return "neutral"
    if impact.sessions >= SESSIONS_TO_TRANSFER and len(impact.tasks) < 2:
        return "no_transfer"
    return ""


def _first(before: Provenance, now: Provenance) -> Provenance:
    """Where a lesson came from first, with how it is judged now."""
    return replace(before, scores=now.scores, weights=now.weights)
