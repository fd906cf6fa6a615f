"""Does a verdict follow from the rows it was stored with? Means, lift, interval and decision, computed again."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from core.evaluation import RowStatus
from core.optimization import Optimization
from core.verdict import Bounded, Check, CheckStatus, Decision, Evidence, Verdict
from data.corpus import Row
from gates.catalog import Gate
from gates.constant import NAME as CONSTANT
from gates.gate import LIFT, NOT_WORSE, GateCheck, GateInput, decide
from gates.heldout import Heldout
from metrics.metric import Metric

CLOSE = 1e-9
"""Rounding that another version of a numerical library may bring."""
NUMBERS = (
    "n", "baseline", "candidate", "delta", "low", "high", "p_value", "alpha", "margin", "wins", "losses", "ties",
)  # fmt: skip

ADJUSTED = ("delta_adjusted", "adjusted_low", "adjusted_high")
"""Numbers that a record from before they were measured does not have."""


def audit_scores(o: Optimization) -> list[str]:
    """Means that do not follow from the rows they are means of."""
    found: list[str] = []
    for candidate in o.candidates:
        scores = list(candidate.dev_scores.values())
        mean = sum(scores) / len(scores) if scores else None
        if not _close(mean, candidate.dev_score):
            found.append(f"candidate #{candidate.index}: dev score {candidate.dev_score}, its rows give {mean}")
    seed, dev = o.candidates[0], {row.row_id: row.score for row in o.dev_baseline.scored}
    found += [
        f"dev row {row_id!r}: the baseline evaluation has {dev.get(row_id)}, candidate #0 has {score}"
        for row_id, score in seed.dev_scores.items()
        if not _close(dev.get(row_id), score)
    ]
    if o.winner.hash != o.candidates[o.winner_index].prompts.hash:
        found.append(f"winner: its prompt is not that of candidate #{o.winner_index}")
    if o.baseline.hash != seed.prompts.hash:
        found.append("baseline: its prompt is not that of candidate #0")
    return found


def audit_judgements(o: Optimization, metric: Metric) -> list[str]:
    """Rows whose score is not what the metric gives for their stored gold and prediction."""
    found: list[str] = []
    parts = (("dev baseline", o.dev_baseline), ("baseline", o.holdout_baseline), ("candidate", o.holdout_candidate))
    for name, evaluation in parts:
        for row in evaluation.rows if evaluation else ():
            if row.status is RowStatus.OK:
                score = metric.judge(Row(row.row_id, row.inputs, row.gold), dict(row.prediction)).score
                if not _close(score, row.score):
                    found.append(f"{name} row {row.row_id!r}: score {row.score}, the metric gives {score:.6g}")
    return found


def audit_verdict(o: Optimization, gate: Gate, gate_input: GateInput, taken: Collection[str] = ()) -> list[str]:
    """What the gate says differently when it is asked again about the stored rows.

    Checks that ask models are taken as they were stored, and so are those named in ``taken``; the decision has to
    follow from all of them together.

    Args:
        o: The outcome as it is stored.
        gate: The gate of the run.
        gate_input: The evidence that the stored rows give.
        taken: Names of checks, or of gate checks, for which the gate_input does not hold what they need.
    """
    said = o.verdict
    stored: dict[str, list[Check]] = defaultdict(list)
    for check in said.checks:
        stored[check.name].append(check)
    try:
        again = _again(gate, gate_input, stored, frozenset(taken))
    except ValueError as error:
        return [f"holdout: {error}"]
    found = _audit_evidence(said.evidence, again.evidence) + _audit_checks(stored, again.checks)
    if said.decision is not again.decision:
        found.append(f"verdict: stored {said.decision}, the rows give {again.decision}")
    return found


def _again(gate: Gate, gate_input: GateInput, stored: Mapping[str, list[Check]], taken: frozenset[str]) -> Verdict:
    heldout = _Stored(gate.heldout, stored, taken)
    known = {c.name: _as_stored(c, stored) for c in gate.checks if c.asks or c.name in taken}
    return decide((heldout, *gate.checks), gate_input, known)


def _as_stored(check: GateCheck, stored: Mapping[str, list[Check]]) -> tuple[Check, ...]:
    """A check's stored answers; a promotion that needs it needs it still, whatever the store says."""
    missing = Check(check.name, CheckStatus.NOT_EVALUATED, "not in the stored verdict")
    return tuple(replace(answer, required=check.required) for answer in stored.get(check.name) or [missing])


@dataclass(frozen=True)
class _Stored:
    """The holdout gate's checks, some of which are taken as they were stored."""

    heldout: Heldout
    stored: Mapping[str, list[Check]]
    taken: frozenset[str]
    required: bool = True
    name: str = "heldout"
    asks: bool = False

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """The checks in their order; the one with the constant answer comes after the lift."""
        found: list[Check] = []
        for check in self.heldout.check(gate_input):
            found.append(self._of(check.name) or check)
            if check.name in (LIFT, NOT_WORSE) and CONSTANT in self.taken and (constant := self._of(CONSTANT)):
                found.append(constant)
        return tuple(found)

    def _of(self, name: str) -> Check | None:
        answers = self.stored.get(name) if name in self.taken else None
        return replace(answers[0], required=True) if answers else None

    def measure(self, gate_input: GateInput) -> Evidence | None:
        """The paired comparison."""
        return self.heldout.measure(gate_input)


def _audit_checks(stored: Mapping[str, list[Check]], again: Sequence[Check]) -> list[str]:
    """Checks whose answer, or whose weight, is another one now; several of one name are compared in their order."""
    found: list[str] = []
    left = {name: list(checks) for name, checks in stored.items()}
    for check in again:
        if not left.get(check.name):
            found.append(f"check {check.name!r}: not in the stored verdict, the rows give {check.status.value}")
            continue
        said = left[check.name].pop(0)
        if said.status is not check.status:
            found.append(f"check {check.name!r}: stored {said.status.value}, the rows give {check.status.value}")
        elif said.required != check.required:
            weight = ("a promotion does not need it", "a promotion needs it")
            found.append(f"check {check.name!r}: stored is that {weight[said.required]}, but {weight[check.required]}")
    found += [f"check {name!r}: stored, and the gate has no such check" for name, checks in left.items() if checks]
    return found


def audit_closed(o: Optimization, gate: Gate) -> list[str]:
    """Without a holdout there is no evidence, and nothing but HOLD or INCONCLUSIVE."""
    same = o.winner.hash == o.baseline.hash
    expected = gate.no_op().decision if o.ended == "finished" and same else Decision.INCONCLUSIVE
    found = []
    if o.verdict.evidence is not None:
        found.append("evidence: there is some, and the holdout was not opened")
    if o.verdict.decision is not expected:
        found.append(f"verdict: stored {o.verdict.decision}, without a holdout it is {expected}")
    return found


def _audit_evidence(said: Evidence | None, again: Evidence | None) -> list[str]:
    if said is None or again is None:
        return [] if said is again else ["evidence: stored and recomputed evidence differ in whether there is any"]
    measured = any(getattr(said, name) is not None for name in ADJUSTED)
    found = [
        f"{name}: stored {getattr(said, name)}, the rows give {getattr(again, name)}"
        for name in (*NUMBERS, *(ADJUSTED if measured else ()))
        if not _close(getattr(said, name), getattr(again, name))
    ]
    if said.claim != again.claim:
        found.append(f"claim: stored {said.claim!r}, the gate asks {again.claim!r}")
    found += _audit_bounded(said.bounded, again.bounded)
    for name in sorted({*said.fields, *again.fields}):
        pair = zip(said.fields.get(name, ()), again.fields.get(name, ()), strict=False)
        if len(said.fields.get(name, ())) != len(again.fields.get(name, ())) or not all(_close(a, b) for a, b in pair):
            found.append(f"field {name}: stored {said.fields.get(name)}, the rows give {again.fields.get(name)}")
    return found


def _audit_bounded(said: Bounded | None, again: Bounded | None) -> list[str]:
    """Rows that were bounded, and the comparison without them."""
    if said is None or again is None:
        return [] if said is again else [f"bounded rows: stored {said}, the rows give {again}"]
    found = [] if said.unreadable == again.unreadable else [f"unreadable: {said.unreadable}, now {again.unreadable}"]
    found += [] if said.errors == again.errors else [f"errors: stored {said.errors}, the rows give {again.errors}"]
    return found + [
        f"{name} without bounded rows: stored {getattr(said, name)}, the rows give {getattr(again, name)}"
        for name in ("n", "delta", "low", "high", "p_value")
        if not _close(getattr(said, name), getattr(again, name))
    ]


def _close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE)
