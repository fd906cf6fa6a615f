"""How much wider a forecast is said than its schedule was played: by what first runs on fresh tasks have shown.

A play knows the chances that its schedule knows. What it does not know - a search that is perfect early, a winner that
is longer than any pilot could show - is measured: over first runs on fresh tasks, how far outside the played interval
the outcome was, as a logarithm, negative inside. The quantile of that distance that 80 % of the runs keep to is added
on both sides. Where new tasks are like those, at least 80 % of new runs then lie inside, whatever the play is worth.

Reference: Y. Romano, E. Patterson and E. Candes (2019), "Conformalized quantile regression", NeurIPS 32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.optimization import Range

HELD = 0.80
"""The share of runs that an interval is to hold."""
CALLS = 0.011
"""Margin of calls, as a logarithm, by 57 first runs in many shapes (`bench/forecast.py`); without the ten in which the
seed stayed with gepa or simba: how often that happens is known to their schedules since."""
TOKENS = 0.015
"""Margin of tokens and money, from the same runs."""


def widened(played: Range, margin: float) -> Range:
    """The interval with the margin on both sides; what is expected stays."""
    return Range(played.expected, played.low * math.exp(-margin), played.high * math.exp(margin))


def distance(played: Range, actual: float) -> float:
    """How far outside an interval an outcome lies, as a logarithm; negative inside.

    Raises:
        ValueError: If one of them is not above 0.
    """
    return max(math.log(played.low / actual), math.log(actual / played.high))


def margin_of(distances: Sequence[float]) -> float:
    """The margin that would have held the share of runs that an interval is to hold, with the conformal correction.

    Raises:
        ValueError: If there are too few runs to say it of.
    """
    rank = math.ceil(HELD * (len(distances) + 1))
    if rank > len(distances):
        raise ValueError(f"{len(distances)} runs are too few for a margin that holds {HELD:.0%}")
    return sorted(distances)[rank - 1]
