"""Many cells against one reference cell: which are better, good enough or worse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stats.checks import Vector, finite, finite_vector, open_unit
from stats.intervals import Interval
from stats.paired import TIE, WORST_CASE_ALPHAS, minimum_pairs, paired_decision
from stats.power import required_pairs
from stats.worst_case import unseen_share

Outcome = Literal["better", "good enough", "worse", "cannot tell"]

FEWEST_FOR_SPREAD = 3


@dataclass(frozen=True)
class Comparison:
    """How one cell stands against the reference, and the evidence; differences are cell minus reference.

    ``low`` and ``high`` bound the mean difference, for all cells of the family at once. ``needed`` is about how many
    rows would settle *cannot tell* if the truth is what was observed; None where none would, or nothing can be said.
    ``delta``, ``low`` and ``high`` are None when no row was scored by both.
    """

    outcome: Outcome
    delta: float | None
    low: float | None
    high: float | None
    n: int
    needed: int | None
    reason: str


def compare_all(
    differences: Mapping[str, Sequence[float] | Vector], *, margin: float = 0.05, alpha: float = 0.05
) -> dict[str, Comparison]:
    """Compare every cell with the reference cell on the rows that both have scored.

    The outcomes are read off the intervals, so the two never contradict each other:

    - *better*: ``low > 0``;
    - *good enough*: ``low > -margin``, that is, not inferior by the margin, be it even worse by less than that;
    - *worse*: ``high < 0`` and ``low <= -margin``;
    - *cannot tell*: everything else.

    The promise: for any number of cells, if some are truly worse by the margin or more, the chance that *any* of them
    is called good enough is at most ``alpha`` (nominally half of it), and if all equal the reference, so is the chance
    that any is called better or worse. The intervals hold together with confidence ``1 - alpha``: each has confidence
    ``1 - alpha / cells`` (Bonferroni; Holm's steps would reject a little more but have no intervals to show).

    A bound is that of :func:`stats.paired.paired_decision`; where one of its vetoes objects to what a bound would
    claim, the bound stops at the claim (0 or ``-margin``). So the limits of that rule hold here: rare large losses of
    which the sample has no trace raise the chance of a false answer to at most ``3.5 * alpha``.

    Equal differences, such as those of two cells with the same outputs, have no spread to measure. Their bound is the
    mean if as many rows as can have stayed unseen came out as badly (or as well) as a row can: with one cell, identical
    outputs are good enough within .05 from 72 rows on, with eleven cells from 119; below that nobody can tell.

    Assumes independent rows; average the repeats of a row first. Every cell given counts in the correction, also one
    without rows. Cells that a race has stopped should not be judged here: they were stopped because of what they had
    scored so far.

    Args:
        differences: Cell name -> cell minus reference, one number in [-1, 1] per row scored by both; may be empty.
        margin: How much worse is still good enough; at least 0.
        alpha: Two-sided level of the whole family, strictly between 0 and 1.

    Raises:
        ValueError: If a difference is not a number in [-1, 1] or an argument is out of range.

    Reference: C. Dunnett and A. Tamhane (1991) on families of comparisons with a control, Statistics in Medicine 10;
    G. Piaggio et al. (2012), "Reporting of noninferiority and equivalence randomized trials", JAMA 308.
    """
    open_unit(alpha, name="alpha")
    if finite(margin, name="margin") < 0:
        raise ValueError(f"margin: received {margin:g}, need a number of at least 0")
    level = alpha / max(1, len(differences))
    return {name: _compare(name, values, margin, level) for name, values in differences.items()}


def _compare(name: str, values: Sequence[float] | Vector, margin: float, level: float) -> Comparison:
    if len(values) == 0:
        return Comparison("cannot tell", None, None, None, 0, None, "no row was scored by both")
    vector = finite_vector(values, name=f"differences of {name}")
    if float(np.abs(vector).max()) > 1 + TIE:
        raise ValueError(f"differences of {name}: received {np.abs(vector).max():g}, need numbers in [-1, 1]")
    bounds = _bounds(vector, margin, level)
    outcome = _outcome(bounds, margin)
    needed = _needed(vector, margin, level) if outcome == "cannot tell" else None
    mean = float(vector.mean())
    reason = f"mean {mean:+.4f} over {vector.size} rows, between {bounds.low:+.4f} and {bounds.high:+.4f}"
    if vector.size < minimum_pairs(level):
        reason += f"; at least {minimum_pairs(level)} rows are needed to tell anything"
    return Comparison(outcome, mean, bounds.low, bounds.high, vector.size, needed, reason)


def _outcome(bounds: Interval, margin: float) -> Outcome:
    if bounds.low > 0:
        return "better"
    if bounds.low > -margin:
        return "good enough"
    return "worse" if bounds.high < 0 else "cannot tell"


def _bounds(vector: Vector, margin: float, level: float) -> Interval:
    """The two-sided interval at ``level``, widened to 0 or ``-margin`` where the paired rule objects to more."""
    if vector.size < minimum_pairs(level):
        return Interval(-1.0, 1.0)
    mean = float(vector.mean())
    if float(np.ptp(vector)) <= TIE:
        share = unseen_share(vector.size, level / 2)
        return Interval(mean - share * (1 + mean), mean + share * (1 - mean))
    above_zero = paired_decision(vector, alpha=level)
    below_zero = paired_decision(-vector, alpha=level)
    above_margin = paired_decision(vector, margin=-margin, alpha=level)
    low, high = min(above_zero.low, above_margin.low), -below_zero.low
    if not above_margin.promote:
        low = min(low, -margin)
    if not above_zero.promote:
        low = min(low, 0.0)
    if not below_zero.promote:
        high = max(high, 0.0)
    return Interval(max(-1.0, low), min(1.0, high))


def _needed(vector: Vector, margin: float, level: float) -> int | None:
    """About how many rows show, with 80 % power, what lies nearer: more than ``-margin``, or less than 0.

    The power is that of a t test; where the scatter is small and the veto for rare losses leads, it is rather 60 %.
    """
    if vector.size < FEWEST_FOR_SPREAD:
        return None
    mean = float(vector.mean())
    sd = float(vector.std(ddof=1))
    options = [
        rows_to_show(gap, room, sd, level) for gap, room in ((mean + margin, 1 + mean), (-mean, 1 - mean)) if gap > TIE
    ]
    settled = [rows for rows in options if rows is not None]
    return max(vector.size + 1, min(settled)) if settled else None


def rows_to_show(gap: float, room: float, sd: float, level: float) -> int | None:
    """About how many rows show, with 80 % power, a mean that lies ``gap`` away from the limit.

    It takes enough rows for the t test, and enough for the veto of rare losses in
    :func:`stats.paired.paired_decision`: until a row as bad as can be would have been seen.

    Args:
        gap: Distance of the mean from the limit, above 0.
        room: Distance of the mean from the worst possible row.
        sd: Standard deviation of the paired differences.
        level: Two-sided level.

    Returns:
        None when no affordable number of rows would do.
    """
    unseen = math.log1p(-min(gap / room, 1 - TIE))
    if sd <= TIE:
        return max(minimum_pairs(level), math.ceil(math.log(level / 2) / unseen + TIE))
    veto = math.ceil(math.log(min(1.0, WORST_CASE_ALPHAS * level)) / unseen)
    try:
        return max(veto, required_pairs(sd, gap, alpha=level))
    except ValueError:
        return None
