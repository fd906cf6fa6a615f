"""Was every row that was dealt also scored?"""

from __future__ import annotations

from dataclasses import dataclass, field

from core.verdict import Check, CheckStatus
from gates.gate import GateInput


@dataclass(frozen=True)
class Coverage:
    """Fails when less than ``share`` of the holdout rows has a score, for either prompt."""

    share: float = 1.0
    required: bool = True
    name: str = field(default="coverage", init=False)
    summary: str = field(default="every holdout row has a score, for both prompts", init=False)
    asks: bool = field(default=False, init=False)

    def check(self, dossier: GateInput) -> tuple[Check, ...]:
        """Compare the scored share of both prompts with the wanted one."""
        sides = {"champion": dossier.baseline, "challenger": dossier.candidate}
        if not all(evaluation.rows for evaluation in sides.values()):
            return (Check(self.name, CheckStatus.NOT_EVALUATED, "the holdout has no rows"),)
        shares = {name: len(e.scored) / len(e.rows) for name, e in sides.items()}
        lacking = [
            f"{len(sides[name].scored)} of {len(sides[name].rows)} rows are scored for the {name}"
            for name, share in shares.items()
            if share < self.share
        ]
        if lacking:
            message = f"incomplete coverage: {' and '.join(lacking)}; needed are {100 * self.share:g} %"
            return (Check(self.name, CheckStatus.FAIL, message, evidence=shares),)
        least = 100 * min(shares.values())
        return (Check(self.name, CheckStatus.PASS, f"{least:g} % of the rows are scored", evidence=shares),)
