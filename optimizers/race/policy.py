"""Which prompt to score on which row next, which prompt to reflect on next, and what to believe at the end.

The policy is asked and told: :meth:`Policy.ask` gives a job, :meth:`Policy.tell` takes its result. It sees no clock, no
thread and no model, and draws all its chance from a seed, so that the same results told in the same order give the
same jobs. What it believes is in :class:`stats.edits.EditModel`.

Loop: the seed is scored on a few rows. Then, again and again, the regret of choosing now (what the best of all is
believed to have over the current pick) is held against what one more proposal would bring. A proposal comes from a
parent drawn by Thompson sampling, reflects on train rows on which it is weak, and is screened on those rows. Scores go
to the two that draws call best (Russo, "Simple Bayesian Algorithms for Best Arm Identification", 2016), dev rows
first; a train row counts only for candidates whose lineage never showed it. Edits that are believed to help are
combined, and edits that are believed to harm are taken back, without asking anybody, wherever the texts allow it.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimizers.race.combining import Draft, numbers, total
from optimizers.race.records import Entrant, Pick, Reflect, Score, Tactics
from optimizers.race.texts import Change, Parts, changes
from stats.edits import SEED, Array, Edit, EditModel, Lift

Indices = NDArray[np.intp]
DRAWS = 48
PATIENCE = 20
"""Proposals in a row that bring nothing new, after which nothing more is proposed."""
FEW = 16
"""Candidates before the search may end by itself."""
MENDED = 0.02
"""A row is weak when its score is off by more than this."""
WEAK_SHARE = 0.75
"""Of more rows than the fewest, so many at most are weak; the others show what has to be kept."""


class Policy:
    """The search as questions and answers; see the module."""

    def __init__(self, seed: Parts, train: Sequence[str], dev: Sequence[str], tactics: Tactics) -> None:
        self.tactics, self.train, self.dev = tactics, tuple(train), tuple(dev)
        self.rng = np.random.default_rng(tactics.seed)
        self._train, self._dev = frozenset(train), frozenset(dev)
        dev_order = [self.dev[i] for i in self.rng.permutation(len(dev))]
        self.order = tuple(dev_order + [self.train[i] for i in self.rng.permutation(len(train))])
        self.model = EditModel()
        self.entrants: list[Entrant] = []
        self.spent = self.reflections = self.duplicates = self.empty = 0
        self.ended = ""
        """Why the search ended before its budget, with numbers; empty where it did not."""
        most = min(tactics.most_shown, max(1, math.ceil(2 * len(train) / 3)))
        self._sizes = tuple(tactics.shown * 2**k for k in range(16) if tactics.shown * 2**k <= most) or (most,)
        self.edits: list[Edit] = [SEED]
        self.changes: list[Change | None] = [None]
        """What each edit changes; None for what a combination brings of its own."""
        self._numbers: dict[tuple[str, str, str, int], int] = {}
        self._names: dict[tuple[tuple[str, str], ...], int] = {}
        self._queue: deque[Score] = deque()
        self._by_row: dict[str, dict[int, float]] = {}
        self._waiting = 0
        self._stale = True
        self._over = False
        self._enter(Entrant(dict(seed)))
        self._push(0, self.order[: 2 * tactics.block])
        self._push(0, self.order[len(dev) : len(dev) + 2 * tactics.block])

    # -- what happened

    def tell(self, job: Score | Reflect, result: float | str | None) -> None:
        """Take a result: a score in [0, 1] or the new text of the part; None for a row or a proposal that failed."""
        self._stale = True
        if isinstance(job, Reflect):
            self._waiting -= 1
            assert result is None or isinstance(result, str)
            self._proposed(job, result)
        else:
            assert not isinstance(result, str)
            self._scored(job, result)

    def _proposed(self, job: Reflect, text: str | None) -> None:
        parent = self.entrants[job.parent]
        parts = {**parent.parts, job.part: text} if text is not None else parent.parts
        leaked = parent.leaked | frozenset(job.shown)
        child = Entrant(parts, job.parent, parent.edits, job.part, leaked, job.shown)
        found = self._enter(child)
        self.empty = self.empty + 1 if found is None else 0
        if found is not None:
            child.edits |= self._edited(job, parent, child)
            self._push(found, job.shown)

    def _edited(self, job: Reflect, parent: Entrant, child: Entrant) -> int:
        """The set of edits between two texts; what was changed in the same way before is the same edit."""
        found, bits = changes(job.part, parent.parts[job.part], child.parts[job.part]), 0
        before = Counter(
            (c.part, c.removed, c.added) for e in numbers(parent.edits) if (c := self.changes[e]) is not None
        )
        for change in found:
            name = (change.part, change.removed, change.added)
            before[name] += 1
            number = self._numbers.setdefault((*name, before[name]), len(self.edits))
            if number == len(self.edits):
                doublings = math.log2(max(1.0, len(job.shown) / self._sizes[0]))
                self.edits.append(Edit("reflection", job.parent, 1 / len(found), doublings=doublings))
                self.changes.append(change)
            bits |= 1 << number
        return bits

    def _scored(self, job: Score, score: float | None) -> None:
        entrant = self.entrants[job.candidate]
        entrant.pending.discard(job.row)
        if score is None:
            entrant.failed.add(job.row)
        else:
            entrant.scores[job.row] = score
            self._by_row.setdefault(job.row, {})[job.candidate] = score
            if job.row not in entrant.leaked:
                self.model.add(job.candidate, job.row, score)
                entrant.counted += 1
        if not entrant.live and not any(row in entrant.pending for row in entrant.screening):
            self._screened(entrant)

    def _screened(self, entrant: Entrant) -> None:
        """Note what the screening says, as a foretoken of what the edit does elsewhere."""
        parent = self.entrants[entrant.parent]
        both = [row for row in entrant.screening if row in entrant.scores and row in parent.scores]
        paired = [entrant.scores[row] - parent.scores[row] for row in both]
        entrant.change = sum(paired) / len(paired) if paired else 0.0
        for e in numbers(entrant.edits & ~parent.edits):
            if self.edits[e].screening is None:
                self.edits[e] = replace(self.edits[e], screening=entrant.change)

    def _enter(self, entrant: Entrant) -> int | None:
        """Number a new candidate; None where the same parts are in the race already, which costs nothing."""
        name = tuple(sorted(entrant.parts.items()))
        if name in self._names:
            self.duplicates += 1
            return None
        number = self._names[name] = len(self.entrants)
        self.entrants.append(entrant)
        self._stale = True
        return number

    def _push(self, candidate: int, rows: Sequence[str]) -> bool:
        """Queue rows that are not known yet, as far as the budget goes; whether any was."""
        entrant, before = self.entrants[candidate], self.spent
        for row in rows:
            if entrant.unseen(row) and self.spent < self.tactics.budget:
                entrant.pending.add(row)
                self._queue.append(Score(candidate, row))
                self.spent += 1
        return self.spent > before

    # -- what to do

    def ask(self) -> Score | Reflect | None:
        """The next job; None while nothing can be done before a result comes, or when the race is over."""
        if self._queue:
            return self._queue.popleft()
        if self.spent >= self.tactics.budget or self._over:
            return None
        return self._decide() or (self._queue.popleft() if self._queue else None)

    @property
    def undecided(self) -> bool:
        """Whether the next job takes a decision; else it is one of those that the last decision asked for."""
        return not self._queue

    @property
    def over(self) -> bool:
        """Whether no job will come any more."""
        return not self._queue and not self._waiting and (self._over or self.spent >= self.tactics.budget)

    def _decide(self) -> Reflect | None:
        """Queue scores, or return a reflection."""
        self.fit()
        live = np.array([i for i, e in enumerate(self.entrants) if e.live])
        effects = self.model.draws(self.rng, DRAWS)
        draws = self.model.qualities(effects)
        tops = [int(i) for i in live[draws[:, live].argmax(1)]]
        regret = float(draws[:, live].max(1).mean() - self.model.mean[live].max())
        size, gain = self._best_size()
        open_ = self._may_propose()
        further = gain * self._affordable() if open_ else 0.0
        if max(regret, further) < self.tactics.worth and len(self.entrants) > FEW and not self._waiting:
            return self._end(regret, further)
        if not open_ and self._complete():
            return None
        if open_ and self._settles(regret, tops, size) < self._eagerness() * gain:
            job = self._propose(live, effects, draws, size)
            if job is not None or self._queue:
                return job
        self._evaluate(tops)
        if not self._queue and open_:
            return self._propose(live, effects, draws, size)
        if not self._queue and not self._waiting and not any(e.pending for e in self.entrants):
            self._over = True
            self.ended = self.ended or "every candidate worth it has been scored on every row"
        return None

    def _eagerness(self) -> float:
        """Early proposals have calls left to prove themselves: eagerness falls to a third over the budget."""
        return self.tactics.explore * (0.5 + (self.tactics.budget - self.spent) / self.tactics.budget)

    def _affordable(self) -> float:
        """Proposals that the calls that are left would buy, at what one has cost so far."""
        return (self.tactics.budget - self.spent) * max(1, self.reflections) / max(1, self.spent)

    def _end(self, regret: float, further: float) -> None:
        """Finish: the rows that the answer rests on, and nothing more."""
        if not self._complete():
            self._over = True
            self.ended = (
                f"neither telling the best apart ({100 * regret:.2f} points) nor all further proposals "
                f"({100 * further:.2f}) are expected to bring {100 * self.tactics.worth:.2f}"
            )

    def _may_propose(self) -> bool:
        left = self.tactics.budget - self.spent
        kept = max(self.tactics.closing * self.tactics.budget, min(len(self.dev), self.tactics.budget / 4))
        return left > kept and self.empty < PATIENCE

    def fit(self) -> None:
        """Bring the belief up to date."""
        if self._stale:
            self.model.fit(self.edits, [entrant.edits for entrant in self.entrants])
            self._stale = False

    def _settles(self, regret: float, tops: Sequence[int], shown: int) -> float:
        """Regret that the calls of one proposal would remove if they went to scores: it falls with their root."""
        scores = [self.entrants[c].counted + len(self.entrants[c].pending) for c in tops]
        size = self.tactics.block + sum(scores) / len(scores)
        return regret * self._cost(shown) / (2 * size)

    def _cost(self, shown: int) -> int:
        """Rows that a proposal takes: weak ones are looked for, its child is screened, and scored a first time."""
        return 2 * shown + self.tactics.block

    def _best_size(self) -> tuple[int, float]:
        """How many rows the next reflection is shown, by expected improvement for a row, and that improvement."""
        room = 1 - float(self.model.mean.max())
        gains = {size: self.model.gain(room, math.log2(size / self._sizes[0])) for size in self._sizes}
        size = max(self._sizes, key=lambda s: gains[s] / self._cost(s))
        return size, gains[size]

    def _todo(self, candidate: int) -> list[str]:
        entrant = self.entrants[candidate]
        return [row for row in self.order if entrant.unseen(row) and row not in entrant.leaked]

    def _complete(self) -> bool:
        """Queue dev rows that the leader or the seed lacks: what is reported rests on scores, not on a trend."""
        known = [i for i, e in enumerate(self.entrants) if i == 0 or e.counted >= self.tactics.block]
        leader = max(known, key=lambda i: self.model.mean[i])
        return any(
            self._push(i, [row for row in self._todo(i) if row in self._dev][: 4 * self.tactics.block])
            for i in dict.fromkeys((leader, 0))
        )

    def _evaluate(self, tops: Sequence[int]) -> None:
        """Top-two Thompson sampling: the best of one draw, or half of the time the best of the next that differs."""
        order = list(dict.fromkeys(tops))
        if len(order) > 1 and self.rng.random() < 0.5:
            order[0], order[1] = order[1], order[0]
        for candidate in order:
            if self._push(candidate, self._todo(candidate)[: self.tactics.block]):
                return

    # -- new candidates

    def _propose(self, live: Indices, effects: Array, draws: Array, size: int) -> Reflect | None:
        if self._combine(live, effects):
            return None
        if self._waiting >= self.tactics.reflectors:
            return None
        parent = int(live[draws[1][live].argmax()])
        return self._reflect(parent, self._part(), size)

    def _part(self) -> str:
        """The part to be changed: of each, one draw of what its next edit brings."""
        names = list(self.entrants[0].parts)
        if len(names) == 1:
            return names[0]
        effects, mean = self.model.effects(), self.model.fresh(1 - float(self.model.mean.max()))
        drawn = {}
        for name in names:
            own = [effects[e] for e, change in enumerate(self.changes) if change is not None and change.part == name]
            spread = 2 * self.model.tau / np.sqrt(1 + len(own))
            drawn[name] = (mean + sum(own)) / (1 + len(own)) + spread * self.rng.standard_normal()
        return max(names, key=lambda name: drawn[name])

    def _reflect(self, parent: int, part: str, shown: int) -> Reflect | None:
        """Rows to be shown; where too few weak ones are known, rows that relatives find hard are scored first."""
        entrant = self.entrants[parent]
        deficit = 1 - float(self.model.mean[parent])
        weak = [r for r, s in entrant.scores.items() if r in self._train and 1 - s > max(MENDED, 0.5 * deficit)]
        fresh = [row for row in weak if row not in entrant.used]
        if len(fresh) < int(np.clip(round(2 * shown * deficit), 1, shown)):
            rest = [row for row in self.train if entrant.unseen(row)]
            if rest:
                hard = {
                    r: self.model.foretell(parent, self._by_row.get(r, {})) + 1e-3 * self.rng.random() for r in rest
                }
                self._push(parent, sorted(rest, key=lambda row: hard[row])[: max(self.tactics.block, shown // 2)])
                return None
        pool = fresh or weak or [row for row in entrant.scores if row in self._train]
        if not pool:
            return None
        hard = {r: self.model.foretell(parent, self._by_row[r]) + 0.1 * self.rng.standard_normal() for r in pool}
        most_weak = shown if shown == self._sizes[0] else math.ceil(WEAK_SHARE * shown)
        rows = sorted(pool, key=lambda row: hard[row])[:most_weak]
        solved = [r for r in entrant.scores if r in self._train and r not in entrant.used and r not in weak]
        rows = (*rows, *solved[: shown - most_weak])
        entrant.used.update(rows)
        self._waiting += 1
        self.reflections += 1
        return Reflect(parent, part, rows, self.reflections)

    def _combine(self, live: Indices, effects: Array) -> bool:
        """Enter the best candidate with edits taken back that harm and edits of others that help; whether it was."""
        tactics, believed = self.tactics, self.model.effects()
        known = [int(i) for i in live if self.entrants[i].counted >= 2 * tactics.block]
        if tactics.combine > 1 or len(live) < 3 or not known or self._untried():
            return False
        best = max(known, key=lambda i: self.model.mean[i])
        parent = self.entrants[best]
        draft = Draft(dict(parent.parts), parent.edits)
        drawn = believed + tactics.bold * (effects[2] - believed)
        draft.take_back(self.changes, drawn)
        draft.fold_in(self.changes, drawn, (effects > 0).mean(0) >= tactics.fold)
        change = total(effects, draft.edits) - total(effects, parent.edits)
        if draft.edits == parent.edits or (change > 0).mean() < tactics.combine:
            return False
        leaked = parent.leaked.union(*(self._leaked(e) for e in numbers(draft.edits & ~parent.edits)))
        number = self._enter(Entrant(draft.parts, best, draft.edits | 1 << len(self.edits), "", leaked))
        if number is None:
            return False
        self.edits.append(Edit("combination", best))
        self.changes.append(None)
        return self._push(number, self._todo(number)[: tactics.block])

    def _leaked(self, edit: int) -> frozenset[str]:
        """The train rows that whoever made an edit has seen."""
        makers = [e.leaked for e in self.entrants if e.part and e.edits >> edit & 1]
        return min(makers, key=len, default=frozenset())

    def _untried(self) -> bool:
        """Whether a combination still waits for its first scores."""
        fewest = 2 * self.tactics.block
        return any(i and not e.part and e.counted + len(e.pending) < fewest for i, e in enumerate(self.entrants))

    # -- what to believe

    def pick(self, *, confirm: float | None = None) -> Pick:
        """The candidate to go on with; the seed unless another is better with this probability (else the tactics')."""
        needed = self.tactics.confirm if confirm is None else confirm
        self.model.fit(self.edits, [entrant.edits for entrant in self.entrants], estimate=True)
        least = min(self.tactics.evidence, len(self.dev)) if needed else 1
        eligible = [i for i, e in enumerate(self.entrants) if i == 0 or e.counted >= least]
        best = max(eligible, key=lambda i: self.model.mean[i])
        lift = self.model.lift(best)
        return (
            Pick(best, lift)
            if best and lift.better >= needed
            else Pick(0, Lift(0.0, 0.0, lift.better if best else 1.0))
        )
