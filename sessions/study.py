"""What a set of sessions shows, gathered once for the report: estimates, repeats, contrasts and the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sessions.contrast import Contrast, against
from sessions.frontier import Frontier, frontier
from sessions.group import Group
from sessions.metrics import METRICS, Estimate, Metric, estimate, pass_hat, repeats

MOST_REPEATS = 4
COMPARED = ("success_rate", "tokens", "cost", "latency")
"""Metrics in which groups are compared."""
SHOWN = (
    "success_rate", "infrastructure_rate", "score", "tokens", "cost", "latency", "steps", "cost_per_success",
    "tokens_per_success", "token_waste", "token_waste_share", "total_cost", "early_termination_rate",
    "false_rejection_rate", "step_efficiency", "success_weighted_efficiency", "fewer_steps_than_optimal",
)  # fmt: skip


@dataclass(frozen=True)
class GroupStudy:
    """One group: its estimates by metric, and pass^1.. where every task was repeated."""

    group: Group
    estimates: dict[str, Estimate]
    passes: tuple[Estimate, ...]


@dataclass(frozen=True)
class Study:
    """All groups, how they differ from the reference, and which are worth their price.

    Attributes:
        by: The fields that the groups were made by.
        groups: One per combination of values.
        reference: Name of the group that the others are compared with; empty where there is only one.
        contrasts: Corrected together.
        frontier: None where there is only one group, or nothing that could be a price.
    """

    by: tuple[str, ...]
    groups: tuple[GroupStudy, ...]
    reference: str
    contrasts: tuple[Contrast, ...]
    frontier: Frontier | None

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return sum(one.group.sessions for one in self.groups)


def study_metrics() -> list[Metric]:
    """What groups have to be tallied with."""
    return [METRICS.get(name) for name in SHOWN]


def study(groups: Sequence[Group], by: Sequence[str], *, reference: str | None = None, price: str = "") -> Study:
    """Everything that tallied groups show.

    Args:
        groups: Tallied with :func:`study_metrics`.
        by: The fields that they were made by.
        reference: Name of the group that the others are compared with; the one with most sessions where it is None.
        price: What success is weighed against, one of :data:`~sessions.frontier.PRICES`; empty for dollars where they
            are known, else tokens.

    Raises:
        UsageError: If there is no such metric.
    """
    many = len(groups) > 1
    studied = tuple(_studied(group) for group in groups)
    chosen = next((g for g in groups if g.name == reference), None) or max(
        groups, key=lambda g: g.sessions, default=None
    )
    contrasts: tuple[Contrast, ...] = ()
    if many and chosen is not None:
        known = [METRICS.get(name) for name in COMPARED if sum(_known(one, name) for one in studied) > 1]
        contrasts = against(groups, chosen, known)
    weighed = price or next(
        (name for name in ("cost", "tokens", "latency") if any(_known(s, name) for s in studied)), ""
    )
    front = frontier(groups, weighed) if many and weighed else None
    return Study(tuple(by), studied, chosen.name if many and chosen else "", contrasts, front)


def _studied(group: Group) -> GroupStudy:
    estimates = {name: estimate(group, METRICS.get(name)) for name in SHOWN}
    most = min(MOST_REPEATS, repeats(group.sums["success_rate"]))
    passes = tuple(pass_hat(group, k) for k in range(1, most + 1)) if most > 1 else ()
    return GroupStudy(group, estimates, passes)


def _known(one: GroupStudy, name: str) -> bool:
    found = one.estimates[name]
    return found.value is not None and (found.value != 0 or name in ("success_rate", "cost"))
