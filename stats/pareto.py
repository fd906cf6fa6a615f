"""Cost against quality: which points no other dominates, which are clearly behind, and what reaches a goal cheapest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stats.checks import finite, open_unit, whole
from stats.distributions import normal_quantile
from stats.intervals import wilson

Point = tuple[float | None, float | None]
Standing = Literal["front", "not clearly behind", "behind", "unknown"]


@dataclass(frozen=True)
class Priced:
    """A configuration that was tried: how often it succeeded, and what one try cost on average.

    ``cost`` is in any unit, the same for all; None is unknown.
    """

    name: str
    cost: float | None
    successes: int
    n: int


@dataclass(frozen=True)
class Placed:
    """Where a configuration stands among the others.

    ``low`` and ``high`` are Wilson's interval of the success rate, simultaneous over all configurations. ``standing``:

    - *front*: no other configuration is at least as cheap and as good, and better in one of the two;
    - *behind*: one that is at least as cheap has an interval that begins above this one's end;
    - *not clearly behind*: dominated by what was observed, which may be chance;
    - *unknown*: never tried.
    """

    name: str
    cost: float | None
    successes: int
    n: int
    quality: float | None
    low: float | None
    high: float | None
    standing: Standing


def dominates(one: Point, other: Point) -> bool:
    """Whether a (cost, quality) point is at least as cheap and as good as another, and strictly so in one of the two.

    None means unknown. An unknown quality dominates nothing and is dominated by nothing. A known and an unknown cost
    cannot be compared, so neither point dominates: the model without a price may be the free one. Where neither cost is
    known, quality alone decides.
    """
    (cost, quality), (other_cost, other_quality) = one, other
    if quality is None or other_quality is None or not comparable_cost(cost, other_cost):
        return False
    cheaper = cost is not None and other_cost is not None and cost < other_cost
    return quality >= other_quality and (quality > other_quality or cheaper)


def comparable_cost(cost: float | None, other: float | None) -> bool:
    """Whether ``cost`` is not above ``other`` as far as is known: both known and not above, or both unknown."""
    if cost is None or other is None:
        return cost is other
    return cost <= other


def pareto_front(points: Sequence[Point]) -> tuple[int, ...]:
    """The indices of the points that no other dominates, in the order received; lower cost and higher quality win.

    Identical points all stay. A point of unknown quality is not on the front; see :func:`dominates` for unknown costs.

    Raises:
        ValueError: If a cost or quality is infinite or not a number.

    Reference: V. Pareto (1896); the definition is that of H. Kung, F. Luccio and F. Preparata (1975), JACM 22.
    """
    for cost, quality in points:
        for name, value in (("cost", cost), ("quality", quality)):
            if value is not None:
                finite(value, name=name)
    return tuple(
        index
        for index, point in enumerate(points)
        if point[1] is not None and not any(dominates(other, point) for other in points)
    )


def place_all(configurations: Sequence[Priced], *, alpha: float = 0.05) -> tuple[Placed, ...]:
    """Say of every configuration whether it is on the front, and if not, whether that may be chance.

    The promise: if tries are independent with one common probability per configuration, the chance that *any*
    configuration is called *behind* although no configuration that is at least as cheap is truly better is at most
    about ``alpha``: the intervals hold together (Bonferroni over configurations). Costs are taken as they are.

    Args:
        configurations: In any order; names differ.
        alpha: Two-sided level of all intervals together, strictly between 0 and 1.

    Raises:
        ValueError: If a cost is not finite or a count is impossible.

    Reference: E. B. Wilson (1927), see :func:`stats.intervals.wilson`; dominance as in :func:`pareto_front`.
    """
    level = open_unit(alpha, name="alpha") / max(1, len(configurations))
    z = normal_quantile(1 - level / 2)
    measured = [_measured(one, z) for one in configurations]
    front = set(pareto_front([(one.cost, one.quality) for one in measured]))
    return tuple(
        one if one.quality is None else replace(one, standing=_standing(one, measured, on_front=index in front))
        for index, one in enumerate(measured)
    )


def cheapest_reaching(placed: Sequence[Placed], quality: float, *, surely: bool = False) -> Placed | None:
    """The cheapest configuration whose success rate is at least ``quality``; None where there is none.

    Among equally cheap ones the better comes first. A configuration of unknown cost is never the cheapest.

    Args:
        placed: What :func:`place_all` returned.
        quality: The share of successes to reach, in [0, 1].
        surely: Ask it of the lower end of the interval instead of what was observed: many configurations near a goal
            include one that reached it by luck.

    Raises:
        ValueError: If the quality is outside [0, 1].
    """
    if not 0 <= finite(quality, name="quality") <= 1:
        raise ValueError(f"quality: received {quality:g}, need a share in [0, 1]")
    reaching = [
        (one.cost, -one.quality, index)
        for index, one in enumerate(placed)
        if one.cost is not None
        and one.quality is not None
        and (one.low if surely and one.low is not None else one.quality) >= quality
    ]
    return placed[min(reaching)[2]] if reaching else None


def _measured(one: Priced, z: float) -> Placed:
    cost = None if one.cost is None else finite(one.cost, name=f"cost of {one.name}")
    if whole(one.n, name=f"n of {one.name}") == 0:
        return Placed(one.name, cost, one.successes, 0, None, None, None, "unknown")
    interval = wilson(one.successes, one.n, z)
    return Placed(
        one.name, cost, one.successes, one.n, one.successes / one.n, interval.low, interval.high, "not clearly behind"
    )


def _standing(one: Placed, others: Sequence[Placed], *, on_front: bool) -> Standing:
    if on_front:
        return "front"
    beaten = any(
        other.low is not None and one.high is not None and other.low > one.high
        for other in others
        if comparable_cost(other.cost, one.cost)
    )
    return "behind" if beaten else "not clearly behind"
