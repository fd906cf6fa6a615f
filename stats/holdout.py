"""One holdout opened many times: how strict must each opening be?"""

from __future__ import annotations

import math

from stats.checks import open_unit, whole


def opening_alpha(alpha: float, opening: int) -> float:
    """The level for the k-th opening of the same holdout: ``alpha * 6 / (pi^2 * k^2)``.

    The levels of all openings, however many there will be, sum to ``alpha``; so the chance that *any* of them promotes
    a candidate that is no better is at most ``alpha`` (union bound: no independence is needed, and the next candidate
    may depend on what earlier openings told). The first opening keeps 61 % of alpha (.030 of .05), the second 15 %, the
    third 7 %, the tenth 0.6 %.

    Why not halves: spending half of what is left starts lower (50 %), and by the tenth opening its level is 6 times
    smaller, by the twentieth 1600 times. A square law costs the second and third opening more, and keeps the twentieth
    possible. Every further opening also raises :func:`stats.paired.minimum_pairs`: 7, 9, 10, 11 ... at alpha .05. When
    that hurts, the cure is new holdout rows, for which the count starts over.

    Args:
        alpha: The level that all openings share, strictly between 0 and 1.
        opening: Which opening this is, counted from 1.

    Raises:
        ValueError: If alpha is out of range or ``opening`` is not a whole number of at least 1.

    Reference: alpha spending by a convergent series, as in D. Foster and R. Stine (2008), "Alpha-investing", JRSS B 70,
    and A. Javanmard and A. Montanari (2018), "Online rules for control of false discovery rate", Ann. Statistics 46;
    the sum of 1 / k^2 is pi^2 / 6 (Euler).
    """
    k = whole(opening, name="opening", at_least=1)
    return open_unit(alpha, name="alpha") * 6 / (math.pi * k) ** 2
