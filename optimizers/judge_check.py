"""Before a search: can this judge tell a better prompt from a worse one at all?"""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import UsageError
from core.evaluation import Evaluation, RowResult
from data.corpus import Row
from metrics.calibration import resolvable_lift
from metrics.evaluate import judge_row
from metrics.metric import Metric
from stats import noise_sd
from tasks.task import Task

FEWEST = 5
"""Rows that a noise estimate takes."""


def check_references(task: Task) -> None:
    """See that a judge has something to compare with in every row, before anything is spent.

    Raises:
        UsageError: If a row has no reference.
    """
    without = [row.id for row in task.corpus.rows if not row.gold]
    if task.judges and without:
        raise UsageError(
            f"{len(without)} of {len(task.corpus.rows)} rows have no reference that the judge could compare with, such "
            f"as row {without[0]!r}; a matrix has its references written, a search and its holdout need them in the "
            "corpus",
            hint=f"compare prompts and models: python cli.py matrix {task.name}; or give the rows labels",
        )


def check_judge(task: Task, metric: Metric, evaluation: Evaluation) -> str | None:
    """Judge the pilot's answers a second time, really, and see what lift that noise lets the holdout show.

    Returns:
        What a reader of the result must know; None when the judge is steady enough or could not be examined.

    Raises:
        UsageError: If the judge is noisier than the lift that is sought, and is not trusted all the same.
    """
    section = task.config.judge
    if not task.judges or section is None:
        return None
    rows = {row.id: row for row in task.splits.dev}
    pairs = [
        (first, again) for first, again in (_twice(metric, rows, r) for r in evaluation.scored) if again is not None
    ]
    if len(pairs) < FEWEST:
        return f"the judge's noise is unknown: only {len(pairs)} rows could be judged twice"
    noise = noise_sd([[first, again] for first, again in pairs], scale=1.0)
    lift = resolvable_lift(
        noise.value, len(task.splits.holdout) * task.config.gate.repeats, alpha=task.config.gate.alpha
    )
    if lift is not None and lift <= section.sought:
        return None
    shown = "no lift at all" if lift is None else f"a lift of {lift:.3f} at the least"
    message = (
        f"the judge's noise is {noise.value:.3f} a judgement; on {len(task.splits.holdout)} holdout rows it can show "
        f"{shown}, and {section.sought:.3f} is sought"
    )
    if section.trusted:
        return f"{message}; optimised all the same, because judge.trusted says so"
    raise UsageError(
        message,
        hint="--set judge.repeats=3 averages noise away, more holdout rows help, --set judge.sought=... asks for less, "
        "--trust-judge goes on all the same and is recorded",
    )


def _twice(metric: Metric, rows: Mapping[str, Row], result: RowResult) -> tuple[float, float | None]:
    """The first score of an answer, and that of a repeated judgement; None where that one failed."""
    _, judgement, _, _ = judge_row(metric, rows[result.row_id], result.prediction, repeat=1)
    return result.score or 0.0, judgement.score if judgement is not None else None
