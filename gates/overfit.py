"""Does the challenger shine only where it was searched?"""

from __future__ import annotations

from statistics import fmean

from pydantic import Field

from core.verdict import Check, CheckStatus
from gates.gate import CheckSection, GateInput
from gates.pairs import score_pairs


class Overfit(CheckSection, name="overfit", summary="the gain of the search is still there on the holdout"):
    """Fails when the challenger loses much more than the champion on the way from the search's rows to the holdout.

    The champion's own gap is allowed for, because the holdout may simply be harder; ``tolerance`` comes on top of it.
    """

    tolerance: float = Field(default=0.15, ge=0, le=1, description="What it may lose beyond the champion's own gap.")

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """Compare the two gaps; without both search scores there is no answer."""
        before, after = gate_input.search
        if before is None or after is None or not gate_input.champion.rows:
            message = "missing split scores: the means on the search's rows or on the holdout are not known"
            return (Check(self.name, CheckStatus.NOT_EVALUATED, message),)
        low, high = (fmean(scores) for scores in score_pairs(gate_input))
        gap, allowed = after - high, (before - low) + self.tolerance
        numbers = (
            f"from search to holdout the challenger goes from {after:.3f} to {high:.3f}, "
            f"the champion from {before:.3f} to {low:.3f}"
        )
        evidence = {"gap": gap, "champion_gap": before - low, "tolerance": self.tolerance}
        if gap > allowed + 1e-12:
            lost = f"it loses {gap - (before - low):.3f} more than the champion, allowed is {self.tolerance:g}"
            message = f"{numbers}: {lost}; it fits the rows seen"
            return (Check(self.name, CheckStatus.FAIL, message, evidence=evidence),)
        return (Check(self.name, CheckStatus.PASS, numbers, evidence=evidence),)
