"""Other searches in the worlds of bench/search_worlds.py: gepa as it comes, MIPRO in small, and no selection at all.

DSPy's bootstrap is left out: it searches demos, and these worlds have instructions only.
"""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gepa
import optuna

from bench.search_worlds import Texts, World

SHOWN = 4
"""Rows that a reflection of accept-all and of MIPRO is shown; gepa shows its minibatch."""
LOOKED_AT = 20
"""Rows that accept-all scores before it reflects on fewer failures."""
WEAK = 0.8
"""A score below it is a failure to reflect on."""


@dataclass(frozen=True)
class SearchRecord:
    """One search in one world, and the truth about it. Qualities and lifts are in [0, 1] and [-1, 1]."""

    policy: str
    world: str
    noise: float
    seed: int
    curve: tuple[tuple[int, float], ...]
    """(Calls so far, true quality of what would be picked then), one for each change."""
    final: float
    """True quality of the pick at the end; ``base`` is the seed's."""
    base: float
    claim: float | None
    """The lift on dev that the search says it has found; None where it says nothing."""
    real: float
    """What the scores of fresh rows would rise by."""
    adopted: bool
    """Whether the pick differs from the seed."""
    calls: int
    proposals: int
    budget: int = 0
    cpu: float = 0.0
    """Seconds of this process."""

    def reached(self, target: float) -> int | None:
        """Calls after which the pick was at the target for the first time."""
        return next((calls for calls, truth in self.curve if truth >= target), None)


Policy = Callable[[World, int, int], SearchRecord]
"""World, seed of the search, budget in calls -> what came of it."""


@dataclass
class Watched:
    """A world, its calls counted, and the picks of a search written down as they change."""

    world: World
    calls: int = 0
    proposals: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)

    def score(self, texts: Texts, row: str) -> tuple[float, str]:
        """As the world's."""
        self.calls += 1
        return self.world.score(texts, row)

    def propose(self, texts: Texts, predictor: str, shown: Sequence[tuple[str, float, str]]) -> str:
        """As the world's; the nonce counts proposals."""
        self.proposals += 1
        return self.world.propose(texts, predictor, shown, self.proposals)

    def pick(self, texts: Texts) -> None:
        """These texts would be the result if the search ended now."""
        truth = round(self.world.truth(texts), 6)
        if not self.curve or self.curve[-1][1] != truth:
            self.curve.append((self.calls, truth))

    def record(self, policy: str, seed: int, final: Texts, claim: float | None) -> SearchRecord:
        """The search as a whole."""
        world, start = self.world, self.world.seed_texts
        return SearchRecord(
            policy=policy,
            world=world.name,
            noise=world.noise,
            seed=seed,
            curve=tuple(self.curve),
            final=world.truth(final),
            base=world.truth(start),
            claim=claim,
            real=world.expected(final) - world.expected(start),
            adopted=dict(final) != dict(start),
            calls=self.calls,
            proposals=self.proposals,
        )

    def dev_mean(self, texts: Texts) -> float:
        """All of dev, once."""
        return sum(self.score(texts, row)[0] for row in self.world.dev) / len(self.world.dev)


# --- gepa


class _Adapter(gepa.GEPAAdapter):
    """A world as gepa sees it. A candidate that has been through all of dev may become the pick."""

    def __init__(self, watched: Watched) -> None:
        self.watched, self.best = watched, -math.inf

    def evaluate(self, batch: list[str], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        scored = [self.watched.score(candidate, row) for row in batch]
        if tuple(batch) == self.watched.world.dev:
            self._reached_dev(candidate, [score for score, _ in scored])
        return gepa.EvaluationBatch(
            outputs=[feedback for _, feedback in scored],
            scores=[score for score, _ in scored],
            trajectories=[(row, *found) for row, found in zip(batch, scored, strict=True)] if capture_traces else None,
        )

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> Any:
        del candidate
        rows = [{"row": row, "score": score, "feedback": said} for row, score, said in eval_batch.trajectories]
        return dict.fromkeys(components_to_update, rows)

    def propose_new_texts(
        self, candidate: dict[str, str], reflective_dataset: Mapping[str, Any], components_to_update: list[str]
    ) -> dict[str, str]:
        return {
            name: self.watched.propose(candidate, name, [tuple(row.values()) for row in reflective_dataset[name]])
            for name in components_to_update
        }

    def _reached_dev(self, candidate: dict[str, str], scores: Sequence[float]) -> None:
        mean = sum(scores) / len(scores)
        if mean > self.best:
            self.best = mean
            self.watched.pick(candidate)


class _Silent:
    def log(self, message: str) -> None:
        """Say nothing."""


def gepa_search(world: World, seed: int, budget: int, *, minibatch: int) -> SearchRecord:
    """``gepa.optimize`` as it comes: strict improvement on a minibatch, then all of dev; Pareto parents; no merging."""
    watched = Watched(world)
    found = gepa.optimize(
        seed_candidate=dict(world.seed_texts),
        trainset=list(world.train),
        valset=list(world.dev),
        adapter=_Adapter(watched),
        reflection_minibatch_size=minibatch,
        max_metric_calls=budget,
        seed=seed,
        logger=_Silent(),
    )
    claim = found.val_aggregate_scores[found.best_idx] - found.val_aggregate_scores[0]
    return watched.record(f"gepa-{minibatch}", seed, found.candidates[found.best_idx], claim)


# --- MIPRO


def mipro(world: World, seed: int, budget: int) -> SearchRecord:
    """MIPROv2 without minibatches: instructions written from the seed, combinations sought by TPE on all of dev.

    Each proposal sees four train rows with the seed's answers, which are paid once. Trials are as many as the budget
    has passes over dev; candidates as many as DSPy's own relation of the two says: trials = 1.5 candidates, or twice
    the predictors times log2 of the candidates, if that is more. A combination tried again costs calls again, as there.
    """
    watched, dice = Watched(world), random.Random(f"mipro {seed}")
    start, names = dict(world.seed_texts), list(world.seed_texts)
    watched.pick(start)
    best = default = watched.dev_mean(start)
    candidates = _candidates(budget - watched.calls - len(world.train), len(world.dev), len(names))
    asked: dict[str, tuple[float, str]] = {}

    def shown() -> list[tuple[str, float, str]]:
        rows = dice.sample(world.train, SHOWN)
        asked.update({row: watched.score(start, row) for row in rows if row not in asked})
        return [(row, *asked[row]) for row in rows]

    texts = {
        name: [start[name], *(watched.propose(start, name, shown()) for _ in range(candidates - 1))] for name in names
    }
    study = _study(seed)
    choices: dict[str, Any] = {name: optuna.distributions.CategoricalDistribution(range(candidates)) for name in names}
    study.add_trial(optuna.trial.create_trial(params=dict.fromkeys(names, 0), distributions=choices, value=default))
    pick = start
    while watched.calls + len(world.dev) <= budget:
        trial = study.ask(choices)
        tried = {name: texts[name][trial.params[name]] for name in names}
        mean = watched.dev_mean(tried)
        study.tell(trial, mean)
        if mean > best:
            best, pick = mean, tried
            watched.pick(pick)
    return watched.record("mipro", seed, pick, best - default)


def _candidates(calls: int, dev: int, predictors: int) -> int:
    """The most instructions for which DSPy would plan no more trials than these calls pay for; at least two."""
    trials = calls // dev
    planned = (n for n in itertools.count(3) if max(2 * predictors * math.log2(n), 1.5 * n) > trials)
    return next(planned) - 1


def _study(seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # multivariate, as DSPy asks for it
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    return optuna.create_study(direction="maximize", sampler=sampler)


# --- no selection


def accept_all(world: World, seed: int, budget: int) -> SearchRecord:
    """Every proposal is kept: up to four failures among at most 20 train rows, one reflection, and on.

    How far it gets is how lenient a world is, not how good a search. It never looks at dev and claims nothing.
    """
    watched, dice, texts = Watched(world), random.Random(f"accept-all {seed}"), dict(world.seed_texts)
    names = itertools.cycle(texts)
    watched.pick(texts)
    while watched.calls + LOOKED_AT <= budget:
        failures: list[tuple[str, float, str]] = []
        for row in dice.sample(world.train, LOOKED_AT):
            score, feedback = watched.score(texts, row)
            if score < WEAK:
                failures.append((row, score, feedback))
            if len(failures) == SHOWN:
                break
        name = next(names)
        texts = {**texts, name: watched.propose(texts, name, failures)}
        watched.pick(texts)
    return watched.record("accept-all", seed, texts, None)


PEERS: Mapping[str, Policy] = {
    **{f"gepa-{size}": partial(gepa_search, minibatch=size) for size in (3, 8, 20)},
    "mipro": mipro,
    "accept-all": accept_all,
}
