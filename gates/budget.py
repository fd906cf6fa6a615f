"""What the proof has cost, and what the challenger will cost for every item from now on."""

from __future__ import annotations

from statistics import median

from pydantic import Field

from core.evaluation import Evaluation, Usage
from core.verdict import Check, CheckStatus
from gates.gate import CheckSection, GateInput

NO_PRICE = "put input_price and output_price of the model into configs/models.yaml"


class CostCheck(
    CheckSection, name="budget", summary="the challenger's price per item, and what run and holdout have spent"
):
    """Fails when the challenger is too dear per item, or when the run or its holdout has cost too much.

    Per item, answers from the ledger count with what they once cost: otherwise the champion, whose answers are often
    there already, would look free.
    """

    max_ratio: float = Field(default=4.0, gt=0, description="Cost per item, in multiples of the champion's.")
    max_item_usd: float | None = Field(default=None, gt=0, description="Ceiling for the median item.")
    max_holdout_usd: float | None = Field(default=None, gt=0, description="What both may spend on the holdout.")
    max_run_usd: float | None = Field(
        default=None, gt=0, description="What the whole run may have spent, search and gate included."
    )

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """One check for the price per item, and one for each limit that is set."""
        checks = [self._ratio(gate_input)]
        if self.max_item_usd is not None:
            checks.append(self._item(gate_input.challenger, self.max_item_usd))
        if self.max_holdout_usd is not None:
            usage = gate_input.champion.usage + gate_input.challenger.usage
            checks.append(self._spend("the holdout", usage, self.max_holdout_usd))
        if self.max_run_usd is not None:
            checks.append(self._spend("the run", gate_input.spent, self.max_run_usd))
        return tuple(checks)

    def _ratio(self, gate_input: GateInput) -> Check:
        before, after = per_item(gate_input.champion), per_item(gate_input.challenger)
        if before is None or after is None:
            message = f"the price per item is unknown, and unknown is not cheap; {NO_PRICE}"
            return Check(self.name, CheckStatus.NOT_EVALUATED, message)
        evidence = {"champion_usd": before, "challenger_usd": after, "max_ratio": self.max_ratio}
        numbers = f"an item costs ${after:.2g} with the challenger and ${before:.2g} with the champion"
        if before > 0:
            numbers += f", {after / before:.3g} times as much"
        if after > self.max_ratio * before * (1 + 1e-9):
            message = f"{numbers}; allowed is {self.max_ratio:g} times (gate.checks.budget.max_ratio)"
            return Check(self.name, CheckStatus.FAIL, message, evidence=evidence)
        return Check(self.name, CheckStatus.PASS, numbers, evidence=evidence)

    def _item(self, evaluation: Evaluation, limit: float) -> Check:
        costs = [_worth(row.worth, row.usage) for row in evaluation.rows]
        known = [cost for cost in costs if cost is not None]
        if not known or len(known) < len(costs):
            return Check(self.name, CheckStatus.NOT_EVALUATED, f"missing cost: some rows have no price; {NO_PRICE}")
        middle = median(known)
        text = f"the median item costs ${middle:.2g}, the ceiling is ${limit:g}"
        return Check(self.name, CheckStatus.FAIL if middle > limit else CheckStatus.PASS, text)

    def _spend(self, what: str, usage: Usage | None, limit: float) -> Check:
        if usage is None or usage.cost_usd is None:
            return Check(self.name, CheckStatus.NOT_EVALUATED, f"what {what} has cost is unknown; {NO_PRICE}")
        text = f"{what} has cost ${usage.cost_usd:.4g}, the limit is ${limit:g}"
        return Check(self.name, CheckStatus.FAIL if usage.cost_usd > limit else CheckStatus.PASS, text)


def per_item(evaluation: Evaluation) -> float | None:
    """Mean dollars per row, whoever paid; None when a price is unknown or no call was made."""
    cost = _worth(evaluation.worth, evaluation.usage)
    return cost / len(evaluation.rows) if evaluation.rows and cost is not None else None


def _worth(worth: Usage, usage: Usage) -> float | None:
    counted = worth if worth.calls else usage
    return counted.cost_usd if counted.calls else None
