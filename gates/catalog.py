"""The named gates and their checks: ``heldout`` asks whether a prompt is better, ``production`` also whether it may go.

A check's own class is the section of a task file that sets it, so that a new check is its file and a line here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model

from core.catalog import Catalog
from core.errors import Problem
from core.section import Section
from core.verdict import Verdict
from gates.budget import CostCheck
from gates.canaries import Canaries
from gates.coverage import Coverage
from gates.dimensions import Dimensions
from gates.gate import CheckSection, GateInput, TaskFacts, decide, same_prompt
from gates.hacking import Hacking
from gates.heldout import Heldout, Proof
from gates.neutralisation import Neutralisation
from gates.overfit import Overfit
from gates.redteam import RedTeam

CHECKS: Catalog[CheckSection] = Catalog(
    "gate check",
    (Coverage(), Overfit(), Dimensions(), CostCheck(), Hacking(), Canaries(), RedTeam(), Neutralisation()),
)


class _Named(Section):
    """Checks beyond the comparison; a check named here is asked, unless it says ``enabled: false``."""

    def named(self) -> tuple[CheckSection, ...]:
        """The checks that are named, as they are set."""
        found = (getattr(self, name) for name in type(self).model_fields)
        return tuple(check for check in found if check is not None)


if TYPE_CHECKING:
    ChecksSection = _Named
else:
    keys: dict[str, Any] = {check.name: (type(check) | None, None) for check in CHECKS}
    ChecksSection = create_model("ChecksSection", __base__=_Named, __doc__=_Named.__doc__, **keys)


class GateSection(Proof):
    """When a prompt may be promoted."""

    name: Literal["heldout", "production"] = Field(
        default="heldout", description="heldout asks whether it is better; production whether it may be let loose."
    )
    repeats: int = Field(default=1, ge=1, description="Times that each holdout row is really run, per prompt.")
    beat_constant: bool = Field(default=True, description="Whether it must beat the best constant answer.")
    checks: ChecksSection = ChecksSection()


@dataclass(frozen=True)
class Gate:
    """A named set of checks, the first of which is the comparison on the holdout."""

    name: str
    summary: str
    heldout: Heldout = field(default_factory=Heldout)
    checks: tuple[CheckSection, ...] = ()

    def no_op(self) -> Verdict:
        """The verdict on a winner that is the champion itself; the holdout stays closed."""
        return same_prompt(
            "no candidate beat the seed prompt on dev, so there is nothing to promote; the holdout stays closed"
        )

    def decide(self, gate_input: GateInput) -> Verdict:
        """The verdict on what is known of champion and challenger."""
        return decide((self.heldout, *self.checks), gate_input)

    def runs(self, holdout: int) -> int:
        """How many program runs the checks add at most, confirmations aside; ``holdout`` counts the holdout's rows."""
        return sum(check.runs(holdout) for check in self.checks)


HELDOUT = Gate("heldout", "is it proven better?")
PRODUCTION = Gate(
    "production", "may it also be let loose?", checks=tuple(c for c in CHECKS if not isinstance(c, Coverage))
)
GATES: Catalog[Gate] = Catalog("gate", (HELDOUT, PRODUCTION))


def build_gate(section: GateSection, root: Path | None = None) -> Gate:
    """Build the gate that a task's ``gate`` section asks for.

    A check that the section names is part of the gate unless it says ``enabled: false``.

    Args:
        section: The ``gate`` section.
        root: The workspace, which relative paths are relative to.
    """
    base = GATES.get(section.name)
    chosen: dict[str, CheckSection] = {check.name: check for check in base.checks}
    for check in section.checks.named():
        chosen.pop(check.name, None)
        if check.enabled:
            chosen[check.name] = check if root is None else check.within(root)
    coverage = chosen.pop(Coverage().name, None)
    proof = Proof(**{name: getattr(section, name) for name in Proof.model_fields})
    heldout = Heldout(proof=proof, coverage=coverage if isinstance(coverage, Coverage) else Coverage())
    return Gate(base.name, base.summary, heldout, tuple(chosen[name] for name in CHECKS.names if name in chosen))


def gate_problems(section: GateSection, facts: TaskFacts, root: Path) -> tuple[Problem, ...]:
    """Every setting of a task's ``gate`` section that cannot work for the task; keys count from the task file's top.

    Args:
        section: The ``gate`` section.
        facts: The task.
        root: The workspace, which relative paths are relative to.
    """
    found = [replace(problem, key=f"gate.{problem.key}") for problem in section.problems(facts)]
    for check in section.checks.named():
        found += [
            replace(problem, key=f"gate.checks.{check.name}.{problem.key}")
            for problem in (check.within(root).problems(facts) if check.enabled else ())
        ]
    return tuple(found)
