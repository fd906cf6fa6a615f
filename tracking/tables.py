"""Records as the numbers and tables that MLflow shows; knows no MLflow."""

from __future__ import annotations

from typing import Any

from core.cells import Cell, JudgeCard, ScoreEstimate
from core.evaluation import Evaluation
from core.optimization import Optimization
from core.verdict import Decision, Evidence, Verdict

Numbers = dict[str, float | None]
"""A number by its name in MLflow; None is unknown and not written."""


def optimization_numbers(o: Optimization) -> Numbers:
    """The single numbers of an optimisation, as they appear in the leaderboard."""
    usage = o.total_usage
    return {
        **verdict_numbers(o.verdict),
        "usd": usage.cost_usd,
        "seconds": o.seconds,
        "dev/score": o.candidates[o.winner_index].claim,
        "dev/baseline": o.dev_baseline.mean,
        "cost/tokens_in": usage.input_tokens,
        "cost/tokens_out": usage.output_tokens,
        "cost/calls": usage.calls,
        "cost/errors": usage.errors,
        "prompt/chars": o.winner.chars,
        "prompt/candidates": len(o.candidates),
        **_forecast_numbers(o),
    }


def _forecast_numbers(o: Optimization) -> Numbers:
    """What the forecast said of calls, money and minutes, and by what share the outcome was above it."""
    numbers: Numbers = {}
    outcomes = {
        "calls": (o.plan.calls, float(o.total_usage.calls)),
        "usd": (o.plan.cost_usd, o.total_usage.cost_usd),
        "minutes": (o.plan.minutes, o.seconds / 60),
    }
    for name, (said, paid) in outcomes.items():
        if said is None:
            continue
        numbers |= {f"forecast/{name}": said.expected}
        if paid is not None and said.expected > 0:
            numbers |= {f"forecast/{name}_off": paid / said.expected - 1}
            numbers |= {f"forecast/{name}_inside": float(said.low <= paid <= said.high)}
    return numbers


def verdict_numbers(verdict: Verdict) -> Numbers:
    """Whether the gate accepted, and the paired comparison that it decided on."""
    numbers = _evidence_numbers(verdict.evidence) if verdict.evidence is not None else {}
    return numbers | {"passed": float(verdict.decision is Decision.PROMOTE)}


def _evidence_numbers(evidence: Evidence) -> Numbers:
    return {
        "score": evidence.candidate,
        "baseline": evidence.baseline,
        "lift": evidence.delta,
        "lift_low": evidence.low,
        "lift_high": evidence.high,
        "lift_adjusted": evidence.delta_adjusted,
        "lift_adjusted_low": evidence.adjusted_low,
        "lift_adjusted_high": evidence.adjusted_high,
        "p_value": evidence.p_value,
        "n": evidence.n,
        "opening": evidence.opening,
        **{f"field/{name}": after for name, (_, after, _, _) in evidence.fields.items()},
    }


def evaluation_numbers(evaluation: Evaluation) -> Numbers:
    """The score of one program on one split, by field, with what it is based on and what it cost."""
    usage = evaluation.usage
    return {
        "score": evaluation.mean,
        "n": len(evaluation.scored),
        "failed": len(evaluation.rows) - len(evaluation.scored),
        "usd": usage.cost_usd,
        "cost/calls": usage.calls,
        "cost/tokens_in": usage.input_tokens,
        "cost/tokens_out": usage.output_tokens,
        **{f"field/{name}": value for name, value in evaluation.field_means().items()},
        **{f"companion/{name}": value for name, value in evaluation.companion_means().items()},
    }


def judge_card_numbers(card: JudgeCard) -> Numbers:
    """What a judge can be trusted with, with the intervals of what was measured."""
    measured: dict[str, ScoreEstimate | None] = {
        "spearman": card.spearman,
        "kappa": card.kappa,
        "flip_rate": card.flip_rate,
        "order_bias": card.order_bias,
        "noise": card.noise,
        "self_score": card.self_score,
    }
    numbers: Numbers = {"judge/rows": card.rows, "judge/failed": card.failed, "judge/resolvable": card.resolvable}
    for name, found in measured.items():
        if found is not None:
            numbers |= {
                f"judge/{name}": found.value,
                f"judge/{name}_lo": found.low,
                f"judge/{name}_hi": found.high,
            }
    return numbers


def cell_numbers(cell: Cell) -> Numbers:
    """One prompt on one model."""
    worth = cell.evaluation.worth
    return {
        "score": cell.score.value if cell.score else None,
        "score_low": cell.score.low if cell.score else None,
        "score_high": cell.score.high if cell.score else None,
        "delta": cell.comparison.delta,
        "rows": len(cell.evaluation.rows),
        "failed": len(cell.evaluation.rows) - len(cell.evaluation.scored),
        "cost_per_1000": cell.cost_per_1000,
        "latency": cell.latency,
        "tokens_in": worth.input_tokens,
        "tokens_out": worth.output_tokens,
        **{f"criterion/{name}": value for name, value in cell.evaluation.field_means().items()},
        **{f"companion/{name}": value for name, value in cell.companions.items()},
    }


def candidate_table(o: Optimization) -> dict[str, Any]:
    """Every candidate of an optimisation."""
    columns = ["candidate", "dev_score", "origin", "parents", "complete", "calls", "cost_usd", "prompt"]
    rows = [
        [c.index, _rounded(c.dev_score), c.found, ", ".join(map(str, c.parents)), c.complete, c.usage.calls,
         _rounded(c.usage.cost_usd), "\n\n".join(p.text for p in c.prompts.prompts)]
        for c in o.candidates
    ]  # fmt: skip
    return {"columns": columns, "data": rows}


def holdout_table(baseline: Evaluation, candidate: Evaluation) -> dict[str, Any]:
    """Both prompts on every row of the holdout."""
    columns = ["row_id", "candidate_score", "baseline_score", "delta", "status"]
    rows: list[list[Any]] = []
    for before, after in zip(baseline.rows, candidate.rows, strict=True):
        known = before.score is not None and after.score is not None
        delta = after.score - before.score if known else None  # type: ignore[operator]
        scores = [_rounded(value) for value in (after.score, before.score, delta)]
        rows.append([after.row_id, *scores, after.status.value])
    return {"columns": columns, "data": rows}


def row_table(evaluation: Evaluation) -> dict[str, Any]:
    """Every row of one evaluation."""
    columns = ["row_id", "score", "status", "error", "feedback"]
    rows = [[r.row_id, _rounded(r.score), r.status.value, r.error, r.feedback] for r in evaluation.rows]
    return {"columns": columns, "data": rows}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
