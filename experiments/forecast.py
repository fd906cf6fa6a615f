"""What a matrix will cost, said before it starts: from the rendered prompts and the lengths of references."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import fmean

from calls.models import ModelSpec
from core.optimization import Plan, Range, RoleForecast
from data.corpus import Row
from experiments.grid import CellPlan, choose_rows
from experiments.steps import Bench, wanted_fields
from programs.prompts import predictors, render_messages
from tasks.task import judge_specs

CHARS_PER_TOKEN = 4.0
REFERENCE_OUT = 300.0
"""Tokens of an output where no reference says how long one is."""
JUDGE_IN, JUDGE_OUT = 700.0, 250.0
"""Tokens of the judge's instruction, and of its answer."""
SPREAD = 0.3
"""Relative half-width of the 80 % interval: outputs differ in length from references."""


def plan_matrix(bench: Bench, steps: Sequence[str]) -> Plan:
    """Forecast the calls of some steps, as if nothing were in the ledger yet. Calls no model."""
    chosen = choose_rows(bench.task)
    rows, count = chosen[:200], len(chosen)
    names = wanted_fields(bench.task, rows)
    lacking = sum(not all(name in row.gold for name in names) for row in rows) / len(rows) * count
    out = _output_tokens(rows)
    roles: dict[str, list[tuple[float, float, float, ModelSpec]]] = {}
    if "prepare" in steps and lacking:
        author = bench.grid.author
        roles["reference"] = [(lacking, _input_tokens(bench, author, rows), out, author.spec)]
    if "run" in steps:
        roles["student"] = [(count, _input_tokens(bench, cell, rows), out, cell.spec) for cell in bench.grid.cells]
    section = bench.task.config.judge
    if "judge" in steps and section is not None and section.criteria:
        inputs = fmean(len(json.dumps(dict(row.inputs), default=str)) for row in rows) / CHARS_PER_TOKEN
        each = JUDGE_IN + inputs + 2 * out
        calls = count * len(bench.grid.cells) * section.requests
        roles["judge"] = [(calls, each, JUDGE_OUT, spec) for spec in judge_specs(bench.task.config, bench.aliases)]
    forecasts = {role: _role(parts) for role, parts in roles.items()}
    seconds = sum(
        calls * spec.latency / spec.max_concurrency for parts in roles.values() for calls, _, _, spec in parts
    )
    known = [f.cost_usd for f in forecasts.values()]
    cost = None if None in known else _range(sum(c.expected for c in known if c is not None))
    return Plan(
        trials=len(bench.grid.cells),
        unit="cell" if len(bench.grid.cells) == 1 else "cells",
        roles=forecasts,
        calls=_sharp(sum(f.calls.expected for f in forecasts.values())),
        input_tokens=_range(sum(f.input_tokens.expected for f in forecasts.values())),
        output_tokens=_range(sum(f.output_tokens.expected for f in forecasts.values())),
        cost_usd=cost,
        minutes=_range(seconds / 60),
        mde=None,
        notes=("from rendered prompts and the lengths of references, as if nothing were known yet",),
    )


def _role(parts: Sequence[tuple[float, float, float, ModelSpec]]) -> RoleForecast:
    prices = [spec.price(calls * tokens_in, calls * out) for calls, tokens_in, out, spec in parts]
    known = [price for price in prices if price is not None]
    return RoleForecast(
        calls=_sharp(sum(calls for calls, _, _, _ in parts)),
        input_tokens=_range(sum(calls * tokens_in for calls, tokens_in, _, _ in parts)),
        output_tokens=_range(sum(calls * out for calls, _, out, _ in parts)),
        cost_usd=_range(sum(known)) if len(known) == len(prices) else None,
    )


def _sharp(value: float) -> Range:
    return Range(value, value, value)


def _range(value: float) -> Range:
    return Range(value, value * (1 - SPREAD), value * (1 + SPREAD))


def _input_tokens(bench: Bench, cell: CellPlan, rows: Sequence[Row]) -> float:
    """Mean tokens of the first predictor's rendered prompt over the rows."""
    predictor = predictors(cell.program)[0][1]
    known = set(predictor.signature.input_fields)
    sizes = []
    for row in rows[:20]:
        inputs = {name: value for name, value in row.inputs.items() if name in known}
        messages = render_messages(predictor, bench.task.adapter, inputs)
        sizes.append(sum(len(message["content"]) for message in messages))
    return fmean(sizes) / CHARS_PER_TOKEN


def _output_tokens(rows: Sequence[Row]) -> float:
    sizes = [len(json.dumps(dict(row.gold), default=str)) for row in rows if row.gold]
    return fmean(sizes) / CHARS_PER_TOKEN + 15 if sizes else REFERENCE_OUT
