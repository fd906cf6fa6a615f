"""Pairs for a matrix of transfer: the sessions of trials, and sessions of prompts that say where they were tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.errors import UsageError
from core.patterns import groups_of, pattern_problem, search
from experiments.trial import INJECTED
from playbook.book import Playbook
from playbook.transfer import Pair
from sessions.learning import reward_of
from sessions.record import Session

LEARNED_ON = "learned_on"
"""Tag of sessions whose prompt or entries were tuned on one group: the group's name."""
LONGEST = 2_000
"""Characters of a field that a pattern is looked for in."""
Group = Callable[[Session], str]


@dataclass(frozen=True)
class Found:
    """Pairs of sessions, and how many sessions had no partner, no source or no outcome."""

    pairs: tuple[Pair, ...]
    alone: int


def grouping(by: str, pattern: str | None) -> Group:
    """The group of a session: a field of it, or the first group of a pattern over that field.

    Raises:
        UsageError: If there is no such field, or the pattern is none, or has no group.
    """
    if by not in ("task", "task_code", "model", "experiment", "split"):
        raise UsageError(f"--by: received {by!r}; allowed: task, task_code, model, experiment, split")
    if pattern is None:
        return lambda session: str(getattr(session, by))
    if problem := pattern_problem(pattern):
        raise UsageError(f"--pattern: {pattern!r} {problem}")
    if not groups_of(pattern):
        raise UsageError(f"--pattern: {pattern!r} has no group; write what names the kind in (...)")

    def group(session: Session) -> str:
        match = search(pattern, str(getattr(session, by))[:LONGEST])
        return match[1] or "" if match else ""

    return group


def trial_pairs(sessions: Iterable[Session], known: Playbook, origins: Mapping[str, Session], group: Group) -> Found:
    """Pairs of trials: an entry's source is the group of the session that it was learned from.

    Args:
        sessions: Sessions of trials.
        known: The playbook.
        origins: Sessions by id, for the entries' provenance.
        group: What the matrix is made by.
    """
    sources = {
        name: group(origins[entry.provenance.session_id])
        for name, entry in known.entries.items()
        if entry.provenance.session_id in origins
    }
    arms: dict[tuple[str, str, int, str], dict[str, Session]] = {}
    alone = 0
    for session in sessions:
        entry, injected = session.tags.get("entry", ""), session.tags.get(INJECTED, "")
        if not sources.get(entry) or injected not in ("on", "off") or not group(session):
            alone += 1
            continue
        arms.setdefault((entry, session.task, session.trial, session.model), {})[injected] = session
    pairs: list[Pair] = []
    for (entry, task, _, _), its in arms.items():
        found = _pair(sources[entry], group, task, its.get("off"), its.get("on"))
        alone += len(its) if found is None else 0
        pairs += [found] if found else []
    return Found(tuple(pairs), alone)


def tagged_pairs(sessions: Sequence[Session], group: Group) -> Found:
    """Pairs of sessions that carry ``tags.learned_on`` with those of the same task, trial and model that do not."""
    plain = {(one.task, one.trial, one.model): one for one in sessions if LEARNED_ON not in one.tags}
    tuned = [one for one in sessions if LEARNED_ON in one.tags]
    pairs: list[Pair] = []
    for one in tuned:
        partner = plain.get((one.task, one.trial, one.model))
        found = _pair(one.tags[LEARNED_ON], group, one.task, partner, one)
        pairs += [found] if found else []
    return Found(tuple(pairs), len(tuned) - len(pairs))


def _pair(source: str, group: Group, task: str, without: Session | None, with_it: Session | None) -> Pair | None:
    if without is None or with_it is None or not group(with_it):
        return None
    one, other = reward_of(without), reward_of(with_it)
    return None if one is None or other is None else Pair(source, group(with_it), task, one, other)
