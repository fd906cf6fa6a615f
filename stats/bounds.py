"""Scores that are not known: the completion of a paired comparison that is least kind to the candidate."""

from __future__ import annotations

from collections.abc import Sequence

from stats.checks import finite


def least_kind(
    baseline: Sequence[float | None],
    candidate: Sequence[float | None],
    *,
    lowest: float = 0.0,
    highest: float = 1.0,
) -> tuple[list[float], list[float]]:
    """Fill in what is unknown so that no other filling is worse for the candidate.

    An unknown score of the candidate becomes ``lowest``, one of the baseline ``highest``. Every completed difference
    is then at most the true one, whatever made the score unknown. So a test of "the mean difference is at most m" on
    completed rows keeps its level for the true scores: a candidate that is no better stays so when it is completed. No
    assumption on why a score is missing is made, above all not that it is missing by chance. The price is power: each
    unknown score costs up to ``highest - lowest`` on its row.

    Args:
        baseline: A score per row, None where it is unknown.
        candidate: The same of the candidate, on the same rows.
        lowest: The least a score can be.
        highest: The most a score can be.

    Returns:
        Both arms completed, in the order received.

    Raises:
        ValueError: If the arms are not equally long, or a bound or score is not finite or out of order.

    Reference: C. Manski (1990), "Nonparametric bounds on treatment effects", American Economic Review 80; J. Horowitz
    and C. Manski (2000), "Nonparametric analysis of randomized experiments with missing covariate and outcome data",
    JASA 95.
    """
    if len(baseline) != len(candidate):
        raise ValueError(f"scores: received {len(baseline)} baseline and {len(candidate)} candidate rows, need as many")
    if not finite(lowest, name="lowest") < finite(highest, name="highest"):
        raise ValueError(f"lowest, highest: received {lowest:g} and {highest:g}, need lowest below highest")
    known = [score for score in (*baseline, *candidate) if score is not None]
    outside = [score for score in known if not lowest <= score <= highest]
    if outside:
        raise ValueError(f"scores: received {outside[0]:g}, need all of them in [{lowest:g}, {highest:g}]")
    return [highest if s is None else s for s in baseline], [lowest if s is None else s for s in candidate]
