"""Does the challenger win by what it says, or would any text of that shape do?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from core.candidate import ProgramPrompts, Prompt
from core.evaluation import Evaluation
from core.verdict import Check, CheckStatus
from gates.gate import CheckSection, GateInput

_INK = re.compile(r"\S")
ENOUGH = 0.5
"""Share of the holdout rows that the blanked prompt must have scored for a comparison."""


def blank(text: str) -> str:
    """Every character that is not white space becomes ``#``; layout and length stay."""
    return _INK.sub("#", text)


def neutralised(prompts: ProgramPrompts) -> ProgramPrompts:
    """The same prompts without what they say: instructions and demos blanked, their shape kept."""
    return ProgramPrompts(
        tuple(
            Prompt(p.predictor, blank(p.instruction), tuple({k: _blanked(v) for k, v in d.items()} for d in p.demos))
            for p in prompts.prompts
        )
    )


def _blanked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _blanked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_blanked(item) for item in value]
    return blank(str(value))


def kept_share(champion: float, challenger: float, blanked: float) -> float | None:
    """The share of the lift that is left when the prompt says nothing; None when there was no lift."""
    lift = challenger - champion
    return (blanked - champion) / lift if lift > 0 else None


class Neutralisation(
    CheckSection,
    name="neutralisation",
    summary="the lift is gone when every character of the prompt is blanked",
    asks=True,
):
    """Fails when the blanked challenger keeps at least ``most`` of the lift; a placebo for prompts.

    Demos are blanked as well: a challenger that wins by its demos wins by what they say.
    """

    most: float = Field(default=0.5, gt=0, le=1, description="From this share of the lift on it fails.")

    def runs(self, holdout: int) -> int:
        """The blanked prompt on every holdout row."""
        return holdout

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """Score the blanked challenger on the holdout rows and see what is left of the lift."""
        if gate_input.rescore is None:
            return (Check(self.name, CheckStatus.NOT_EVALUATED, "nothing here can score the blanked prompt"),)
        return (self._judge(gate_input, gate_input.rescore(neutralised(gate_input.challenger_prompts))),)

    def _judge(self, gate_input: GateInput, blanked: Evaluation) -> Check:
        by_id = [{r.row_id: r.score for r in e.scored} for e in (gate_input.champion, gate_input.challenger, blanked)]
        shared = [row_id for row_id in by_id[0] if all(row_id in scores for scores in by_id)]
        if not shared or len(shared) < ENOUGH * len(gate_input.challenger.rows):
            message = f"the blanked prompt has a score on {len(shared)} of {len(gate_input.challenger.rows)} rows only"
            return Check(self.name, CheckStatus.NOT_EVALUATED, message)
        before, after, empty = (sum(scores[i] or 0.0 for i in shared) / len(shared) for scores in by_id)
        share = kept_share(before, after, empty)
        evidence = {"champion": before, "challenger": after, "blanked": empty, "kept": share, "rows": len(shared)}
        if share is None:
            message = f"there is no lift to neutralise: {before:.3f} to {after:.3f}"
            return Check(self.name, CheckStatus.FAIL, message, evidence=evidence)
        numbers = f"with every character blanked the prompt keeps {100 * max(0.0, share):.0f} % of its lift"
        if share >= self.most - 1e-12:
            message = f"{numbers} (allowed is less than {100 * self.most:g} %), so the lift is not in what it says"
            return Check(self.name, CheckStatus.FAIL, message, evidence=evidence)
        return Check(self.name, CheckStatus.PASS, numbers, evidence=evidence)
