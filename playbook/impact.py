"""What entries change: whether they are followed, whether it helps, and whether it helps elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from playbook.gain import means_contrast
from playbook.usage import SessionUsage, Use

REINFORCED = 0.6
"""Adoption above this, sustained, says that an entry is worth keeping."""
LEVELS = ((10, "universal"), (5, "workflow"), (2, "domain"), (0, "task"))


@dataclass(frozen=True)
class Matched:
    """Rewards where an entry fired against where it did not, on the same tasks: each task counts once.

    The tasks are no longer mixed up with the entry, as they are in a plain difference: an entry that fires on hard
    tasks only looks harmful. Who decides whether it fires is still the session and not chance, so that only a trial
    that switches the entry on and off tells what it causes.

    Attributes:
        tasks: Tasks with sessions of both kinds.
        delta: Mean difference, with minus without; None of no task.
        low: Lower end of its 95 % interval (Hall's); None at fewer than six tasks or without spread.
        high: Upper end.
        p: Two-sided, by sign flips; 1 at fewer than six tasks.
    """

    tasks: int
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    p: float = 1.0


@dataclass(frozen=True)
class Impact:
    """What one entry changed, over the sessions that it was looked for in; None where nobody can know.

    Attributes:
        entry_id: The entry.
        sessions: Sessions that it was looked for in.
        fired: Those that it fired in.
        hits: Cues found.
        adoptions: Calls of its handle.
        successes: Those without an error.
        adoption_rate: Hits with a successful call after them, over hits.
        hit_rate: Sessions that it fired in, over sessions.
        reward_with: Mean reward where it fired.
        reward_without: Mean reward where it did not.
        reward_delta: Their difference.
        token_delta: Mean tokens where it fired less those where it did not; negative is cheaper.
        tasks: Tasks that it fired on, sorted.
        retries: Mean retries where it fired.
        failure_events: Errors where it fired.
        impact: Adoption rate times reward delta.
        matched: The contrast by task.
    """

    entry_id: str
    sessions: int
    fired: int
    hits: int
    adoptions: int
    successes: int
    adoption_rate: float | None
    hit_rate: float | None
    reward_with: float | None
    reward_without: float | None
    reward_delta: float | None
    token_delta: float | None
    tasks: tuple[str, ...]
    retries: float | None
    failure_events: int
    impact: float | None
    matched: Matched

    @property
    def transfers(self) -> bool:
        """Whether it fired on two tasks or more."""
        return len(self.tasks) >= 2

    @property
    def level(self) -> str:
        """How far it reaches: ``task``, ``domain`` (2 tasks), ``workflow`` (5) or ``universal`` (10)."""
        return next(name for fewest, name in LEVELS if len(self.tasks) >= fewest)

    @property
    def reinforced(self) -> bool:
        """Whether more than 60 % of its hits are followed."""
        return self.adoption_rate is not None and self.adoption_rate > REINFORCED

    @property
    def audit(self) -> bool:
        """Whether its impact is negative: look at these first."""
        return self.impact is not None and self.impact < 0


@dataclass(frozen=True)
class Totals:
    """Use of a whole playbook: ``success_rate`` is of adoptions, ``cue_trigger_rate`` of sessions.

    ``adoption_rate`` is hits that were followed over hits. Means and deltas compare sessions that any cue was found in
    with the others, among those that have a reward.
    """

    sessions: int
    triggered: int
    hits: int
    adoptions: int
    successes: int
    cue_trigger_rate: float | None
    success_rate: float | None
    adoption_rate: float | None
    reward_with: float | None
    reward_without: float | None
    reward_delta: float | None
    tokens_with: float | None
    tokens_without: float | None
    token_delta: float | None


def impact_of(entry_id: str, usages: Iterable[SessionUsage], *, seed: int = 1337) -> Impact:
    """What an entry changed, over the sessions that it was looked for in.

    Reward and token deltas compare all sessions, as they came: an observation, not an effect; see :class:`Matched`.
    """
    seen = [(usage, use) for usage in usages if (use := usage.of(entry_id)) is not None]
    fired = [usage for usage, use in seen if use.fired]
    others = [usage for usage, use in seen if not use.fired]
    uses = [use for _, use in seen]
    hits = sum(use.hits for use in uses)
    adoption = _ratio(sum(use.followed for use in uses), hits)
    with_it, without = _mean(_rewards(fired)), _mean(_rewards(others))
    delta = _less(with_it, without)
    return Impact(
        entry_id, len(seen), len(fired), hits, sum(use.adoptions for use in uses), sum(use.successes for use in uses),
        adoption, _ratio(len(fired), len(seen)), with_it, without, delta,
        _less(_mean(_tokens(fired)), _mean(_tokens(others))), tuple(sorted({usage.task for usage in fired})),
        _mean([usage.retries for usage in fired if usage.retries is not None]),
        sum(usage.failure_events for usage in fired),
        None if adoption is None or delta is None else adoption * delta, _matched(fired, others, seed),
    )  # fmt: skip


def impacts(usages: Sequence[SessionUsage], *, seed: int = 1337) -> tuple[Impact, ...]:
    """The impact of every entry that was looked for: highest first, unknown last, then by reward delta and id."""
    names = dict.fromkeys(use.entry_id for usage in usages for use in usage.uses)
    found = [impact_of(name, usages, seed=seed) for name in names]
    return tuple(sorted(found, key=lambda one: (*_highest(one.impact), *_highest(one.reward_delta), one.entry_id)))


def totals(usages: Sequence[SessionUsage]) -> Totals:
    """Use of all entries together."""
    uses: list[Use] = [use for usage in usages for use in usage.uses]
    hit = [usage for usage in usages if any(use.hits for use in usage.uses)]
    names = {usage.session_id for usage in hit}
    scored = [usage for usage in usages if usage.reward is not None]
    with_it = [usage for usage in scored if usage.session_id in names]
    without = [usage for usage in scored if usage.session_id not in names]
    hits, adoptions = sum(use.hits for use in uses), sum(use.adoptions for use in uses)
    successes, followed = sum(use.successes for use in uses), sum(use.followed for use in uses)
    rewards, tokens = (_mean(_rewards(with_it)), _mean(_rewards(without))), (_tokens(with_it), _tokens(without))
    spent = (_mean(tokens[0]), _mean(tokens[1]))
    return Totals(
        len(usages), len(hit), hits, adoptions, successes, _ratio(len(hit), len(usages)), _ratio(successes, adoptions),
        _ratio(followed, hits), *rewards, _less(*rewards), *spent, _less(*spent),
    )  # fmt: skip


def _matched(fired: Sequence[SessionUsage], others: Sequence[SessionUsage], seed: int) -> Matched:
    with_it, without = _by_task(fired), _by_task(others)
    tasks = sorted(set(with_it) & set(without))
    sides = ([fmean(side[task]) for task in tasks] for side in (without, with_it))
    found = means_contrast("mean reward", *sides, seed=seed)
    return Matched(found.tasks, found.delta, found.low, found.high, found.p)


def _by_task(usages: Sequence[SessionUsage]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for usage in usages:
        if usage.reward is not None:
            found[usage.task].append(usage.reward)
    return found


def _rewards(usages: Sequence[SessionUsage]) -> list[float]:
    return [usage.reward for usage in usages if usage.reward is not None]


def _tokens(usages: Sequence[SessionUsage]) -> list[int]:
    return [usage.tokens for usage in usages if usage.tokens is not None]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _highest(value: float | None) -> tuple[bool, float]:
    return (value is None, 0.0 if value is None else -value)
