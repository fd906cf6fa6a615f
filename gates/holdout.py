"""The holdout gate: may this prompt replace that one? Decided on rows that no optimiser has seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.candidate import ProgramPrompts
from core.evaluation import Evaluation, RowStatus
from core.verdict import Check, CheckStatus, Decision, Evidence, Verdict, size_of_lift
from gates.constant import constant_check
from gates.copying import CorpusText, copying_check
from stats import (
    PairedDecision,
    adjusted_lift,
    compare_scores,
    mde,
    minimum_pairs,
    opening_alpha,
    rows_to_show,
    t_interval,
)
from stats.paired import TWO_POINT, WORST_CASE_ALPHAS

LIFT = "lift"
HOPELESS = 0.01
"""Below this share of a row's standard deviation a lift would take some hundred thousand rows to prove."""


@dataclass(frozen=True)
class Guard:
    """A field that must not get worse by more than ``tolerance`` (on the [0, 1] scale)."""

    field: str
    tolerance: float = 0.05


@dataclass(frozen=True)
class HoldoutGate:
    """Promotes only what is proven better on paired holdout rows.

    Args:
        margin: The lift that must be exceeded; the lower bound has to be strictly above it.
        alpha: Two-sided level of the first opening; the k-th opening of the same holdout gets ``alpha / k**2``. The
            rule promotes on one side only, so that the levels of all openings sum to 0.82 alpha.
        min_rows: Fewer holdout rows than this never promote: below 20 a rare disaster can hide behind a clean sweep.
        guards: Fields that must not drop.
    """

    margin: float = 0.0
    alpha: float = 0.05
    min_rows: int = 20
    guards: tuple[Guard, ...] = ()

    @classmethod
    def from_config(cls, config: Any) -> HoldoutGate:
        """Build the gate from a task's ``gate`` section."""
        return cls(
            config.margin, config.alpha, config.min_rows, tuple(Guard(g.field, g.tolerance) for g in config.guards)
        )

    def no_op(self) -> Verdict:
        """The verdict on a winner that is the seed itself; the holdout stays closed."""
        message = "no candidate beat the seed prompt on dev, so there is nothing to promote; the holdout stays closed"
        return Verdict(Decision.HOLD, (message,), (Check("no-op", CheckStatus.FAIL, message),))

    def decide(
        self,
        baseline: Evaluation,
        candidate: Evaluation,
        baseline_prompts: ProgramPrompts,
        candidate_prompts: ProgramPrompts,
        *,
        corpus: Iterable[CorpusText] = (),
        constant: Evaluation | None = None,
        opening: int = 1,
    ) -> Verdict:
        """Compare two evaluations of the same holdout rows.

        Args:
            baseline: The champion's evaluation.
            candidate: The challenger's evaluation, on the same rows in the same order.
            baseline_prompts: The champion's prompts.
            candidate_prompts: The challenger's prompts; equal prompts are a no-op.
            corpus: All rows' texts, to find prompts that carry rows inside them.
            constant: The best constant answer on the same rows, when there is one.
            opening: How many times this holdout has been opened for this task, counting this one.

        Raises:
            ValueError: If the two evaluations are not of the same rows in the same order.
        """
        if baseline_prompts.hash == candidate_prompts.hash:
            return self.no_op()
        checks, evidence = self.examine(
            baseline,
            candidate,
            baseline_prompts,
            candidate_prompts,
            corpus=corpus,
            constant=constant,
            opening=opening,
        )
        return conclude(checks, evidence)

    def examine(
        self,
        baseline: Evaluation,
        candidate: Evaluation,
        baseline_prompts: ProgramPrompts,
        candidate_prompts: ProgramPrompts,
        *,
        corpus: Iterable[CorpusText] = (),
        constant: Evaluation | None = None,
        opening: int = 1,
    ) -> tuple[tuple[Check, ...], Evidence | None]:
        """The checks that :meth:`decide` decides by, and the paired evidence; None when a row has no score.

        Raises:
            ValueError: If the two evaluations are not of the same rows in the same order.
        """
        if [r.row_id for r in baseline.rows] != [r.row_id for r in candidate.rows]:
            raise ValueError("unpaired evidence: the two evaluations are not of the same rows in the same order")
        checks = [_complete(baseline, candidate), copying_check(baseline_prompts, candidate_prompts, corpus)]
        if checks[0].status is not CheckStatus.PASS:
            return tuple(checks), None
        alpha = opening_alpha(self.alpha * math.pi**2 / 6, opening)  # the first opening keeps all of alpha
        decision = _decide(baseline, candidate, self.margin, alpha)
        evidence = _evidence(baseline, candidate, decision, alpha, self.margin, opening)
        needed = max(self.min_rows, minimum_pairs(alpha))
        if evidence.n >= needed and (size := adjusted_lift(decision)):
            evidence = replace(evidence, delta_adjusted=size.estimate, adjusted_low=size.low, adjusted_high=size.high)
        checks.append(_lift_check(decision, evidence, needed))
        if constant is not None:
            checks.append(constant_check(candidate, constant))
        checks += [_guard_check(guard, baseline, candidate, alpha) for guard in self.guards]
        return tuple(checks), evidence


def _scores(evaluation: Evaluation) -> list[float]:
    return [row.score for row in evaluation.rows if row.score is not None]


def _decide(baseline: Evaluation, candidate: Evaluation, margin: float, alpha: float) -> PairedDecision:
    before = {row.row_id: row.score for row in baseline.rows if row.score is not None}
    after = {row.row_id: row.score for row in candidate.rows if row.score is not None}
    return compare_scores(before, after, margin=margin, alpha=alpha)


def _complete(baseline: Evaluation, candidate: Evaluation) -> Check:
    lacking = [
        f"{row.row_id} ({name}: {row.status}{': ' + row.error if row.error else ''})"
        for name, evaluation in (("baseline", baseline), ("candidate", candidate))
        for row in evaluation.rows
        if row.status is not RowStatus.OK
    ]
    if not baseline.rows:
        return Check("complete evidence", CheckStatus.NOT_EVALUATED, "the holdout has no rows")
    if lacking:
        message = f"{len(lacking)} holdout rows have no score, and unequal evidence is not compared: {lacking[0]}"
        return Check("complete evidence", CheckStatus.NOT_EVALUATED, message, evidence={"rows": lacking[:20]})
    return Check("complete evidence", CheckStatus.PASS, f"all {len(baseline.rows)} rows are scored for both prompts")


def _evidence(
    baseline: Evaluation,
    candidate: Evaluation,
    decision: PairedDecision,
    alpha: float,
    margin: float,
    opening: int,
) -> Evidence:
    before, after = _scores(baseline), _scores(candidate)
    deltas = [b - a for a, b in zip(before, after, strict=True)]
    n = len(deltas)
    mean = sum(deltas) / n
    sd = (sum((d - mean) ** 2 for d in deltas) / (n - 1)) ** 0.5 if n > 1 else 0.0
    return Evidence(
        n=n,
        baseline=sum(before) / n,
        candidate=sum(after) / n,
        delta=mean,
        low=decision.low,
        high=decision.high,
        p_value=decision.p_value,
        alpha=alpha,
        margin=margin,
        sd=sd if n > 1 and sd > 0 else None,
        mde=_smallest(n, sd, margin, alpha, decision.method) if n >= minimum_pairs(alpha) and sd > 0 else None,
        method=decision.method,
        wins=decision.wins,
        losses=decision.losses,
        ties=decision.ties,
        opening=opening,
        fields=_fields(baseline, candidate, alpha),
    )


def _smallest(n: int, sd: float, margin: float, alpha: float, method: str) -> float:
    """The lift that so many rows show with 80 % power; where scores are graded, also past the veto of rare losses."""
    lift = mde(n, sd, margin=margin, alpha=alpha)
    if method == TWO_POINT:
        return lift
    unseen = min(1.0, WORST_CASE_ALPHAS * alpha) ** (-1 / n)
    return max(lift, (1 + margin) * unseen - 1)


def _fields(
    baseline: Evaluation, candidate: Evaluation, alpha: float
) -> Mapping[str, tuple[float, float, float, float]]:
    """Per field; empty for a single row, which has no interval."""
    result = {}
    for name in baseline.rows[0].fields if len(baseline.rows) > 1 else ():
        before = [row.fields[name] for row in baseline.rows]
        after = [row.fields[name] for row in candidate.rows]
        deltas = [b - a for a, b in zip(before, after, strict=True)]
        interval = t_interval(deltas, confidence=1 - alpha)
        result[name] = (sum(before) / len(before), sum(after) / len(after), interval.low, interval.high)
    return result


def _lift_check(decision: PairedDecision, evidence: Evidence, needed: int) -> Check:
    if evidence.n < needed:
        message = f"{evidence.n} holdout rows are too few to prove a lift; at least {needed} are needed"
        return Check(LIFT, CheckStatus.NOT_EVALUATED, message)
    numbers = (
        f"lift {decision.mean:+.3f}, {100 * (1 - evidence.alpha):.4g} % interval "
        f"{decision.low:+.3f} to {decision.high:+.3f}, p = {decision.p_value:.2g}, n = {decision.n}"
    )
    if decision.promote:
        return Check(LIFT, CheckStatus.PASS, f"{numbers}: proven above {evidence.margin:+.3f}{size_of_lift(evidence)}")
    return Check(LIFT, CheckStatus.FAIL, f"{numbers}: not proven above {evidence.margin:+.3f} ({decision.reason})")


def _guard_check(guard: Guard, baseline: Evaluation, candidate: Evaluation, alpha: float) -> Check:
    name = f"guard {guard.field}"
    before = [row.fields.get(guard.field) for row in baseline.rows]
    after = [row.fields.get(guard.field) for row in candidate.rows]
    deltas = [b - a for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    if len(deltas) != len(before) or len(deltas) < 2:
        return Check(name, CheckStatus.NOT_EVALUATED, f"the metric reports no field {guard.field!r} for every row")
    interval = t_interval(deltas, confidence=1 - alpha)
    mean = sum(deltas) / len(deltas)
    text = f"{guard.field} changed by {mean:+.3f} (at worst {interval.low:+.3f}); allowed is {-guard.tolerance:+.3f}"
    status = CheckStatus.FAIL if interval.low < -guard.tolerance else CheckStatus.PASS
    return Check(name, status, text)


def conclude(checks: tuple[Check, ...], evidence: Evidence | None) -> Verdict:
    """PROMOTE when every required check passes; INCONCLUSIVE when only the lift is open and points upward.

    Without evidence nothing was compared, and the verdict is INCONCLUSIVE by the first check.
    """
    if evidence is None:
        return Verdict(Decision.INCONCLUSIVE, (checks[0].message,), checks)
    open_checks = [c for c in checks if c.required and c.status is not CheckStatus.PASS]
    if not open_checks:
        lift = next(c for c in checks if c.name == LIFT)
        return Verdict(Decision.PROMOTE, (lift.message,), checks, evidence)
    reasons = tuple(c.message for c in open_checks)
    only_lift = all(c.name == LIFT for c in open_checks)
    if only_lift and evidence.delta > evidence.margin:
        return Verdict(Decision.INCONCLUSIVE, (*reasons, *remedy(evidence)), checks, evidence)
    return Verdict(Decision.HOLD, reasons, checks, evidence)


def remedy(evidence: Evidence) -> tuple[str, ...]:
    """What would settle an inconclusive verdict."""
    if evidence.mde is None or evidence.sd is None or evidence.delta <= evidence.margin:
        return ()
    shown = f"{evidence.n} rows can show a lift of {evidence.mde:.3f} with 80 % power"
    if evidence.delta - evidence.margin < HOPELESS * evidence.sd:
        return (f"{shown}; no number of rows worth paying for would settle a lift as small as {evidence.delta:+.2g}",)
    rows = rows_to_show(evidence.delta - evidence.margin, 1 + evidence.delta, evidence.sd, evidence.alpha)
    if rows is None:
        return (shown,)
    return (f"{shown}; about {max(rows, evidence.n + 1)} rows would settle a true lift of {evidence.delta:+.3f}",)
