"""The sequential tests that an experiment can be decided by: one catalog line each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self

from core.catalog import Catalog
from core.errors import UsageError
from core.optimization import Range
from experiments.config import DesignSection
from experiments.measures import MEASURES, Measure
from sessions.record import Session
from stats import (
    Decision,
    EDesign,
    FixedDesign,
    SprtDesign,
    default_n_max,
    fixed_arm_size,
    operating_characteristics,
)


class State(Protocol):
    """A test under way."""

    @property
    def n(self) -> int:
        """Pairs taken."""
        ...

    @property
    def decision(self) -> Decision:
        """Where it stands."""
        ...

    @property
    def reason(self) -> str:
        """Why, for a person."""
        ...

    @property
    def position(self) -> float:
        """Its statistic."""
        ...

    @property
    def bounds(self) -> tuple[float | None, float]:
        """Between which positions it goes on."""
        ...

    def observe(self, difference: float) -> Self:
        """Take one pair."""
        ...


class Design(Protocol):
    """What a test is told beforehand."""

    @property
    def start(self) -> State:
        """The test before its first pair."""
        ...


@dataclass(frozen=True)
class Method:
    """A sequential test as a person chooses it.

    Attributes:
        name: What people type.
        summary: What it is for.
        design: The test for a design section and so many pairs that there are.
        measure: What a pair of sessions is compared in, unless its design says otherwise.
        expects: The pairs that it is going to take.
    """

    name: str
    summary: str
    design: Callable[[DesignSection, int], Design]
    measure: Measure
    expects: Callable[[Design], Range]

    def measuring(self, name: str | None) -> Method:
        """The same test on another measure.

        Raises:
            UsageError: If there is no such measure, or the test takes differences of -1, 0 and 1 alone.
        """
        if name is None:
            return self
        measure = MEASURES.get(name)
        if self.measure.counted and not measure.counted:
            raise UsageError(
                f"design.metric: {name} is no matter of won or lost, which is all that {self.name} takes",
                hint="--method eprocess bets on graded differences",
            )
        return replace(self, measure=measure)

    def difference(self, control: Session, test: Session) -> float | None:
        """What a pair of sessions is to it: how much better the test arm is; None where that is not known."""
        return self.measure.difference(control, test)


def fixed_pairs(section: DesignSection) -> int:
    """The pairs that a fixed comparison of the same question takes."""
    size = fixed_arm_size(section.p0, section.effect, alpha=section.alpha, beta=section.beta)
    return math.ceil(size)


def _sprt(section: DesignSection, available: int) -> SprtDesign:
    open_ended = SprtDesign(section.p0, section.effect, section.alpha, section.beta)
    wanted = section.n_max or default_n_max(open_ended)
    return SprtDesign(section.p0, section.effect, section.alpha, section.beta, min(wanted, available))


def _fixed(section: DesignSection, available: int) -> FixedDesign:
    return FixedDesign(min(section.n_max or fixed_pairs(section), available), section.alpha)


def _eprocess(section: DesignSection, available: int) -> EDesign:
    most = min(section.n_max or 2 * fixed_pairs(section), available)
    return EDesign(section.alpha, section.min_effect, min_n=min(5, most), n_max=most)


def _expected_sprt(design: Design) -> Range:
    """Over both hypotheses, with arms that succeed independently of each other."""
    assert isinstance(design, SprtDesign)
    p0, p1 = design.p0, design.p1
    found = [operating_characteristics(design, p * (1 - p0), p0 * (1 - p)) for p in (p0, p1)]
    return Range(
        sum(one.mean_n for one in found) / 2,
        min(one.quantile_n[0] for one in found),
        max(one.quantile_n[2] for one in found),
    )


def _expected_fixed(design: Design) -> Range:
    assert isinstance(design, FixedDesign)
    return Range(design.n, design.n, design.n)


def _expected_eprocess(design: Design) -> Range:
    """At most all; how soon a bet on scores ends depends on their spread, which is not known yet."""
    assert isinstance(design, EDesign)
    return Range(design.n_max, design.min_n, design.n_max)


SOLVED, GRADED = MEASURES.get("success_rate"), MEASURES.get("score")
METHODS: Catalog[Method] = Catalog(
    "method",
    (
        Method("sprt", "stops as soon as success or its lack is shown (Wald)", _sprt, SOLVED, _expected_sprt),
        Method("fixed", "a number of pairs set beforehand and one look", _fixed, SOLVED, _expected_fixed),
        Method("eprocess", "bets on graded scores; valid at any time", _eprocess, GRADED, _expected_eprocess),
    ),
)
