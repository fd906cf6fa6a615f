"""Which prompt is in use: the one notion that every command on prompts in production shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.candidate import ProgramPrompts
from core.errors import StoreError
from core.optimization import Optimization
from core.verdict import Decision, Evidence
from programs.prompts import read_prompts, schema_hash
from tasks.task import Task
from tracking.champions import Champion
from tracking.events import EventKind
from tracking.store import OUTCOMES, Store

Source = Literal["champion", "best proven", "seed", "run"]
"""Where a prompt is taken from; ``run`` where a person has named one."""


@dataclass(frozen=True)
class Current:
    """A prompt and where it is taken from.

    Attributes:
        source: The kind of place.
        prompts: The prompt.
        run_id: The run that found it; None for the seed.
        why: The same in words, for people.
        champion: The entry in the list of champions, where it is one; a seed that was rolled back to has one as well.
    """

    source: Source
    prompts: ProgramPrompts
    run_id: str | None
    why: str
    champion: Champion | None = None


@dataclass(frozen=True)
class Contender:
    """A run whose prompt the gate promoted, with the evidence for it."""

    outcome: Optimization
    evidence: Evidence

    @property
    def lift(self) -> float:
        """What the lift is worth after the selection that a proof is, or the least of it where no more is known."""
        known = (self.evidence.delta_adjusted, self.evidence.adjusted_low, self.evidence.low, self.evidence.delta)
        return next(value for value in known if value is not None)

    @property
    def score(self) -> float:
        """The proven score on the holdout: that of the prompt which had to be beaten, plus the adjusted lift.

        Lifts over different prompts are thereby on one scale: a run that had to beat an earlier winner has a small lift
        and a high score.
        """
        return self.evidence.baseline + self.lift

    def comparable(self, other: Contender) -> bool:
        """Whether both scores are of the same rows, by the same student and metric."""
        return _conditions(self.outcome) == _conditions(other.outcome)


@dataclass(frozen=True)
class Contenders:
    """The runs whose prompts may be taken into production.

    Attributes:
        ranked: Comparable with each other, the best proven first.
        others: Promoted too, but on other rows, by another student or another metric; newest first.
        unreadable: Runs that claim a promotion, but whose record cannot be read any more.
    """

    ranked: tuple[Contender, ...]
    others: tuple[Contender, ...] = ()
    unreadable: tuple[str, ...] = ()


def contenders(store: Store, task: Task) -> Contenders:
    """Every promoted run of the task's fields, the best proven first.

    What counts as proven is a PROMOTE on the task's present rows. Of these, runs are compared that had the same
    holdout, student and metric: the task's own where there are such runs, else those of the newest. Order: the proven
    score (see :attr:`Contender.score`), then the lower bound of the adjusted lift, then the later start.
    """
    found: list[Contender] = []
    unreadable: list[str] = []
    for summary in store.runs(task.name, kinds=OUTCOMES):
        if summary.verdict != Decision.PROMOTE or summary.state != "finished":
            continue
        try:
            outcome = store.optimization(summary.run_id)
        except StoreError:
            unreadable.append(summary.run_id)
            continue
        contender = contender_of(outcome)
        if contender is not None and outcome.schema_hash == schema_hash(task.program):
            found.append(contender)
    here = [c for c in found if c.outcome.splits.fingerprint == task.splits.info.fingerprint]
    own = (task.splits.info.holdout_fingerprint, task.models["student"].alias, task.metric.name)
    first = next((c for c in here if _conditions(c.outcome) == own), here[0] if here else None)
    same = [c for c in here if first is not None and c.comparable(first)]
    ranked = sorted(same, key=lambda c: (c.score, c.evidence.adjusted_low or 0.0, c.outcome.started_at), reverse=True)
    return Contenders(tuple(ranked), tuple(c for c in found if c not in same), tuple(unreadable))


def contender_of(outcome: Optimization) -> Contender | None:
    """The run as a contender; None where the gate did not promote its prompt."""
    evidence = outcome.verdict.evidence
    if outcome.verdict.decision is not Decision.PROMOTE or evidence is None:
        return None
    return Contender(outcome, evidence)


def current_prompt(store: Store, task: Task) -> Current:
    """The prompt in use: the champion; without one, the best proven run's (:func:`contenders`); else the seed.

    A task that was rolled back to its seed uses the seed, whatever has been proven.
    """
    champion = store.champion(task.name)
    if champion is not None and champion.seed:
        why = f"the seed, to which it was rolled back at {champion.at}"
        return Current("seed", read_prompts(task.program), None, why, champion)
    if champion is not None:
        how = "promoted" if champion.action == EventKind.PROMOTED else "returned to"
        forced = ", by force" if champion.forced else ""
        why = f"the champion, run {champion.run_id}, {how} at {champion.at}{forced}"
        return Current("champion", champion.prompts, champion.run_id, why, champion)
    rivals = contenders(store, task)
    if rivals.ranked:
        best = rivals.ranked[0].outcome
        why = f"the best proven run, {best.run_id}, of {len(rivals.ranked)}; there is no champion"
        return Current("best proven", best.winner, best.run_id, why)
    return Current("seed", read_prompts(task.program), None, f"the seed: {_nothing_proven(rivals)}")


def downgrade(new: Optimization, old: Optimization) -> str | None:
    """Why a run's prompt would be a step back from the one in production; None where nothing says so.

    It is one if either run has proven that the other prompt is better, or if both are proven on the same rows, by the
    same student and metric, and the new one has the lower proven score. A run that had to beat the prompt in production
    itself, and did, is none.
    """
    if new.winner.hash == old.winner.hash:
        return None
    now, before = contender_of(new), contender_of(old)
    if before is not None and old.baseline.hash == new.winner.hash:
        return f"run {old.run_id} had to beat this very prompt, and did by {before.evidence.delta:+.3f}"
    if new.baseline.hash == old.winner.hash:
        evidence = new.verdict.evidence
        worse = evidence is not None and evidence.high is not None and evidence.high < 0
        return f"run {new.run_id} shows that it is worse, by {evidence.delta:+.3f}" if evidence and worse else None
    if now is None or before is None or not now.comparable(before) or now.score >= before.score:
        return None
    return f"its proven score is {now.score:.3f}, the champion's {before.score:.3f} on the same rows"


def _conditions(outcome: Optimization) -> tuple[str, str | None, str | None]:
    return outcome.splits.holdout_fingerprint, outcome.params.get("student"), outcome.params.get("metric")


def _nothing_proven(rivals: Contenders) -> str:
    if rivals.others:
        newest = rivals.others[0].outcome.run_id
        return f"nothing is proven on the present rows; on others: {newest}"
    if rivals.unreadable:
        return f"the record of {rivals.unreadable[0]} cannot be read any more, and nothing else is proven"
    return "nothing better is proven"
