"""What a run will cost and what it can show, said before it starts."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, fmean, stdev

import dspy

from calls.failures import describe_error
from calls.models import ModelSpec
from core.evaluation import Evaluation
from core.optimization import LiftForecast, Plan, Range, RoleForecast
from core.progress import Progress
from gates.catalog import build_gate
from metrics.evaluate import Evaluator
from optimizers.base import Optimizer, Search, SearchSize
from optimizers.calibration import CALLS, TOKENS, widened
from optimizers.schedule import Draw, Probe, RowCost, Sizes, Spent, runs, schedule_of
from optimizers.settings import without_effect
from optimizers.stored_baseline import KnownOnDev
from programs.prompts import predictors, read_prompts, render_messages
from stats import VerdictForecast, forecast_verdicts
from tasks.open_run import opening_warning
from tasks.task import Task

CHARS_PER_TOKEN = 4.0
ASSUMED_SPREAD = 0.5
"""Relative error of lengths that were not measured."""
SMOOTHING = 0.12
"""Standard deviation by which a row's score may differ on a like row."""
JUDGEMENT = 250
"""Tokens of a judge's answer where nothing was measured."""
FRAME = 60
"""Characters of headings around a row's fields."""
OVERHEAD = 0.004
"""Seconds of our own and DSPy's work per call."""
MODEL_ERROR = 0.08
"""Relative error of the schedule itself: retries, answers that cannot be parsed, chance in what is tried."""
DRAWS = 300
LOW, HIGH = 0.10, 0.90


@dataclass(frozen=True)
class Pilot:
    """What a few dev rows have shown.

    ``spread_in`` and ``spread_out`` are standard errors of the mean tokens in and out of a row; ``seconds`` is the
    mean time of a row; ``scores`` are the seed's, row by row.
    """

    rows: int
    sizes: Sizes
    judging: Spent
    """What judging one row takes; nothing where the metric asks no model."""
    spread_in: float
    spread_out: float
    seconds: float
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class PlannedSearch:
    """One optimiser with the size of its search and what the pilot has shown; None without a pilot."""

    optimizer: Optimizer
    shape: SearchSize
    pilot: Pilot | None = None


def run_pilot(
    task: Task, optimizer: Optimizer, search: Search, evaluate: Evaluator | KnownOnDev, progress: Progress
) -> Pilot | None:
    """Run the seed on a few dev rows, and let the strategy try what else it needs to know.

    The calls stay in the ledger, so that the baseline and the search do not pay them again.

    Returns:
        None when the task wants no pilot, or when none of the rows was answered.

    Raises:
        ModelError: If the student is unreachable or refuses the key.
        Halt: If another model is, or a cap is reached while the strategy tries what it needs.
    """
    rows = task.splits.dev[: task.config.run.pilot]
    if not rows:
        return None
    progress.phase("pilot on dev rows", len(rows) * len(predictors(task.program)))
    seed = read_prompts(search.program)
    evaluation = evaluate(search.program, rows, split="dev", program_hash=seed.hash)
    threshold = task.config.metric.threshold
    cost = row_cost(evaluation, threshold)
    if cost is None:
        return None
    own = _row_tokens(task)
    scale = cost.tokens_in / own.tokens_in
    sizes = Sizes(seed=cost, demo=scale * own.demo, gold_out=own.gold_out)

    def run(program: dspy.Module) -> RowCost | None:
        other = evaluate(program, rows, split="dev", program_hash=read_prompts(program).hash)
        return row_cost(other, threshold)

    try:
        sizes = schedule_of(optimizer).probe(Probe(search, evaluation, run), sizes)
    except (dspy.LMError, dspy.AdapterParseError, ValueError) as error:
        progress.note(f"the forecast knows less: {describe_error(error)}")
    return Pilot(
        rows=len(rows),
        sizes=sizes,
        judging=_judging(evaluation),
        spread_in=_standard_error([row.worth.input_tokens for row in evaluation.scored]),
        spread_out=_standard_error([row.worth.output_tokens for row in evaluation.scored]),
        seconds=fmean(row.latency for row in evaluation.rows),
        scores=tuple(row.score for row in evaluation.scored if row.score is not None),
    )


def row_cost(evaluation: Evaluation, threshold: float) -> RowCost | None:
    """Mean tokens of the rows, whether paid now or before, and the share that is good enough.

    The share is smoothed: a score just below the threshold may be above it on another row.
    """
    rows = [row for row in evaluation.scored if row.worth.input_tokens]
    if not rows:
        return None
    normal = NormalDist(0.0, SMOOTHING)
    return RowCost(
        fmean(row.worth.input_tokens for row in rows),
        fmean(row.worth.output_tokens for row in rows),
        fmean(normal.cdf((row.score or 0.0) - threshold + 1e-9) for row in rows),
    )


def _judging(evaluation: Evaluation) -> Spent:
    rows = [row.judging for row in evaluation.scored if row.judging.calls]
    if not rows:
        return Spent()
    return Spent(
        fmean(u.calls for u in rows), fmean(u.input_tokens for u in rows), fmean(u.output_tokens for u in rows)
    )


def _standard_error(values: Sequence[float]) -> float:
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else ASSUMED_SPREAD * sum(values)


def plan_run(task: Task, searches: Sequence[PlannedSearch], *, threads: int, opening: int | None = None) -> Plan:
    """Forecast calls, tokens, money and minutes with 80 % intervals, and what the gate will say to true lifts.

    Each optimiser's own schedule is played many times with random outcomes; lengths and times come from the pilot, or
    from the rendered prompts where there is none. However many search, baseline and holdout are run once. Calls no
    model.

    Args:
        task: The task.
        searches: What searches, in this order.
        threads: Calls in flight.
        opening: The number that the opening of the holdout will have; None where that is known to cost nothing.
    """
    rng, pilot = random.Random(0), searches[0].pilot
    holdout = len(task.splits.holdout) * task.config.gate.repeats
    verdicts = verdicts_of(task, () if pilot is None else pilot.scores, opening=opening or 1)
    judging = judging_runs(task)
    own = _row_tokens(task)
    plays = [_play(task, searches, own, threads, judging, rng) for _ in range(DRAWS)]
    specs = {**task.models, **({"judge": task.judges[0]} if task.judges else {})}
    roles = {
        role: _role([play.roles.get(role, Spent()) for play in plays], specs[role])
        for role in sorted({role for play in plays for role in play.roles})
    }
    sums = [sum(play.roles.values(), Spent()) for play in plays]
    unknown = any(role.cost_usd is None for role in roles.values())
    measured_by = "lengths only, no pilot" if pilot is None else f"a pilot of {pilot.rows} rows"
    return Plan(
        trials=round(fmean(play.trials for play in plays)),
        roles=roles,
        calls=_range([s.calls for s in sums], CALLS),
        input_tokens=_range([s.tokens_in for s in sums], TOKENS),
        output_tokens=_range([s.tokens_out for s in sums], TOKENS),
        cost_usd=None if unknown else _range([_total_cost(play.roles, specs) for play in plays], TOKENS),
        minutes=_range([play.seconds / 60 for play in plays]),
        mde=verdicts.mde if verdicts else None,
        pilot_rows=0 if pilot is None else pilot.rows,
        notes=(
            f"from {measured_by}",
            *filter(None, [opening_warning(task, opening)]),
            *_gate_note(judging - 2 * holdout),
            *without_effect(tuple({s.optimizer.name: s.optimizer for s in searches}.values()), task.config.optimizer),
        ),
        verdicts=lift_forecasts(verdicts) if verdicts else (),
    )


def lift_forecasts(verdicts: VerdictForecast) -> tuple[LiftForecast, ...]:
    """The same as records that travel."""
    return tuple(
        LiftForecast(rate.lift, Range(rate.promote, rate.lowest, rate.highest), rate.hold, rate.inconclusive)
        for rate in verdicts.rates
    )


def verdicts_of(
    task: Task, baseline: Sequence[float] = (), best: Sequence[float] = (), *, opening: int = 1
) -> VerdictForecast | None:
    """What the holdout will say at true lifts of 5, 10 and 20 points; None without a holdout.

    Args:
        task: The task; its gate gives level and margin. A holdout row that is run several times is still one row.
        baseline: The seed's scores on dev rows, as far as known.
        best: The scores of the best candidate so far on the same rows in the same order.
        opening: The number that the opening of the holdout will have; each further one has a lower level.
    """
    gate = task.config.gate
    if not task.splits.holdout:
        return None
    binary = False if gate.repeats > 1 else None
    return forecast_verdicts(
        len(task.splits.holdout), baseline, best, binary=binary, alpha=gate.level(opening), margin=gate.above
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
class _Play:
    trials: int
    roles: Mapping[str, Spent]
    seconds: float


def _play(
    task: Task, searches: Sequence[PlannedSearch], own: _Own, threads: int, judging: int, rng: random.Random
) -> _Play:
    """One way the whole run may go: baseline, searches, holdout."""
    shape, pilot = searches[0].shape, searches[0].pilot
    all_sizes = [_drawn(search.pilot, own, rng) for search in searches]
    draws: list[Draw] = [
        schedule_of(search.optimizer).draw(search.shape, sizes, rng)
        for search, sizes in zip(searches, all_sizes, strict=True)
    ]
    sizes, seed = all_sizes[0], all_sizes[0].seed
    student = runs(shape.dev, seed.tokens_in, seed.tokens_out) + sum((draw.student for draw in draws), Spent())
    winners = [draw.winner for draw in draws if draw.winner is not None]
    if winners:
        winner = rng.choice(winners)
        student += runs(judging / 2, seed.tokens_in, seed.tokens_out)
        student += runs(judging / 2, winner.tokens_in, winner.tokens_out)
    slack = rng.lognormvariate(0.0, MODEL_ERROR)
    student = Spent(student.calls * shape.predictors, student.tokens_in * slack, student.tokens_out * slack)
    roles = {"student": student}
    if task.judges:
        roles["judge"] = _judged(task, pilot, sizes, student, shape)
    for role, spent in ((role, spent) for draw in draws for role, spent in draw.others.items()):
        factor = rng.lognormvariate(0.0, 0.1 if pilot else 0.3)
        roles[role] = roles.get(role, Spent()) + Spent(spent.calls, spent.tokens_in * factor, spent.tokens_out * factor)
    return _Play(
        sum(draw.trials for draw in draws),
        roles,
        _seconds(task, roles, shape, pilot, threads) * rng.lognormvariate(0.0, 0.2),
    )


def _judged(task: Task, pilot: Pilot | None, sizes: Sizes, student: Spent, shape: SearchSize) -> Spent:
    """What judging every answer takes: measured, or the row's input, two outputs and a page of rubric."""
    rows = student.calls / max(1, shape.predictors)
    if pilot is not None and pilot.judging.calls:
        each = pilot.judging
    else:
        calls = len(task.judges) * (task.config.judge.requests if task.config.judge else 1)
        each = runs(calls, 600 + sizes.demo + 2 * sizes.gold_out, JUDGEMENT)
    return Spent(rows * each.calls, rows * each.tokens_in, rows * each.tokens_out)


def _drawn(pilot: Pilot | None, own: _Own, rng: random.Random) -> Sizes:
    """Sizes as they may be, given how little was measured."""
    if pilot is None:
        factor = rng.lognormvariate(0.0, ASSUMED_SPREAD)
        success = rng.betavariate(1.6, 2.4)
        return Sizes(RowCost(own.tokens_in, own.gold_out * factor, success), own.demo, own.gold_out)
    sizes = pilot.sizes
    more_in = max(0.3, rng.gauss(1.0, pilot.spread_in / sizes.seed.tokens_in))
    more_out = max(0.3, rng.gauss(1.0, pilot.spread_out / max(1.0, sizes.seed.tokens_out)))

    def other(cost: RowCost) -> RowCost:
        hits = pilot.rows * cost.success
        success = rng.betavariate(hits + 0.3, pilot.rows - hits + 0.3)
        return RowCost(cost.tokens_in * more_in, cost.tokens_out * more_out, success)

    shown = other(sizes.shown) if sizes.shown is not None else None
    return replace(sizes, seed=other(sizes.seed), shown=shown, gold_out=sizes.gold_out * more_out)


def _seconds(task: Task, roles: Mapping[str, Spent], shape: SearchSize, pilot: Pilot | None, threads: int) -> float:
    total = 0.0
    for role, spent in roles.items():
        spec = task.judges[0] if role == "judge" else task.models[role]
        latency = pilot.seconds / shape.predictors if pilot and role == "student" else spec.latency
        parallel = min(threads, spec.max_concurrency) if role in ("student", "judge") else 1
        total += spent.calls * (latency / parallel + OVERHEAD)
    return total


@dataclass(frozen=True)
class _Own:
    """What the task's own rows say about tokens, at four characters a token."""

    tokens_in: float
    demo: float
    gold_out: float


def _row_tokens(task: Task) -> _Own:
    """Tokens of a rendered prompt, of a row as a demo, and of an answer that equals gold."""
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
    inputs = [len(json.dumps(dict(row.inputs), default=str)) for row in rows]
    outs = [len(json.dumps(dict(row.gold), default=str)) + FRAME for row in rows]
    return _Own(
        fmean(prompts) / CHARS_PER_TOKEN,
        (fmean(inputs) + fmean(outs) + FRAME) / CHARS_PER_TOKEN,
        fmean(outs) / CHARS_PER_TOKEN,
    )


def _range(values: Sequence[float], margin: float = 0.0) -> Range:
    ordered = sorted(values)
    last = len(ordered) - 1
    return widened(Range(ordered[last // 2], ordered[round(LOW * last)], ordered[round(HIGH * last)]), margin)


def _role(spent: Sequence[Spent], spec: ModelSpec) -> RoleForecast:
    costs = [spec.price(s.tokens_in, s.tokens_out) for s in spent]
    known = [cost for cost in costs if cost is not None]
    return RoleForecast(
        calls=_range([s.calls for s in spent], CALLS),
        input_tokens=_range([s.tokens_in for s in spent], TOKENS),
        output_tokens=_range([s.tokens_out for s in spent], TOKENS),
        cost_usd=_range(known, TOKENS) if len(known) == len(costs) else None,
    )


def _total_cost(roles: Mapping[str, Spent], models: Mapping[str, ModelSpec]) -> float:
    return sum(models[role].price(s.tokens_in, s.tokens_out) or 0.0 for role, s in roles.items())


def added(plans: Sequence[Plan], unit: str) -> Plan:
    """What several runs after each other are going to cost; ``trials`` is how many there are.

    The ends of the intervals are added as well, which is a little wider than needed: not all runs go ill at once.
    """

    def ranges(found: Sequence[Range]) -> Range:
        return Range(*(sum(getattr(r, end) for r in found) for end in ("expected", "low", "high")))

    def money(found: Sequence[Range | None]) -> Range | None:
        known = [cost for cost in found if cost is not None]
        return ranges(known) if len(known) == len(found) else None

    def role(found: Sequence[RoleForecast]) -> RoleForecast:
        parts = [ranges([getattr(r, part) for r in found]) for part in ("calls", "input_tokens", "output_tokens")]
        return RoleForecast(*parts, cost_usd=money([r.cost_usd for r in found]))

    names = sorted({name for plan in plans for name in plan.roles})
    return Plan(
        trials=len(plans),
        roles={name: role([plan.roles[name] for plan in plans if name in plan.roles]) for name in names},
        calls=ranges([plan.calls for plan in plans]),
        input_tokens=ranges([plan.input_tokens for plan in plans]),
        output_tokens=ranges([plan.output_tokens for plan in plans]),
        cost_usd=money([plan.cost_usd for plan in plans]),
        minutes=ranges([plan.minutes for plan in plans]),
        mde=None,
        pilot_rows=sum(plan.pilot_rows for plan in plans),
        unit=unit,
    )
