"""Success against cost: which configurations are worth their price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sessions.group import Group
from sessions.metrics import METRICS, estimate
from stats import Placed, Priced, cheapest_reaching, place_all

PRICES = ("cost", "tokens", "latency", "steps")
"""Metrics that success may be weighed against."""


@dataclass(frozen=True)
class Frontier:
    """Configurations with their success, price and standing.

    Attributes:
        price: Name of the metric that is the price.
        placed: In the order of the groups.
        unpriced: Names whose tokens, seconds or steps are 0 in every session. No session takes none, so the log did
            not record them, and they are taken for unknown. Dollars may be 0: a model of one's own costs none.
    """

    price: str
    placed: tuple[Placed, ...]
    unpriced: tuple[str, ...]

    def cheapest(self, goal: float, *, surely: bool = False) -> Placed | None:
        """The cheapest configuration with at least so much success; see :func:`stats.pareto.cheapest_reaching`."""
        return cheapest_reaching(self.placed, goal, surely=surely)

    @property
    def best(self) -> Placed | None:
        """The most successful configuration of known price, the cheaper one where two are equal."""
        priced = [one for one in self.placed if one.cost is not None and one.quality is not None]
        return max(priced, key=lambda one: (one.quality or 0.0, -(one.cost or 0.0)), default=None)


def frontier(groups: Sequence[Group], price: str = "cost", *, alpha: float = 0.05) -> Frontier:
    """Place configurations by success rate and mean price per session.

    Args:
        groups: One per configuration, tallied with ``success_rate`` and the price.
        price: One of :data:`PRICES`.
        alpha: Level of all intervals together; see :func:`stats.pareto.place_all`.
    """
    metric = METRICS.get(price)
    tried: list[Priced] = []
    unpriced: list[str] = []
    for group in groups:
        cost = estimate(group, metric).value
        if cost == 0 and metric.unit != "usd":
            unpriced.append(group.name)
            cost = None
        sums = group.sums["success_rate"]
        successes, n = round(float(sums.numerators.sum())), int(sums.counted.sum())
        tried.append(Priced(group.name, cost, successes, n))
    return Frontier(price, place_all(tried, alpha=alpha), tuple(unpriced))
