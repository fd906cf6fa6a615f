"""The holdout gate as one check of a larger gate: complete evidence, copying, lift, constant answer, guards."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.verdict import Check, Evidence
from gates.gate import GateInput
from gates.holdout import HoldoutGate


@dataclass(frozen=True)
class Heldout:
    """What :class:`~gates.holdout.HoldoutGate` asks; its numbers are those of the task's ``gate`` section."""

    gate: HoldoutGate = field(default_factory=HoldoutGate)
    required: bool = True
    name: str = field(default="heldout", init=False)
    summary: str = field(default="a proven lift on unseen rows, nothing copied, guards kept", init=False)
    asks: bool = field(default=False, init=False)

    def check(self, dossier: GateInput) -> tuple[Check, ...]:
        """Every check of the holdout gate."""
        return self._examine(dossier)[0]

    def measure(self, dossier: GateInput) -> Evidence | None:
        """The paired comparison; None when a row has no score."""
        return self._examine(dossier)[1]

    def _examine(self, dossier: GateInput) -> tuple[tuple[Check, ...], Evidence | None]:
        return self.gate.examine(
            dossier.baseline,
            dossier.candidate,
            dossier.baseline_prompts,
            dossier.candidate_prompts,
            corpus=dossier.corpus,
            constant=dossier.constant,
            opening=dossier.opening,
        )
