"""Is it proven, on rows that no optimiser has seen? The comparison itself, and what must hold beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, field_validator, model_validator

from core.errors import Problem
from core.evaluation import RowStatus
from core.section import Section
from core.verdict import Bounded, Check, CheckStatus, Claim, Evidence, size_of_lift
from gates.constant import constant_check, unknown_constant
from gates.copying import copying_check
from gates.coverage import Coverage
from gates.gate import LIFT, NOT_WORSE, CheckSection, GateInput, TaskFacts
from gates.pairs import field_pairs, score_pairs, scored_twice

if TYPE_CHECKING:
    from stats import PairedDecision


INSTEAD = "to ask whether a prompt is not worse by more than 0.02, set gate.non_inferiority: 0.02"


class Guard(Section):
    """A field that must not get worse by more than ``tolerance``."""

    field: str
    tolerance: float = Field(default=0.05, ge=0, le=1)


class Proof(Section):
    """What has to be proven, how surely, and what must not be lost on the way."""

    margin: float = Field(default=0.0, lt=1, description="The lift that must be exceeded, at least 0.")
    non_inferiority: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Ask another question: not whether it is better, but whether it is not worse by more than this.",
    )
    alpha: float = Field(
        default=0.05, gt=0, lt=0.5, description="Two-sided level of the first opening; the k-th has alpha / k**2."
    )
    min_rows: int = Field(default=20, ge=5, description="Fewer holdout rows than this never promote.")
    guards: tuple[Guard, ...] = Field(default=(), description="Fields that must not drop.")

    @field_validator("margin")
    @classmethod
    def _is_a_lift(cls, margin: float) -> float:
        if not margin >= 0:
            raise ValueError(f"a negative margin would let a worse prompt pass as better; {INSTEAD}")
        return margin

    @model_validator(mode="after")
    def _asks_one_question(self) -> Self:
        if self.non_inferiority is not None and self.margin > 0:
            raise ValueError("margin asks whether it is better, non_inferiority whether it is not worse; set one")
        return self

    def problems(self, facts: TaskFacts) -> tuple[Problem, ...]:
        """Rows that the holdout does not have, and guards on fields that the metric does not report."""
        found = [p for i, g in enumerate(self.guards) for p in facts.unknown(f"guards.{i}.field", g.field)]
        default = Proof.model_fields["min_rows"].default
        if 0 < facts.holdout < self.min_rows and self.min_rows > default:
            said = f"{self.min_rows} is more than the {facts.holdout} rows of the holdout: nothing could be promoted"
            found.append(Problem("", None, "min_rows", said, "lower it, or add rows"))
        return tuple(found)

    def level(self, opening: int) -> float:
        """The level at which the k-th opening of a holdout is judged; the first keeps all of alpha."""
        from stats import opening_alpha

        return opening_alpha(self.alpha * math.pi**2 / 6, opening)

    @property
    def claim(self) -> Claim:
        """What a promotion then says."""
        return "better" if self.non_inferiority is None else "not worse"

    @property
    def above(self) -> float:
        """What the mean change must be proven to exceed."""
        return self.margin if self.non_inferiority is None else -self.non_inferiority


class Heldout(CheckSection, name="heldout", summary="a proven lift on unseen rows, nothing copied, guards kept"):
    """Promotes only what is proven on paired holdout rows, copies none of them, and keeps what is guarded.

    Below 20 rows a rare disaster can hide behind a clean sweep, hence ``min_rows``. The levels of all openings of one
    holdout sum to 0.82 alpha, because the rule promotes on one side only.
    """

    proof: Proof = Proof()
    coverage: Coverage = Coverage()

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """Outcomes, copying, the comparison, the constant answer, and guards; the last three need the first."""
        checks = [
            *self.coverage.check(gate_input),
            copying_check(gate_input.champion_prompts, gate_input.challenger_prompts, gate_input.corpus),
        ]
        evidence = self.measure(gate_input)
        if evidence is None:
            return tuple(checks)
        decision = self._decision(gate_input)
        checks.append(_comparison(decision, evidence, self._needed(evidence.alpha)))
        if gate_input.constant is not None:
            checks.append(constant_check(gate_input.challenger, gate_input.constant))
        elif gate_input.no_constant:
            checks.append(unknown_constant(gate_input.no_constant))
        checks += [_guard(guard, gate_input, evidence.alpha) for guard in self.proof.guards]
        return tuple(checks)

    def measure(self, gate_input: GateInput) -> Evidence | None:
        """The paired comparison; None when too many rows lack an outcome."""
        from stats import adjusted_lift, forecast_verdicts

        if any(check.status is not CheckStatus.PASS for check in self.coverage.check(gate_input)):
            return None
        decision = self._decision(gate_input)
        size = adjusted_lift(decision) if self._is_proven_lift(decision) else None
        both = scored_twice(gate_input)
        before, after = score_pairs(gate_input)
        deltas = [b - a for a, b in zip(before, after, strict=True)]
        n = len(deltas)
        sd = (sum((d - decision.mean) ** 2 for d in deltas) / (n - 1)) ** 0.5 if n > 1 else 0.0
        shows = forecast_verdicts(n, before, after, alpha=decision.alpha, margin=decision.margin) if sd > 0 else None
        return Evidence(
            n=n,
            baseline=sum(a.score or 0.0 for a, _ in both) / len(both),
            candidate=sum(b.score or 0.0 for _, b in both) / len(both),
            delta=decision.mean,
            low=decision.low,
            high=decision.high,
            p_value=decision.p_value,
            alpha=decision.alpha,
            margin=decision.margin,
            sd=sd if n > 1 and sd > 0 else None,
            mde=shows.mde if shows else None,
            method=decision.method,
            wins=decision.wins,
            losses=decision.losses,
            ties=decision.ties,
            opening=gate_input.opening,
            fields=_fields(gate_input, decision.alpha),
            claim=self.proof.claim,
            bounded=self._bounded(gate_input) if len(both) < n else None,
            delta_adjusted=size.estimate if size else None,
            adjusted_low=size.low if size else None,
            adjusted_high=size.high if size else None,
        )

    def _needed(self, alpha: float) -> int:
        from stats import minimum_pairs

        return max(self.proof.min_rows, minimum_pairs(alpha))

    def _is_proven_lift(self, decision: PairedDecision) -> bool:
        return self.proof.claim == "better" and decision.promote and decision.n >= self._needed(decision.alpha)

    def _decision(self, gate_input: GateInput) -> PairedDecision:
        return self._compare(*score_pairs(gate_input), gate_input.opening)

    def _compare(self, before: list[float], after: list[float], opening: int) -> PairedDecision:
        from stats import paired_decision, two_point_unit

        alpha = self.proof.level(opening)
        deltas = [b - a for a, b in zip(before, after, strict=True)]
        return paired_decision(deltas, margin=self.proof.above, alpha=alpha, unit=two_point_unit([*before, *after]))

    def _bounded(self, gate_input: GateInput) -> Bounded:
        both = scored_twice(gate_input)
        alone = self._compare([a.score or 0.0 for a, _ in both], [b.score or 0.0 for _, b in both], gate_input.opening)
        sides = (gate_input.champion, gate_input.challenger)
        unreadable = tuple(side.count(RowStatus.PARSE_ERROR) for side in sides)
        lacking = tuple(len(side.rows) - len(side.scored) for side in sides)
        return Bounded(
            unreadable=(unreadable[0], unreadable[1]),
            errors=(lacking[0] - unreadable[0], lacking[1] - unreadable[1]),
            n=alone.n,
            delta=alone.mean,
            low=alone.low,
            high=alone.high,
            p_value=alone.p_value,
        )


def _fields(gate_input: GateInput, alpha: float) -> Mapping[str, tuple[float, float, float, float]]:
    """Per field, over the rows that both have a score of; empty for a single row, which has no interval."""
    from stats import t_interval

    both = scored_twice(gate_input)
    result: dict[str, tuple[float, float, float, float]] = {}
    for name in both[0][0].fields if len(both) > 1 else ():
        if not all(name in row.fields for pair in both for row in pair):
            continue
        before, after = ([pair[side].fields[name] for pair in both] for side in (0, 1))
        interval = t_interval([b - a for a, b in zip(before, after, strict=True)], confidence=1 - alpha)
        result[name] = (sum(before) / len(before), sum(after) / len(after), interval.low, interval.high)
    return result


def _comparison(decision: PairedDecision, evidence: Evidence, needed: int) -> Check:
    name = LIFT if evidence.claim == "better" else NOT_WORSE
    if evidence.n < needed:
        message = f"{evidence.n} holdout rows are too few to prove anything; at least {needed} are needed"
        return Check(name, CheckStatus.NOT_EVALUATED, message)
    what = f"{'lift' if name == LIFT else 'change'} {decision.mean:+.3f}"
    numbers = (
        f"{what}, {100 * (1 - evidence.alpha):.4g} % interval {decision.low:+.3f} to {decision.high:+.3f}, "
        f"p = {decision.p_value:.2g}, n = {decision.n}{_without(evidence.bounded)}"
    )
    claim = f"above {evidence.margin:+.3f}"
    if name == NOT_WORSE:
        claim = f"not worse than the current prompt by more than {-evidence.margin:g}"
    if decision.promote:
        return Check(name, CheckStatus.PASS, f"{numbers}: proven {claim}{size_of_lift(evidence)}")
    return Check(name, CheckStatus.FAIL, f"{numbers}: not proven {claim} ({decision.reason})")


def _without(bounded: Bounded | None) -> str:
    """How many answers were bounded, and the figures without them."""
    if bounded is None:
        return ""
    sides = [
        f"{count} of the {name}'s {what} as {bound}"
        for what, counts in (("unreadable answers", bounded.unreadable), ("failed answers", bounded.errors))
        for name, count, bound in (("champion", counts[0], 1), ("challenger", counts[1], 0))
        if count
    ]
    alone = f"{bounded.delta:+.3f} ({bounded.low:+.3f} to {bounded.high:+.3f}) on the {bounded.n} rows without"
    return f" with {' and '.join(sides)}; {alone}"


def _guard(guard: Guard, gate_input: GateInput, alpha: float) -> Check:
    from stats import t_interval

    name = f"guard {guard.field}"
    pairs = field_pairs(gate_input, guard.field)
    if pairs is None or len(pairs[0]) < 2:
        return Check(name, CheckStatus.NOT_EVALUATED, f"the metric reports no field {guard.field!r} for every row")
    deltas = [b - a for a, b in zip(*pairs, strict=True)]
    interval = t_interval(deltas, confidence=1 - alpha)
    mean = sum(deltas) / len(deltas)
    text = f"{guard.field} changed by {mean:+.3f} (at worst {interval.low:+.3f}); allowed is {-guard.tolerance:+.3f}"
    return Check(name, CheckStatus.FAIL if interval.low < -guard.tolerance else CheckStatus.PASS, text)
