"""Does a verdict follow from the rows it was stored with? Means, lift, interval and decision, computed again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from core.corpus import Row
from core.results import Check, CheckStatus, Decision, Evaluation, Evidence, Optimization, RowStatus, Verdict
from gates.constant import NAME as CONSTANT
from gates.copying import CorpusText
from gates.holdout import LIFT, HoldoutGate
from metrics.metric import Metric

CLOSE = 1e-9
"""Rounding that another version of a numerical library may bring."""
NUMBERS = ("n", "baseline", "candidate", "delta", "low", "high", "p_value", "alpha", "wins", "losses", "ties", "mde")


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


def audit_verdict(
    o: Optimization,
    gate: HoldoutGate,
    *,
    corpus: Iterable[CorpusText] | None = None,
    constant: Evaluation | None = None,
) -> list[str]:
    """What the gate says differently when it is asked again.

    Checks that need what is not given (``corpus`` for copied rows, ``constant`` for the constant answer) and checks of
    other gates are taken as they are stored; the decision has to follow from all of them together.
    """
    before, after, said = o.holdout_baseline, o.holdout_candidate, o.verdict
    if before is None or after is None:
        return _audit_closed(o, gate)
    try:
        again = gate.decide(
            before,
            after,
            o.baseline,
            o.winner,
            corpus=corpus or (),
            constant=constant,
            opening=said.evidence.opening if said.evidence else 1,
        )
    except ValueError as error:
        return [f"holdout: {error}"]
    unknown = {"copying"} if corpus is None else set[str]()
    found = _audit_evidence(said.evidence, again.evidence)
    recomputed = {check.name: check for check in again.checks if check.name not in unknown}
    stored = {check.name: check for check in said.checks}
    for name, check in recomputed.items():
        if name not in stored:
            found.append(f"check {name!r}: not in the stored verdict, the rows give {check.status.value}")
        elif stored[name].status is not check.status:
            found.append(f"check {name!r}: stored {stored[name].status.value}, the rows give {check.status.value}")
    merged = [recomputed.get(check.name, check) for check in said.checks]
    return found + _audit_decision(said, merged, again, own={*recomputed, "copying", CONSTANT})


def _audit_closed(o: Optimization, gate: HoldoutGate) -> list[str]:
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
    found = [
        f"{name}: stored {getattr(said, name)}, the rows give {getattr(again, name)}"
        for name in NUMBERS
        if not _close(getattr(said, name), getattr(again, name))
    ]
    for name in sorted({*said.fields, *again.fields}):
        pair = zip(said.fields.get(name, ()), again.fields.get(name, ()), strict=False)
        if len(said.fields.get(name, ())) != len(again.fields.get(name, ())) or not all(_close(a, b) for a, b in pair):
            found.append(f"field {name}: stored {said.fields.get(name)}, the rows give {again.fields.get(name)}")
    return found


def _audit_decision(said: Verdict, checks: Sequence[Check], again: Verdict, own: set[str]) -> list[str]:
    """The decision that the checks lead to; where another gate's check is open, only a promotion is impossible."""
    open_checks = [c for c in checks if c.required and c.status is not CheckStatus.PASS]
    if not open_checks:
        expected = (Decision.PROMOTE,)
    elif any(c.name not in own for c in open_checks):
        expected = (Decision.HOLD, Decision.INCONCLUSIVE)
    elif again.evidence is None:
        expected = (again.decision,)
    elif all(c.name == LIFT for c in open_checks) and again.evidence.delta > again.evidence.margin:
        expected = (Decision.INCONCLUSIVE,)
    else:
        expected = (Decision.HOLD,)
    if said.decision in expected:
        return []
    return [f"verdict: stored {said.decision}, the rows give {' or '.join(d.value for d in expected)}"]


def _close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE)
