"""What a run will cost and what it can show, said before it starts."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from core.models import ModelSpec
from core.results import Evaluation, Plan, ProgramPrompts, Range, RoleForecast
from gates.production import build_gate
from metrics.evaluate import Evaluator
from optimizers.base import Draw, Optimizer, Shape, Sizes
from optimizers.progress import Progress
from programs.prompts import predictors, render_messages
from stats import mde
from tasks.task import Task

CHARS_PER_TOKEN = 4.0
ASSUMED_SD = 0.3
"""Standard deviation of a row's lift assumed before anything was measured."""
ASSUMED_SUCCESS = 0.4
ASSUMED_SPREAD = 0.5
"""Relative error of lengths that were not measured."""
REFLECTION_OUTPUT = 500
OVERHEAD = 0.004
"""Seconds of our own and DSPy's work per call."""
DRAWS = 300
LOW, HIGH = 0.10, 0.90


@dataclass(frozen=True)
class Pilot:
    """What a few dev rows have shown: tokens and seconds per program run, and how well the seed does.

    ``spread_in`` and ``spread_out`` are standard errors of the two means.
    """

    rows: int
    row_in: float
    row_out: float
    spread_in: float
    spread_out: float
    seconds: float
    success: float


def run_pilot(task: Task, evaluate: Evaluator, seed: ProgramPrompts, progress: Progress) -> Pilot | None:
    """Run the seed on a few dev rows; the calls stay in the ledger, so that the baseline does not pay them again.

    Returns:
        None when the task wants no pilot, or when none of the rows was answered.

    Raises:
        ModelError: If the model is unreachable or refuses the key.
    """
    rows = task.splits.dev[: task.config.run.pilot]
    if not rows:
        return None
    progress.phase("pilot on dev rows", len(rows) * len(predictors(task.program)))
    return measured(evaluate(task.program, rows, split="dev", program_hash=seed.hash), task.config.metric.threshold)


def measured(evaluation: Evaluation, threshold: float) -> Pilot | None:
    """The pilot's numbers from its evaluation; rows that earlier runs have paid for count by their scores only."""
    paid = [row.usage for row in evaluation.rows if row.usage.calls]
    if not paid:
        return None
    tokens_in, tokens_out = [u.input_tokens for u in paid], [u.output_tokens for u in paid]
    return Pilot(
        rows=len(paid),
        row_in=fmean(tokens_in),
        row_out=fmean(tokens_out),
        spread_in=_standard_error(tokens_in),
        spread_out=_standard_error(tokens_out),
        seconds=fmean(row.latency for row in evaluation.rows),
        success=(sum((r.score or 0) >= threshold for r in evaluation.rows) + 1) / (len(evaluation.rows) + 2),
    )


def _standard_error(values: Sequence[float]) -> float:
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else ASSUMED_SPREAD * values[0]


def plan_run(task: Task, optimizer: Optimizer, shape: Shape, *, threads: int, pilot: Pilot | None = None) -> Plan:
    """Forecast calls, tokens, money and minutes with 80 % intervals, and the smallest lift the holdout can show.

    The optimiser's own schedule is played many times with random outcomes; lengths and times come from the pilot, or
    from the rendered prompts where there is none. Calls no model.
    """
    rng = random.Random(0)
    sizes = _sizes(task, pilot)
    holdout = len(task.splits.holdout) * task.config.gate.repeats
    judging = judging_runs(task)
    plays = [_play(task, optimizer, shape, sizes, pilot, threads, judging, rng) for _ in range(DRAWS)]
    roles = {
        role: _role([play.roles.get(role, _Spent()) for play in plays], task.models[role])
        for role in sorted({role for play in plays for role in play.roles})
    }
    sums = [sum(play.roles.values(), _Spent()) for play in plays]
    unknown = any(role.cost_usd is None for role in roles.values())
    measured_by = "lengths only, no pilot" if pilot is None else f"a pilot of {pilot.rows} rows"
    return Plan(
        trials=round(fmean(play.trials for play in plays)),
        roles=roles,
        calls=_range([s.calls for s in sums]),
        input_tokens=_range([s.tokens_in for s in sums]),
        output_tokens=_range([s.tokens_out for s in sums]),
        cost_usd=None if unknown else _range([_total_cost(play.roles, task.models) for play in plays]),
        minutes=_range([play.seconds / 60 for play in plays]),
        mde=mde(holdout, ASSUMED_SD, alpha=task.config.gate.alpha) if holdout >= 2 else None,
        pilot_rows=0 if pilot is None else pilot.rows,
        notes=(
            f"from {measured_by}",
            f"power assumes a standard deviation of {ASSUMED_SD:.2f} for a row's lift",
            *_gate_note(judging - 2 * holdout),
        ),
    )


def judging_runs(task: Task) -> int:
    """Program runs that judging a challenger takes at most: both prompts on the holdout, and what the gate asks."""
    holdout = len(task.splits.holdout) * task.config.gate.repeats
    return 2 * holdout + build_gate(task.config.gate, task.root).runs(holdout)


def _gate_note(asked: int) -> tuple[str, ...]:
    if not asked:
        return ()
    return (f"the gate asks for up to {asked} program runs more, but only once the lift is proven",)


@dataclass(frozen=True)
class _Spent:
    calls: float = 0.0
    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def __add__(self, other: _Spent) -> _Spent:
        return _Spent(self.calls + other.calls, self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out)


@dataclass(frozen=True)
class _Play:
    trials: int
    roles: Mapping[str, _Spent]
    seconds: float


def _play(
    task: Task,
    optimizer: Optimizer,
    shape: Shape,
    sizes: Sizes,
    pilot: Pilot | None,
    threads: int,
    judging: int,
    rng: random.Random,
) -> _Play:
    """One way the whole run may go: baseline, search, holdout."""
    draw: Draw = optimizer.draw(shape, sizes, rng)
    row_in = _perturbed(sizes.row_in, pilot.spread_in if pilot else ASSUMED_SPREAD * sizes.row_in, rng)
    row_out = _perturbed(sizes.row_out, pilot.spread_out if pilot else ASSUMED_SPREAD * sizes.row_out, rng)
    rows, growth = shape.dev + draw.rows, draw.growth
    if draw.winner is not None:
        rows, growth = rows + judging, growth + judging / 2 * draw.winner
    student = _Spent(rows * shape.predictors, rows * row_in + growth * shape.predictors, rows * row_out)
    lengths = {
        "reflector": (shape.minibatch * (sizes.row_in_only + 3 * row_out) + 600, REFLECTION_OUTPUT),
        "proposer": (8 * (sizes.row_in_only + row_out), REFLECTION_OUTPUT / 3),
    }
    roles = {"student": student}
    for role, calls in draw.calls.items():
        tokens_in, tokens_out = lengths[role]
        factor = rng.lognormvariate(0.0, 0.25)
        roles[role] = _Spent(calls, calls * tokens_in * factor, calls * tokens_out * factor)
    return _Play(draw.trials, roles, _seconds(task, roles, shape, pilot, threads) * rng.lognormvariate(0.0, 0.2))


def _perturbed(value: float, error: float, rng: random.Random) -> float:
    return max(1.0, rng.gauss(value, error))


def _seconds(task: Task, roles: Mapping[str, _Spent], shape: Shape, pilot: Pilot | None, threads: int) -> float:
    total = 0.0
    for role, spent in roles.items():
        spec = task.models[role]
        latency = pilot.seconds / shape.predictors if pilot and role == "student" else spec.latency
        parallel = min(threads, spec.max_concurrency) if role == "student" else 1
        total += spent.calls * (latency / parallel + OVERHEAD)
    return total


def _sizes(task: Task, pilot: Pilot | None) -> Sizes:
    """Tokens of a program run: measured, or from rendered prompts and gold at four characters a token."""
    row_in, own, row_out = _row_tokens(task)
    if pilot is None:
        return Sizes(row_in, own, row_out, ASSUMED_SUCCESS)
    return Sizes(pilot.row_in, own * pilot.row_in / row_in, pilot.row_out, pilot.success)


def _row_tokens(task: Task) -> tuple[float, float, float]:
    rows = task.splits.train[:20]
    first = predictors(task.program)[0][1]
    known = set(first.signature.input_fields)
    prompts = [
        sum(
            len(m["content"])
            for m in render_messages(first, task.adapter, {k: v for k, v in row.inputs.items() if k in known})
        )
        for row in rows
    ]
    own = [len(json.dumps(dict(row.inputs), default=str)) for row in rows]
    outs = [len(json.dumps(dict(row.gold), default=str)) + 60 for row in rows]
    return fmean(prompts) / CHARS_PER_TOKEN, fmean(own) / CHARS_PER_TOKEN, fmean(outs) / CHARS_PER_TOKEN


def _range(values: Sequence[float]) -> Range:
    ordered = sorted(values)
    last = len(ordered) - 1
    return Range(ordered[last // 2], ordered[round(LOW * last)], ordered[round(HIGH * last)])


def _role(spent: Sequence[_Spent], spec: ModelSpec) -> RoleForecast:
    costs = [spec.price(s.tokens_in, s.tokens_out) for s in spent]
    known = [cost for cost in costs if cost is not None]
    return RoleForecast(
        calls=_range([s.calls for s in spent]),
        input_tokens=_range([s.tokens_in for s in spent]),
        output_tokens=_range([s.tokens_out for s in spent]),
        cost_usd=_range(known) if len(known) == len(costs) else None,
    )


def _total_cost(roles: Mapping[str, _Spent], models: Mapping[str, ModelSpec]) -> float:
    return sum(models[role].price(s.tokens_in, s.tokens_out) or 0.0 for role, s in roles.items())
