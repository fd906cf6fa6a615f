"""Does the challenger win by what it says, or would any text of that shape do?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.candidate import ProgramPrompts, Prompt
from core.evaluation import Evaluation
from core.verdict import Check, CheckStatus
from gates.gate import GateInput

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


def kept_share(baseline: float, candidate: float, blanked: float) -> float | None:
    """The share of the lift that is left when the prompt says nothing; None when there was no lift."""
    lift = candidate - baseline
    return (blanked - baseline) / lift if lift > 0 else None


@dataclass(frozen=True)
class Neutralisation:
    """Fails when the blanked challenger keeps at least ``most`` of the lift; a placebo for prompts.

    Demos are blanked as well: a challenger that wins by its demos wins by what they say.
    """

    most: float = 0.5
    required: bool = True
    name: str = field(default="neutralisation", init=False)
    summary: str = field(default="the lift is gone when every character of the prompt is blanked", init=False)
    asks: bool = field(default=True, init=False)

    def check(self, dossier: GateInput) -> tuple[Check, ...]:
        """Score the blanked challenger on the holdout rows and see what is left of the lift."""
        if dossier.rescore is None:
            return (Check(self.name, CheckStatus.NOT_EVALUATED, "nothing here can score the blanked prompt"),)
        return (self._judge(dossier, dossier.rescore(neutralised(dossier.candidate_prompts))),)

    def _judge(self, dossier: GateInput, blanked: Evaluation) -> Check:
        by_id = [{r.row_id: r.score for r in e.scored} for e in (dossier.baseline, dossier.candidate, blanked)]
        shared = [row_id for row_id in by_id[0] if all(row_id in scores for scores in by_id)]
        if not shared or len(shared) < ENOUGH * len(dossier.candidate.rows):
            message = f"the blanked prompt has a score on {len(shared)} of {len(dossier.candidate.rows)} rows only"
            return Check(self.name, CheckStatus.NOT_EVALUATED, message)
        before, after, empty = (sum(scores[i] or 0.0 for i in shared) / len(shared) for scores in by_id)
        share = kept_share(before, after, empty)
        evidence = {"baseline": before, "candidate": after, "blanked": empty, "kept": share, "rows": len(shared)}
        if share is None:
            message = f"there is no lift to neutralise: {before:.3f} to {after:.3f}"
            return Check(self.name, CheckStatus.FAIL, message, evidence=evidence)
        numbers = f"with every character blanked the prompt keeps {100 * max(0.0, share):.0f} % of its lift"
        if share >= self.most - 1e-12:
            message = f"{numbers} (allowed is less than {100 * self.most:g} %), so the lift is not in what it says"
            return Check(self.name, CheckStatus.FAIL, message, evidence=evidence)
        return Check(self.name, CheckStatus.PASS, numbers, evidence=evidence)
