"""A matrix of three prompts on four models over fifteen rows, with everything in it that can go wrong."""

from __future__ import annotations

from dataclasses import replace

from core.cells import (
    Cell,
    CellComparison,
    ComparisonOutcome,
    CriterionInfo,
    JudgeCard,
    Matrix,
    RaceInfo,
    ScoreEstimate,
)
from core.evaluation import Evaluation, RowResult, RowStatus, Usage

HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=alert(1)> | [go](javascript:alert(1)) \x1b[31mred\x1b[0m '
    "\u202egnirts \u2067x \ud83d ``` {{x}} <svg onload=alert(1)> https://evil.example/x.png"
)
CRITERIA = (
    CriterionInfo("signal_preservation", 0.40, "keeps reasoning, decisions, errors and user corrections"),
    CriterionInfo("compression", 0.25, "meaningfully shorter while keeping the signal"),
    CriterionInfo("downstream_utility", 0.20, "a downstream extractor could find learnings and dropped commitments"),
    CriterionInfo("coherence", 0.15, "reads as narrative, not as choppy fragments"),
)
MODELS = {"opus": 24.0, "haiku": 1.6, "flash": 0.42, "grok-fast": None}
PROMPTS = ("default", "tighter", "structured")
SCORES = {
    ("opus", "default"): 0.842, ("opus", "tighter"): 0.861, ("opus", "structured"): 0.835,
    ("haiku", "default"): 0.818, ("haiku", "tighter"): 0.809, ("haiku", "structured"): 0.704,
    ("flash", "default"): 0.776, ("flash", "tighter"): 0.738, ("flash", "structured"): 0.611,
    ("grok-fast", "default"): 0.802, ("grok-fast", "tighter"): 0.790, ("grok-fast", "structured"): None,
}  # fmt: skip
FRONT = {("opus", "tighter"), ("haiku", "default"), ("haiku", "tighter"), ("flash", "default"), ("flash", "tighter")}
COMPARISONS = {
    ("opus", "default"): CellComparison(ComparisonOutcome.REFERENCE, n=15),
    ("opus", "tighter"): CellComparison(ComparisonOutcome.BETTER, 0.019, 0.004, 0.034, 15),
    ("opus", "structured"): CellComparison(ComparisonOutcome.GOOD_ENOUGH, -0.007, -0.031, 0.017, 15),
    ("haiku", "default"): CellComparison(ComparisonOutcome.GOOD_ENOUGH, -0.024, -0.046, -0.002, 15),
    ("haiku", "tighter"): CellComparison(ComparisonOutcome.CANNOT_TELL, -0.033, -0.066, 0.001, 15, 38),
    ("haiku", "structured"): CellComparison(ComparisonOutcome.WORSE, -0.138, -0.190, -0.086, 15),
    ("flash", "default"): CellComparison(ComparisonOutcome.CANNOT_TELL, -0.066, -0.112, -0.020, 15, 210),
    ("flash", "tighter"): CellComparison(ComparisonOutcome.WORSE, -0.104, -0.150, -0.058, 15),
    ("flash", "structured"): CellComparison(ComparisonOutcome.WORSE, -0.231, -0.402, -0.060, 5),
    ("grok-fast", "default"): CellComparison(ComparisonOutcome.CANNOT_TELL, -0.040, -0.088, 0.008, 13, 64),
    ("grok-fast", "tighter"): CellComparison(ComparisonOutcome.CANNOT_TELL, -0.052, -0.101, -0.003, 15, 1450),
    ("grok-fast", "structured"): CellComparison(ComparisonOutcome.CANNOT_TELL, reason="no row was scored"),
}
WORDS = "We moved the nightly job from cron to the queue. The first try failed because the lock was never released. "


def rows(model: str, prompt: str, text: str = WORDS) -> tuple[RowResult, ...]:
    """Fifteen rows whose scores average to the cell's score, but for those that failed or were not run."""
    mean, made = SCORES[model, prompt], []
    for index in range(15):
        inputs = {"input": f"Transcript {index}.\n{text * 6}"}
        gold = {"reference_output": f"Reference {index}. {text}"}
        name = f"session-{index:02d}"
        if mean is None:
            error = "HTTP 400: the model does not support system prompts"
            made.append(RowResult(name, RowStatus.LM_ERROR, inputs=inputs, gold=gold, error=error))
        elif (model, prompt) == ("grok-fast", "default") and index in (3, 7):
            error = f"no JSON in the judge's answer: {text[:120]}"
            made.append(RowResult(name, RowStatus.METRIC_ERROR, inputs=inputs, gold=gold, error=error))
        elif (model, prompt) == ("flash", "structured") and index >= 5:
            made.append(RowResult(name, RowStatus.SKIPPED, inputs=inputs, gold=gold, error="stopped by racing"))
        else:
            score = round(mean + 0.02 * ((index % 5) - 2), 4)
            parts = (score + 0.05, score - 0.03, score, score - 0.08)
            fields = {c.name: min(1.0, max(0.0, v)) for c, v in zip(CRITERIA, parts, strict=True)}
            words = f"It keeps the decision but drops the second error. {text[:200]}"
            made.append(
                RowResult(
                    name, RowStatus.OK, score, fields, words, inputs, gold,
                    {"output": f"Candidate {index} of {model}. {text}"}, usage=Usage(1, 900, 300, 0.001), latency=1.4,
                )
            )  # fmt: skip
    return tuple(made)


def cell(model: str, prompt: str, text: str = WORDS) -> Cell:
    """One cell of the sample."""
    mean, cost = SCORES[model, prompt], MODELS[model]
    return Cell(
        prompt, model, f"{PROMPTS.index(prompt)}f3a9c0d1e2b4567", Evaluation("all", "p", rows(model, prompt, text)),
        COMPARISONS[model, prompt],
        None if mean is None else ScoreEstimate(mean, mean - 0.045, min(1.0, mean + 0.041), 15),
        None if cost is None else cost * {"default": 1.0, "tighter": 0.8, "structured": 1.1}[prompt],
        None if mean is None else {"opus": 9.1, "haiku": 2.3, "flash": 1.2, "grok-fast": 1.9}[model],
        {} if mean is None else {"compression ratio": 0.21, "words": 412.0},
        (model, prompt) in FRONT,
        "clearly dominated after 5 rows" if (model, prompt) == ("flash", "structured") else "",
    )  # fmt: skip


CARD = JudgeCard(
    "pair judge on opus", 60, ScoreEstimate(0.71, 0.55, 0.82, 60), ScoreEstimate(0.58, 0.41, 0.72, 60),
    ScoreEstimate(0.08, 0.03, 0.18, 60), ScoreEstimate(0.012, -0.004, 0.028, 60),
    ScoreEstimate(0.031, 0.024, 0.040, 30), None, 0.027,
    2, ("The judge and the author of the references are the same model.",),
)  # fmt: skip


def sample(text: str = WORDS) -> Matrix:
    """The whole matrix; ``text`` stands in inputs, outputs, references, errors and the judge's words."""
    return Matrix(
        "condensation-20260102-030405", "condensation", "Compress a session transcript, keep its reasoning",
        "2026-01-02T03:04:05Z", 412.7, "pair judge", CRITERIA, "default @ opus",
        tuple(cell(model, prompt, text) for model in MODELS for prompt in PROMPTS), 0.05, 0.05, "default @ haiku", CARD,
        RaceInfo(180, 170, ("structured @ flash",)),
        {
            "candidate": Usage(170, 153_000, 51_000, None, 512.0, 15, 0),
            "judge": Usage(153, 320_000, 30_600, 7.35, 700.0, 2, 12),
        },
        {"rows": "corpora/transcripts.jsonl, 15 of 62 rows", "references": "default on opus, written 2026-01-01"},
        True, ("The price of grok-fast is unknown.",), nominal=True,
    )  # fmt: skip


def without_winner(*comparisons: CellComparison) -> Matrix:
    """The reference and one cell per comparison, none of which holds up."""
    whole = sample()
    cells = [replace(c, comparison=s) for c, s in zip(whole.cells[1:], comparisons, strict=False)]
    return replace(whole, cells=(whole.cells[0], *cells), cheapest=None)
