"""What is measured over sessions: each metric with its denominator, and its estimate with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.catalog import Catalog
from sessions.formula import Columns
from sessions.group import Group, Sums
from sessions.record import Outcome
from stats import bounded_mean, ratio_interval, wilson

Kind = Literal["rate", "mean", "ratio", "total"]
Unit = Literal["share", "tokens", "usd", "seconds", "steps", "score", "sessions"]
Formula = Callable[[Columns], tuple[Any, Any, Any]]
WILSON, CLUSTERED, BOUNDED = "Wilson", "clustered by task", "mean over tasks"
FEWEST_TASKS = 3


@dataclass(frozen=True)
class Metric:
    """One thing that is measured over sessions: a sum divided by a sum, over the sessions in its scope.

    Attributes:
        name: What people type.
        summary: What it is.
        denominator: Over what it is taken, in words.
        kind: *rate* counts sessions of sessions, *mean* and *ratio* divide quantities, *total* only adds them up.
        unit: What it is measured in.
        formula: From columns to (which sessions count, numerator, denominator).
    """

    name: str
    summary: str
    denominator: str
    kind: Kind
    unit: Unit
    formula: Formula


@dataclass(frozen=True)
class Estimate:
    """One metric of one group of sessions.

    Attributes:
        metric: Its name.
        value: None where it is undefined: no session counts, or the denominator is 0.
        low: Lower end of the 95 % interval; None where there is none.
        high: Upper end.
        n: Sessions that count.
        left_out: Sessions that do not: infrastructure failures, unknown outcomes, or a field that is not known.
        tasks: Tasks with a session that counts.
        method: How the interval was made; empty where there is none.
        new_low: Of a rate over repeated tasks: lower end of the interval for tasks that were not among these.
        new_high: Its upper end.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    left_out: int
    tasks: int
    method: str = ""
    new_low: float | None = None
    new_high: float | None = None


def _counted(c: Columns) -> Any:
    return c.ended(Outcome.SUCCESS, Outcome.AGENT_FAILURE)


def _ran(c: Columns) -> Any:
    """A session that infrastructure cut short says nothing about what one costs."""
    return c.ended(Outcome.SUCCESS, Outcome.AGENT_FAILURE, Outcome.UNKNOWN)


def _succeeded(c: Columns) -> Any:
    return c.where(c.ended(Outcome.SUCCESS), 1.0, 0.0)


def _mean_of(field: str) -> Formula:
    def formula(c: Columns) -> tuple[Any, Any, Any]:
        column = getattr(c, field)
        return _ran(c) & c.known(column), column, 1.0

    return formula


def _per_success(field: str) -> Formula:
    def formula(c: Columns) -> tuple[Any, Any, Any]:
        column = getattr(c, field)
        return _counted(c) & c.known(column), column, _succeeded(c)

    return formula


def _rejected_when(impossible: float) -> Formula:
    def formula(c: Columns) -> tuple[Any, Any, Any]:
        scope = _counted(c) & c.known(c.rejected) & (c.impossible == impossible)
        return scope, c.where(c.rejected == 1.0, 1.0, 0.0), 1.0

    return formula


def _efficiency(c: Columns) -> tuple[Any, Any, Any]:
    scope = _counted(c) & c.known(c.optimal_steps) & (c.steps > 0)
    return scope, c.where(c.steps > c.optimal_steps, _share(c), 1.0), 1.0


def _success_weighted(c: Columns) -> tuple[Any, Any, Any]:
    scope = _counted(c) & c.known(c.optimal_steps) & (c.steps > 0)
    return scope, c.where(c.ended(Outcome.SUCCESS), c.where(c.steps > c.optimal_steps, _share(c), 1.0), 0.0), 1.0


def _share(c: Columns) -> Any:
    return c.optimal_steps * 1.0 / c.where(c.steps > 0, c.steps, 1)


def _wasted(c: Columns) -> Any:
    return c.where(c.ended(Outcome.AGENT_FAILURE), c.tokens, 0.0)


COUNTED = "sessions that ended in success or in the agent's failure"
RAN = "sessions not cut short by infrastructure, with {} known"
METRICS: Catalog[Metric] = Catalog(
    "metric of sessions",
    (
        Metric(
            "success_rate", "tasks completed correctly", COUNTED, "rate", "share",
            lambda c: (_counted(c), _succeeded(c), 1.0),
        ),
        Metric(
            "infrastructure_rate", "sessions cut short by provider or harness", "all sessions", "rate", "share",
            lambda c: (
                c.ended(*Outcome), c.where(c.ended(Outcome.INFRASTRUCTURE), 1.0, 0.0), 1.0
            ),
        ),
        Metric("score", "mean graded score", RAN.format("score"), "mean", "score", _mean_of("score")),
        Metric("tokens", "tokens per task attempted", RAN.format("tokens"), "mean", "tokens", _mean_of("tokens")),
        Metric("cost", "dollars per task attempted", RAN.format("cost"), "mean", "usd", _mean_of("cost_usd")),
        Metric("latency", "seconds per session", RAN.format("latency"), "mean", "seconds", _mean_of("latency_s")),
        Metric("steps", "steps per session", RAN.format("steps"), "mean", "steps", _mean_of("steps")),
        Metric(
            "tokens_per_success", "tokens spent for each success", f"successes among {COUNTED}, with tokens known",
            "ratio", "tokens", _per_success("tokens"),
        ),
        Metric(
            "cost_per_success", "dollars spent for each success", f"successes among {COUNTED}, with cost known",
            "ratio", "usd", _per_success("cost_usd"),
        ),
        Metric(
            "early_termination_rate", "impossible tasks that were rightly refused",
            f"{COUNTED}, on tasks labelled impossible, where it is known whether the agent refused",
            "rate", "share", _rejected_when(1.0),
        ),
        Metric(
            "false_rejection_rate", "possible tasks that were wrongly refused",
            f"{COUNTED}, on tasks labelled possible, where it is known whether the agent refused",
            "rate", "share", _rejected_when(0.0),
        ),
        Metric(
            "step_efficiency", "optimal steps / actual steps, at most 1 each",
            f"{COUNTED}, with optimal steps known and at least one step", "mean", "share", _efficiency,
        ),
        Metric(
            "success_weighted_efficiency",
            "the same, 0 where the agent failed: failing early is not efficient (Anderson et al. 2018, SPL)",
            f"{COUNTED}, with optimal steps known and at least one step", "mean", "share", _success_weighted,
        ),
        Metric(
            "fewer_steps_than_optimal", "sessions with fewer steps than the label says are needed: check the label",
            f"{COUNTED}, with optimal steps known and at least one step", "total", "sessions",
            lambda c: (
                _counted(c) & c.known(c.optimal_steps) & (c.steps > 0),
                c.where(c.steps < c.optimal_steps, 1.0, 0.0), 1.0,
            ),
        ),
        Metric(
            "token_waste", "tokens of sessions in which the agent failed", f"{COUNTED}, with tokens known",
            "total", "tokens", lambda c: (_counted(c) & c.known(c.tokens), _wasted(c), 1.0),
        ),
        Metric(
            "token_waste_share", "tokens of sessions in which the agent failed / tokens of all that count",
            f"tokens of {COUNTED}", "ratio", "share",
            lambda c: (_counted(c) & c.known(c.tokens), _wasted(c), c.tokens),
        ),
        Metric(
            "total_cost", "dollars spent, also where infrastructure failed", "all sessions with cost known",
            "total", "usd", lambda c: (c.known(c.cost_usd), c.cost_usd, 1.0),
        ),
    ),
)  # fmt: skip


def estimate(group: Group, metric: Metric, confidence: float = 0.95) -> Estimate:
    """One metric of a group, with its interval.

    A rate has Wilson's interval over sessions, which is about these tasks; where tasks repeat, ``new_low`` and
    ``new_high`` are about tasks like these, by task. Means and ratios have the interval by task
    (:func:`stats.clustered.ratio_interval`). Totals have none.
    """
    sums = group.sums[metric.name]
    n, tasks = int(sums.counted.sum()), int((sums.counted > 0).sum())
    below = float(sums.denominators.sum())
    left_out = group.sessions - n
    if n == 0 or below == 0:
        return Estimate(metric.name, None, None, None, n, left_out, tasks)
    above = float(sums.numerators.sum())
    if metric.kind == "total":
        return Estimate(metric.name, above, None, None, n, left_out, tasks)
    by_task = ratio_interval(sums.numerators, sums.denominators, confidence)
    if metric.kind == "rate":
        found = wilson(round(above), n) if confidence == 0.95 else wilson(round(above), n, _z(confidence))
        repeated = by_task if tasks < n else None
        return Estimate(
            metric.name, above / below, found.low, found.high, n, left_out, tasks, WILSON,
            repeated.low if repeated else None, min(1.0, repeated.high) if repeated else None,
        )  # fmt: skip
    if by_task is None:
        return Estimate(metric.name, above / below, None, None, n, left_out, tasks)
    high = min(1.0, by_task.high) if metric.unit == "share" else by_task.high
    return Estimate(metric.name, above / below, by_task.low, high, n, left_out, tasks, CLUSTERED)


def pass_hat(group: Group, k: int, confidence: float = 0.95) -> Estimate:
    """pass^k: the chance that ``k`` repeats of a task all succeed, averaged over tasks.

    Unbiased from n trials with c successes per task: ``C(c, k) / C(n, k)``. Tasks with fewer than ``k`` trials that
    count are left out, and their sessions counted as such. The interval is about tasks like these.

    Args:
        group: Sessions of one configuration, tallied with ``success_rate``.
        k: How many repeats, at least 1.
        confidence: The two-sided confidence.

    Reference: S. Yao et al. (2024), "tau-bench: A Benchmark for Tool-Agent-User Interaction in Real-World Domains",
    arXiv:2406.12045, section 3; the estimator is that of M. Chen et al. (2021), arXiv:2107.03374, turned round.
    """
    return _over_repeats(group, f"pass^{k}", k, lambda c, n: math.comb(c, k) / math.comb(n, k), confidence)


def pass_at(group: Group, k: int, confidence: float = 0.95) -> Estimate:
    """pass@k: the chance that at least one of ``k`` repeats succeeds, ``1 - C(n - c, k) / C(n, k)``.

    What is left out and what the interval is about are as in :func:`pass_hat`.

    Reference: M. Chen et al. (2021), "Evaluating large language models trained on code", arXiv:2107.03374.
    """
    return _over_repeats(group, f"pass@{k}", k, lambda c, n: 1 - math.comb(n - c, k) / math.comb(n, k), confidence)


def repeats(sums: Sums) -> int:
    """How many trials that count most tasks have at least: the largest k that every task can answer, 0 for none."""
    counted = sums.counted[sums.counted > 0]
    return int(counted.min()) if counted.size else 0


def _over_repeats(group: Group, name: str, k: int, chance: Callable[[int, int], float], confidence: float) -> Estimate:
    if k < 1:
        raise ValueError(f"k: received {k}, need at least 1")
    sums = group.sums["success_rate"]
    enough = sums.counted >= k
    wins: Sequence[int] = sums.numerators[enough].astype(int).tolist()
    trials: Sequence[int] = sums.counted[enough].astype(int).tolist()
    values = [chance(c, n) for c, n in zip(wins, trials, strict=True)]
    used = sum(trials)
    if not values:
        return Estimate(name, None, None, None, 0, group.sessions, 0)
    value = math.fsum(values) / len(values)
    if len(values) < FEWEST_TASKS:
        return Estimate(name, value, None, None, used, group.sessions - used, len(values))
    found = bounded_mean(values, confidence)
    return Estimate(name, value, found.low, found.high, used, group.sessions - used, len(values), BOUNDED)


def _z(confidence: float) -> float:
    from stats.distributions import normal_quantile

    return normal_quantile(0.5 + confidence / 2)
