"""The forecast of a sequential experiment, by its first pairs."""

from __future__ import annotations

import time

from core.optimization import Plan, Range, RoleForecast
from experiments.methods import Design, Method, fixed_pairs
from experiments.opening import Opened
from experiments.pairs import Stream
from experiments.request import Request

PILOT = 3
"""Pairs that are run to say what the rest will cost; they are the first of the stream and are not run again."""


def planned(pairs: Stream, method: Method, design: Design, request: Request, run: Opened) -> Plan:
    """What the experiment will cost: expected pairs times what the sessions of the first pairs have cost."""
    run.progress.phase("pilot", 2 * PILOT)
    begun = time.perf_counter()
    pilot = [session for place in pairs.order[:PILOT] for session in pairs.pair(place)]
    seconds = (time.perf_counter() - begun) / len(pilot)
    expected = method.expects(design)
    sessions = Range(2 * expected.expected, 2 * expected.low, 2 * expected.high)
    costs = [session.cost_usd for session in pilot]
    money = None if any(cost is None for cost in costs) else sum(cost or 0 for cost in costs) / len(costs)

    def times(per_session: float) -> Range:
        return Range(sessions.expected * per_session, sessions.low * per_session, sessions.high * per_session)

    sent = times(sum(s.input_tokens or 0 for s in pilot) / len(pilot))
    received = times(sum(s.output_tokens or 0 for s in pilot) / len(pilot))
    calls = times(_calls_per_session(run, len(pilot)))
    cost = None if money is None else times(money)
    notes = [f"{method.name}: about {expected.expected:.0f} pairs, at most {expected.high:.0f} in 9 of 10 experiments"]
    short = len(pairs.order) < fixed_pairs(request.test.design)
    if short:
        notes.append(
            f"there are only {len(pairs.order)} pairs; a fixed comparison of this effect would take "
            f"{fixed_pairs(request.test.design)}: more tasks, or more trials, would raise the chance of a decision"
        )
    if _copies(request, run):
        notes.append("temperature 0 and several trials: answers that repeat themselves are no further evidence")
    return Plan(
        trials=round(expected.expected),
        roles={"student": RoleForecast(calls, sent, received, cost)},
        calls=calls,
        input_tokens=sent,
        output_tokens=received,
        cost_usd=cost,
        minutes=times(seconds / 60 / max(1, request.threads)),
        mde=None,
        pilot_rows=len(pilot),
        notes=tuple(notes),
        unit="pairs",
    )


def _copies(request: Request, run: Opened) -> bool:
    """Whether further trials of a task may be copies of the first."""
    made = request.test.producer
    if run.asks is None or made is None or made.trials == 1:
        return False
    return any(spec.temperature == 0 and not spec.offline for spec in run.asks.specs)


def _calls_per_session(run: Opened, sessions: int) -> float:
    if run.asks is None:
        return 1.0
    spent = run.asks.account.spent().values()
    return max(1.0, sum(usage.calls + usage.hits for usage in spent) / sessions)
