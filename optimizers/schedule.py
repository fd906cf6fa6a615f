"""What a search costs before it starts: sizes, one play of a schedule, and the schedule of any optimiser."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dspy

from core.evaluation import Evaluation, Usage
from optimizers.base import Optimizer, Search, SearchSize


@dataclass(frozen=True)
class RowCost:
    """Tokens of one program run, and the share of rows that such a run solves."""

    tokens_in: float
    tokens_out: float
    success: float


@dataclass(frozen=True)
class Reflection:
    """Tokens of one call that rewrites an instruction: before any row, for each row shown, and what it answers."""

    base_in: float
    row_in: float
    out: float
    written: float
    """Tokens by which the new instruction is longer than the one it replaces."""


@dataclass(frozen=True)
class Sizes:
    """What is known about costs before the search, in tokens: measured by a pilot, or assumed.

    Attributes:
        seed: One run of the seed program.
        demo: One demo of a train row, as a part of a prompt.
        gold_out: An answer that equals gold; answers grow towards it as prompts improve.
        shown: One run with the demos that a strategy starts from; None where it was not measured.
        reflection: One rewriting of an instruction; None where it was not measured.
    """

    seed: RowCost
    demo: float
    gold_out: float
    shown: RowCost | None = None
    reflection: Reflection | None = None

    @property
    def tuned_out(self) -> float:
        """What a better prompt's answer takes: between the seed's and gold's."""
        return math.sqrt(self.seed.tokens_out * max(1.0, self.gold_out))

    def with_demos(self, demos: int) -> RowCost:
        """One run with so many demos, measured where it was."""
        if self.shown is not None:
            return self.shown
        return RowCost(self.seed.tokens_in + demos * self.demo, self.tuned_out, self.seed.success)


FRAME = 3000
"""Characters of a reflection prompt around the instruction and the rows."""


def measured_reflection(
    sizes: Sizes, usage: Usage, rows: Sequence[Mapping[str, Any]], instruction: str, written: str
) -> Sizes:
    """The sizes with one rewriting as it was tried.

    Args:
        sizes: What is known beside it.
        usage: What the call is worth, also when it was paid before.
        rows: The rows that it was shown.
        instruction: The instruction that it replaced.
        written: The new one.
    """
    tokens_in, tokens_out = usage.input_tokens, usage.output_tokens
    if not tokens_out or not rows:
        return sizes
    share = len(json.dumps(rows, default=str, ensure_ascii=False))
    per_row = tokens_in * share / (share + len(instruction) + FRAME) / len(rows)
    return replace(
        sizes,
        reflection=Reflection(
            base_in=tokens_in - per_row * len(rows),
            row_in=per_row,
            out=tokens_out,
            written=max(1.0, tokens_out * (1 - len(instruction) / max(1, len(written)))),
        ),
    )


def assumed_reflection(sizes: Sizes, rng: random.Random) -> Reflection:
    """A reflection's size where none was tried: the rows it is shown, and a page of instruction."""
    written = rng.lognormvariate(math.log(500), 0.6)
    return Reflection(600.0, sizes.demo + 3 * sizes.seed.tokens_out, written + 50, written)


@dataclass(frozen=True)
class Spent:
    """Calls and tokens."""

    calls: float = 0.0
    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.calls + other.calls, self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out)

    def __rmul__(self, times: float) -> Spent:
        return Spent(times * self.calls, times * self.tokens_in, times * self.tokens_out)


def runs(count: float, tokens_in: float, tokens_out: float) -> Spent:
    """So many program runs or calls of the same size."""
    return Spent(count, count * tokens_in, count * tokens_out)


@dataclass(frozen=True)
class Draw:
    """One way a search may go, counting only what has to be paid: an equal call twice is paid once.

    Attributes:
        trials: Evaluations on dev.
        student: Program runs that are paid, holdout and baseline not included.
        others: Calls of the other roles.
        winner: One run of the winner; None when the seed stays.
    """

    trials: int
    student: Spent
    others: Mapping[str, Spent]
    winner: RowCost | None


@dataclass(frozen=True)
class Probe:
    """What a strategy may try before its search, so that the forecast knows its sizes.

    Attributes:
        search: The search to come; nothing is journalled.
        pilot: The seed's rows.
        run: Runs a program on the pilot's rows and says what it took; None when no row was paid.
    """

    search: Search
    pilot: Evaluation
    run: Callable[[dspy.Module], RowCost | None]


def bootstrapping(shape: SearchSize, shown: RowCost, rng: random.Random, *, sets: int) -> Spent:
    """What it takes to collect demos for so many sets.

    For each set DSPy walks the train rows in an order of its own with demos of its own, until a random number of them
    succeeded, so that the walks share nothing.
    """
    rows = 0
    for index in range(sets):
        wanted = shape.max_demos if index == 0 else rng.randint(1, max(1, shape.max_demos))
        rows += min(shape.train, sum(_tries(shown.success, rng) for _ in range(wanted)))
    return runs(rows, shown.tokens_in, shown.tokens_out)


def labelled(search: Search, demos: int) -> dspy.Module:
    """The program with labelled demos that DSPy starts its demo sets from."""
    train = list(search.train.examples)
    return dspy.LabeledFewShot(k=demos).compile(search.program, trainset=train)


def _tries(success: float, rng: random.Random) -> int:
    """Rows until the next success: geometric, by inversion, so that its cost does not grow with the rows."""
    if success >= 1:
        return 1
    if success <= 0:
        return MANY
    return min(MANY, 1 + int(math.log(1.0 - rng.random()) / math.log(1.0 - success)))


MANY = 10**9


@dataclass(frozen=True)
class Schedule:
    """What any optimiser costs that says nothing itself: its budget of program runs, and reflections by share.

    A strategy whose steps are known has a schedule of its own with these two methods.

    Attributes:
        role: Who writes the new instructions; None where nobody does.
        share: Calls of that role for each program run.
        least: The smallest share of the budget that a search may need, such as one that ends early.
        seed_stays: The share of searches in which nothing beats the seed, so that the holdout stays closed.
    """

    role: str | None = "reflector"
    share: float = 0.04
    least: float = 0.5
    seed_stays: float = 0.2

    def most(self, shape: SearchSize) -> int:
        """Program runs that the search makes at most."""
        return shape.rollouts

    def draw(self, shape: SearchSize, sizes: Sizes, rng: random.Random) -> Draw:
        """Play the strategy's own schedule once, with chance where the rows decide; forecasts average over many.

        It takes about as long for a large budget as for a small one.
        """
        count = max(1.0, rng.uniform(self.least, 1.0) * (self.most(shape) - shape.dev))
        longer = sizes.demo * rng.uniform(0.0, 4.0)
        tuned = RowCost(sizes.seed.tokens_in + longer, sizes.tuned_out, sizes.seed.success)
        written = max(50.0, longer) + 50
        calls = self.share * count
        return Draw(
            trials=max(1, round(count / shape.dev)),
            student=runs(count, (sizes.seed.tokens_in + tuned.tokens_in) / 2, tuned.tokens_out),
            others={self.role: runs(calls, 600 + sizes.seed.tokens_in + 4 * sizes.demo, written)} if self.role else {},
            winner=tuned if rng.random() >= self.seed_stays else None,
        )

    def probe(self, probe: Probe, sizes: Sizes) -> Sizes:
        """Measure what the forecast needs to know beyond the seed's own rows, with a few calls; here with none."""
        return sizes


PLAIN = Schedule()


def schedule_of(optimizer: Optimizer) -> Schedule:
    """The optimiser's own schedule, or the plain one."""
    return getattr(optimizer, "schedule", PLAIN)
