"""Where entries fire and whether they are followed, session by session."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.errors import DataError
from core.patterns import SlowPatternError
from core.plain import to_json
from playbook.book import Playbook
from playbook.cues import Found, find_cue
from playbook.entry import Entry
from playbook.learning import UsageSection
from sessions.learning import reward_of
from sessions.record import Session, Step


@dataclass(frozen=True)
class Use:
    """How one entry was used in one session.

    Attributes:
        entry_id: The entry.
        hits: Steps that the cue was found in.
        adoptions: Calls of the entry's handle.
        successes: Those without an error.
        followed: Hits with a successful call after them, each call counted for one hit: never more than hits.
        steps: Places of the steps with a hit or an adoption.
        snippets: Texts around the first hits.
        undecided: Steps whose text the cue took too long on, so that nobody knows.
    """

    entry_id: str
    hits: int = 0
    adoptions: int = 0
    successes: int = 0
    followed: int = 0
    steps: tuple[int, ...] = ()
    snippets: tuple[str, ...] = ()
    undecided: int = 0

    @property
    def failures(self) -> int:
        """Adoptions that ended in an error."""
        return self.adoptions - self.successes

    @property
    def fired(self) -> bool:
        """Whether the cue was found or the handle was called."""
        return self.hits > 0 or self.adoptions > 0


@dataclass(frozen=True)
class SessionUsage:
    """How entries were used in one session, beside what came of it.

    Attributes:
        session_id: The session.
        task: Its task.
        reward: What it was worth; None where the agent's work was not judged.
        tokens: Tokens, where known.
        retries: How often it was tried again (``retry_count`` of its metadata), where known.
        failure_events: Errors that were recorded.
        uses: One for every entry that was looked for, fired or not.
    """

    session_id: str
    task: str
    reward: float | None
    tokens: int | None
    retries: int | None
    failure_events: int
    uses: tuple[Use, ...]

    def of(self, entry_id: str) -> Use | None:
        """The use of one entry; None where it was not looked for."""
        return next((use for use in self.uses if use.entry_id == entry_id), None)


def in_force(known: Playbook, session: Session) -> tuple[Entry, ...]:
    """The active entries that the session's agent is told: a teacher's (``tags.audience``) or, unsaid, a student's."""
    return known.active(session.tags.get("audience", "student"))


def session_usage(entries: Sequence[Entry], session: Session, settings: UsageSection | None = None) -> SessionUsage:
    """Look for the cues and handles of entries in a session.

    Pass the entries that were in force for the session's agent, and no others: one that nobody was shown cannot be
    followed.

    Raises:
        DataError: If the session was loaded without its trajectory.
    """
    if session.trajectory is None:
        raise DataError(
            f"session {session.id}: its trajectory was not loaded, so nobody can tell what fired",
            hint="read sessions with their trajectories",
        )
    given = settings or UsageSection()
    retries = session.metadata.get("retry_count")
    return SessionUsage(
        session.id, session.task, reward_of(session), session.tokens,
        retries if isinstance(retries, int) and not isinstance(retries, bool) else None, len(session.errors),
        tuple(use_of(entry, session.trajectory, given.examples) for entry in entries) if given.enabled else (),
    )  # fmt: skip


def use_of(entry: Entry, trajectory: Sequence[Step], examples: int = 3) -> Use:
    """How one entry was used along a trajectory.

    Within a step what is said comes before the call, and what the tool gives back after it: a cue in a result can only
    be followed by a later call. A step counts as one hit however often the cue is in it; a step whose cue took too long
    to find is counted in ``undecided``.
    """
    use, waiting = Use(entry.id), 0
    for place, step in enumerate(trajectory):
        said, slow_said = _looked_for(entry, step.text)
        adopted = bool(entry.action.handle) and step.tool == entry.action.handle
        worked = adopted and not step.error
        waiting += said is not None
        follows = worked and waiting > 0
        waiting -= follows
        given, slow_given = (None, False) if said is not None else _looked_for(entry, step.result)
        waiting += given is not None
        found = said or given
        use = replace(
            use,
            hits=use.hits + (found is not None),
            adoptions=use.adoptions + adopted,
            successes=use.successes + worked,
            followed=use.followed + follows,
            steps=(*use.steps, place) if found is not None or adopted else use.steps,
            snippets=(*use.snippets, found.snippet)[:examples] if found is not None else use.snippets,
            undecided=use.undecided + (slow_said or slow_given),
        )
    return use


def _looked_for(entry: Entry, text: str) -> tuple[Found | None, bool]:
    """Where the cue is, and whether looking took too long."""
    try:
        return find_cue(entry.cue, text), False
    except SlowPatternError:
        return None, True


def with_usage(session: Session, usage: SessionUsage) -> Session:
    """The session with its usage in its metadata, under ``learning_usage.session``."""
    return replace(session, metadata={**session.metadata, "learning_usage": {"session": json.loads(to_json(usage))}})
