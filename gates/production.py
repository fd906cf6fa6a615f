"""The named gates: ``heldout`` asks whether a prompt is better, ``production`` also whether it may be let loose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.catalog import Catalog
from core.verdict import Verdict
from gates.budget import CostCheck
from gates.canaries import Canaries
from gates.coverage import Coverage
from gates.dimensions import Dimensions
from gates.gate import GateCheck, GateInput, decide
from gates.hacking import Hacking
from gates.heldout import Heldout
from gates.holdout import HoldoutGate
from gates.neutralisation import Neutralisation
from gates.overfit import Overfit
from gates.redteam import RedTeam

MEMBERS: tuple[GateCheck, ...] = (
    Heldout(),
    Coverage(),
    Overfit(),
    Dimensions(),
    CostCheck(),
    Hacking(),
    Canaries(),
    RedTeam(),
    Neutralisation(),
)
CHECKS: Catalog[GateCheck] = Catalog("gate check", MEMBERS)


@dataclass(frozen=True)
class Gate:
    """A named set of checks, the first of which is the holdout gate."""

    name: str
    summary: str
    holdout: HoldoutGate
    checks: tuple[GateCheck, ...] = ()

    def no_op(self) -> Verdict:
        """The verdict on a winner that is the champion itself; the holdout stays closed."""
        return self.holdout.no_op()

    def decide(self, dossier: GateInput) -> Verdict:
        """The verdict on a dossier; without further checks it is the holdout gate's own."""
        if self.checks:
            return decide((Heldout(self.holdout), *self.checks), dossier)
        return self.holdout.decide(
            dossier.baseline,
            dossier.candidate,
            dossier.baseline_prompts,
            dossier.candidate_prompts,
            corpus=dossier.corpus,
            constant=dossier.constant,
            opening=dossier.opening,
        )

    def runs(self, holdout: int) -> int:
        """How many program runs the checks that ask add at most, confirmations aside; ``holdout`` counts its rows."""
        battery = sum(2 * len(check.cases) for check in self.checks if isinstance(check, RedTeam))
        return battery + sum(holdout for check in self.checks if isinstance(check, Neutralisation))


HELDOUT = Gate("heldout", "is it proven better?", HoldoutGate())
PRODUCTION = Gate("production", "may it also be let loose?", HoldoutGate(), MEMBERS[1:])
GATES: Catalog[Gate] = Catalog("gate", (HELDOUT, PRODUCTION))


def build_gate(config: Any, root: Path | None = None) -> Gate:
    """Build the gate that a task's ``gate`` section asks for.

    A check that the section names is part of the gate unless it says ``enabled: false``.

    Args:
        config: The ``gate`` section.
        root: The workspace, which relative paths are relative to.

    Raises:
        UsageError: If there is no such gate or check.
    """
    base = GATES.get(config.name)
    chosen = {check.name: check for check in base.checks}
    for name, settings in config.checks.named().items():
        if not settings.pop("enabled"):
            chosen.pop(name, None)
            continue
        chosen[name] = _with(CHECKS.get(name), settings, root)
    ordered = tuple(chosen[name] for name in CHECKS.names if name in chosen)
    return Gate(base.name, base.summary, HoldoutGate.from_config(config), ordered)


def _with(check: Any, settings: Mapping[str, Any], root: Path | None) -> GateCheck:
    given = {key: value for key, value in settings.items() if value is not None}
    if root is not None and "battery" in given:
        given["battery"] = str(root / given["battery"])
    return replace(check, **given)
