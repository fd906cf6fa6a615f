"""What a run will cost and what it can show, said before it starts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from core.lm import ModelSpec
from core.results import Plan
from optimizers.base import Optimizer, Shape
from programs.prompts import predictors, render_messages
from stats import mde
from tasks.task import Task

CHARS_PER_TOKEN = 4.0
ASSUMED_SD = 0.3
"""Standard deviation of a row's lift assumed before anything was measured."""
REFLECTION_OUTPUT = 700
PILOT_ROWS = 20


def plan_run(task: Task, optimizer: Optimizer, shape: Shape, *, threads: int, lift_sd: float | None = None) -> Plan:
    """Forecast calls, tokens, money, minutes and the smallest lift the holdout can show. Calls no model.

    Args:
        task: The assembled task.
        optimizer: The strategy; its own schedule is used.
        shape: The size of the search.
        threads: Calls in flight.
        lift_sd: Standard deviation of the paired lift, when it was measured.
    """
    schedule = optimizer.schedule(shape)
    holdout = len(task.splits.holdout)
    fixed = (shape.dev + 2 * holdout) * shape.predictors
    calls = dict(schedule.calls)
    calls["student"] = calls.get("student", 0) + fixed
    row_in, row_out = _row_tokens(task)
    prompt_growth = {"gepa": 600, "mipro": 1200, "bootstrap": 1500}.get(optimizer.name, 600)
    tokens = {
        "student": (row_in + prompt_growth / CHARS_PER_TOKEN, row_out),
        "reflector": (shape.minibatch * (row_in + 2 * row_out) + 500, REFLECTION_OUTPUT),
        "proposer": (10 * (row_in + row_out), REFLECTION_OUTPUT / 2),
    }
    tokens_in = sum(n * tokens.get(role, tokens["student"])[0] for role, n in calls.items())
    tokens_out = sum(n * tokens.get(role, tokens["student"])[1] for role, n in calls.items())
    sd = ASSUMED_SD if lift_sd is None else lift_sd
    notes = [f"power assumes a standard deviation of {sd:.2f} for a row's lift"] if lift_sd is None else []
    return Plan(
        trials=schedule.trials,
        calls=calls,
        input_tokens=round(tokens_in),
        output_tokens=round(tokens_out),
        cost_usd=_money(calls, tokens, task.models),
        minutes=_minutes(calls, task.models, threads),
        mde=mde(holdout, sd, alpha=task.config.gate.alpha) if holdout >= 2 else None,
        notes=tuple(notes),
    )


def _row_tokens(task: Task) -> tuple[float, float]:
    """Mean input and output tokens of one predictor call, from rendered prompts and gold; four characters a token."""
    rows = task.splits.train[:PILOT_ROWS]
    first = predictors(task.program)[0][1]
    known = set(first.signature.input_fields)
    chars_in = [
        sum(
            len(m["content"])
            for m in render_messages(first, task.adapter, {k: v for k, v in row.inputs.items() if k in known})
        )
        for row in rows
    ]
    chars_out = [len(json.dumps(dict(row.gold), default=str)) + 60 for row in rows]
    return sum(chars_in) / len(rows) / CHARS_PER_TOKEN, sum(chars_out) / len(rows) / CHARS_PER_TOKEN


def _money(
    calls: Mapping[str, int], tokens: Mapping[str, tuple[float, float]], models: Mapping[str, ModelSpec]
) -> float | None:
    total = 0.0
    for role, count in calls.items():
        price = models[role].price(*tokens.get(role, tokens["student"]))
        if price is None:
            return None
        total += count * price
    return total


def _minutes(calls: Mapping[str, int], models: Mapping[str, ModelSpec], threads: int) -> float:
    seconds = sum(count * models[role].latency / (threads if role == "student" else 1) for role, count in calls.items())
    return math.ceil(seconds) / 60
