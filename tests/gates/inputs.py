"""Gate inputs for tests of gates: a clear and clean lift, unless a test plants something."""

from __future__ import annotations

import random
from dataclasses import replace

from core.candidate import ProgramPrompts, Prompt
from core.evaluation import Evaluation, RowResult, RowStatus, Usage
from gates.gate import GateInput, Reply

CHAMPION = ProgramPrompts((Prompt("judge", "Say what the note is about."),))
CHALLENGER = ProgramPrompts((Prompt("judge", "Say what the note is about: water or land. Rivers are water."),))


def evaluation(scores, prompts=CHAMPION, *, fields=None, predictions=None, usd=0.001):
    """Rows r0, r1 ... with these scores; None is a failed row. ``usd`` is what a row costs."""
    rows = []
    for i, score in enumerate(scores):
        worth = Usage(calls=1, cost_usd=usd)
        if score is None:
            rows.append(RowResult(f"r{i}", RowStatus.LM_ERROR, error="timeout", usage=worth, worth=worth))
        else:
            breakdown = {name: values[i] for name, values in (fields or {}).items()}
            said = {"text": predictions[i]} if predictions else {}
            row = RowResult(f"r{i}", RowStatus.OK, score, breakdown, prediction=said, usage=worth, worth=worth)
            rows.append(row)
    return Evaluation("holdout", prompts.hash, tuple(rows))


def lifted(n=60, lift=0.2, seed=0):
    """Scores of champion and challenger with a clear lift."""
    random_ = random.Random(seed)
    before = [random_.uniform(0.3, 0.6) for _ in range(n)]
    return before, [b + random_.uniform(0.5, 1.5) * lift for b in before]


def firm(prompts, inputs, repeat=0):
    """A program that does its task whatever the text says."""
    return Reply("land. I can't help with anything else.")


def blanks_are_worthless(before):
    """Rescoring that gives every blanked prompt the champion's scores."""
    return lambda prompts: evaluation(before, prompts)


def gate_input(**planted):
    """Evidence on which the production gate promotes."""
    before, after = lifted()
    clean = GateInput(
        champion=evaluation(before),
        challenger=evaluation(after, CHALLENGER),
        champion_prompts=CHAMPION,
        challenger_prompts=CHALLENGER,
        search=(0.46, 0.67),
        spent=Usage(calls=500, cost_usd=0.5),
        by_gold=True,
        ask=firm,
        rescore=blanks_are_worthless(before),
        example={"note": "an ordinary note"},
        text_input="note",
    )
    return replace(clean, **planted)
