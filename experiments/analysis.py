"""From stored outputs and scores to the cells of a matrix: comparisons, intervals, cost, the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from calls.models import ModelSpec
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
from core.plain import canonical, digest, to_json
from experiments.defects import defects
from experiments.freshness import REMEDY, Key, Marks, stale_rows, told
from experiments.grid import CellPlan, Grid, available_rows, keeps_holdout
from experiments.lines import CorpusLine, OutputLine, ScoreLine
from stats import Comparison, compare_all, pareto_front, probability_above, t_interval
from tasks.task import Task

NOT_COMPARED = "stopped early by the race, so it is not compared; what stopped it: "

EQUAL = "; every output is, to the letter, that of the reference cell"


@dataclass(frozen=True)
class Results:
    """What the steps have stored, and the marks of what is still of this task."""

    marks: Marks
    corpus: Sequence[CorpusLine]
    outputs: Sequence[OutputLine]
    scores: Sequence[ScoreLine]
    race: RaceInfo | None = None
    card: JudgeCard | None = None


def content_mark(matrix: Matrix) -> str:
    """Hash of what a matrix says, whenever and by which run it was put together."""
    return digest(to_json(replace(matrix, run_id="", started_at="", seconds=0.0, usage={})))


@dataclass(frozen=True)
class Lines:
    """Stored lines by prompt, model and row, and which of them are not scored because they are of something else."""

    outputs: Mapping[Key, OutputLine]
    scores: Mapping[Key, ScoreLine]
    stale: Mapping[Key, str]


def build_matrix(
    task: Task,
    grid: Grid,
    results: Results,
    *,
    metric: str,
    run_id: str,
    started_at: str,
    seconds: float,
    usage: Mapping[str, Usage],
    judges: Sequence[ModelSpec] = (),
) -> Matrix:
    """Put the record of a matrix together. Pure; the same lines give the same cells."""
    scores = {(s.prompt, s.model, s.row_id): s for s in results.scores}
    outputs = {(o.prompt, o.model, o.row_id): o for o in results.outputs}
    stopped = dict(text.split(": ", 1) for text in results.race.stopped) if results.race else {}
    rows = [line for line in results.corpus if line.reference_output]
    stale = stale_rows(results.marks, grid.cells, rows, outputs, scores)
    cells = [_cell(plan, rows, Lines(outputs, scores, stale), stopped.get(plan.name, "")) for plan in grid.cells]
    cells = _compared(cells, grid.baseline, task)
    front = set(pareto_front([(cell.cost_per_1000, cell.score.value if cell.score else None) for cell in cells]))
    cells = [replace(cell, on_front=i in front and cell.score is not None) for i, cell in enumerate(cells)]
    section = task.config.judge
    criteria = section.criteria if section is not None else ()
    whole = sum(c.weight for c in criteria)
    lost = len(results.corpus) - len(rows)
    asked = [*(cell.spec for cell in grid.cells), *judges]
    return Matrix(
        run_id=run_id,
        task=task.name,
        description=task.config.description,
        started_at=started_at,
        seconds=seconds,
        metric=metric,
        criteria=tuple(CriterionInfo(c.name, c.weight / whole, c.description) for c in criteria),
        reference=grid.baseline,
        cells=tuple(cells),
        margin=task.config.matrix.margin,
        alpha=task.config.matrix.alpha,
        cheapest=_cheapest(cells),
        judge=results.card,
        race=results.race,
        usage=usage,
        corpus=_origins(rows, keeps_holdout(task)),
        available=len(available_rows(task)),
        offline=any(spec.offline for spec in asked),
        nominal=all(spec.offline for spec in asked),
        warnings=(
            *grid.notes,
            *told(stale, task.name),
            *((f"{lost} rows have no reference and are left out",) if lost else ()),
        ),
    )


def _cell(
    plan: CellPlan,
    rows: Sequence[CorpusLine],
    lines: Lines,
    stopped: str,
) -> Cell:
    results = [_row(plan, line, lines) for line in rows]
    results = [row for row in results if row is not None]
    evaluation = Evaluation("matrix", plan.prompts.hash, tuple(results))
    answered = [row for row in results if row.worth.calls]
    prices = [plan.spec.price(row.worth.input_tokens, row.worth.output_tokens) for row in answered]
    known = [price for price in prices if price is not None]
    return Cell(
        prompt=plan.prompt,
        model=plan.model,
        prompt_hash=plan.prompts.hash,
        evaluation=evaluation,
        comparison=CellComparison(ComparisonOutcome.CANNOT_TELL),
        score=_estimate([row.score for row in evaluation.scored if row.score is not None]),
        cost_per_1000=1000 * sum(known) / len(known) if known and len(known) == len(prices) else None,
        latency=median(row.latency for row in answered) if answered else None,
        companions=evaluation.companion_means(),
        stopped=stopped,
        stale=_stale(plan, lines.stale),
        defects=defects(evaluation),
    )


def _stale(plan: CellPlan, stale: Mapping[Key, str]) -> str:
    """What of a cell is left out because it is of something else, and what makes it fresh."""
    reasons = [why for (prompt, model, _), why in stale.items() if (prompt, model) == (plan.prompt, plan.model)]
    return "; ".join(f"{reasons.count(why)} rows: {why}" for why in REMEDY if why in reasons)


def _row(plan: CellPlan, line: CorpusLine, lines: Lines) -> RowResult | None:
    key = (plan.prompt, plan.model, line.id)
    output, score = lines.outputs.get(key), lines.scores.get(key)
    if output is None:
        return None
    if key in lines.stale:
        return RowResult(
            line.id, RowStatus.SKIPPED, inputs=line.input, gold=line.reference_output, error=lines.stale[key]
        )
    scored = score is not None and score.status is RowStatus.OK and score.score is not None
    status = RowStatus.OK if scored else score.status if score is not None else RowStatus.SKIPPED
    return RowResult(
        row_id=line.id,
        status=status,
        score=score.score if score is not None and scored else None,
        fields=score.criteria if score is not None else {},
        feedback=score.feedback if score is not None else "",
        inputs=line.input,
        gold=line.reference_output,
        prediction=output.prediction,
        error=(score.error if score is not None else None) or output.error,
        worth=output.worth,
        latency=output.latency,
        companions=score.companions if score is not None else {},
    )


def _estimate(scores: Sequence[float]) -> ScoreEstimate | None:
    if not scores:
        return None
    mean = sum(scores) / len(scores)
    if len(scores) < 2:
        return ScoreEstimate(mean, 0.0, 1.0, len(scores))
    interval = t_interval(scores)
    return ScoreEstimate(mean, max(0.0, interval.low), min(1.0, interval.high), len(scores))


def _compared(cells: Sequence[Cell], baseline: str, task: Task) -> list[Cell]:
    """Compare every cell with the reference cell, on the rows that both have scored."""
    reference = next(cell for cell in cells if cell.name == baseline)
    base = {row.row_id: row.score for row in reference.evaluation.scored if row.score is not None}
    differences = {
        cell.name: [
            row.score - base[row.row_id]
            for row in cell.evaluation.scored
            if row.row_id in base and row.score is not None
        ]
        for cell in cells
        if cell.name != baseline and not cell.stopped
    }
    section = task.config.matrix
    found = compare_all(differences, margin=section.margin, alpha=section.alpha) if differences else {}
    placed = []
    for cell in cells:
        if cell.name == baseline:
            comparison = CellComparison(ComparisonOutcome.REFERENCE, n=len(base))
        elif cell.name in found:
            comparison = _comparison(found[cell.name], differences[cell.name], section.margin)
            if _same_outputs(cell, reference):
                equal = ComparisonOutcome.EQUAL
                comparison = replace(comparison, outcome=equal, needed=None, reason=comparison.reason + EQUAL)
        else:
            comparison = CellComparison(ComparisonOutcome.CANNOT_TELL, reason=NOT_COMPARED + cell.stopped)
        placed.append(replace(cell, comparison=comparison))
    return placed


def _comparison(c: Comparison, differences: Sequence[float], margin: float) -> CellComparison:
    likely = probability_above(differences, -margin) if differences else None
    return CellComparison(ComparisonOutcome(c.outcome), c.delta, c.low, c.high, c.n, c.needed, c.reason, likely)


def _same_outputs(cell: Cell, other: Cell) -> bool:
    """Whether two cells gave the very same output for every row; aliases of one model do."""
    mine, theirs = ({r.row_id: canonical(r.prediction) for r in c.evaluation.scored} for c in (cell, other))
    return bool(mine) and mine == theirs


def _cheapest(cells: Sequence[Cell]) -> str | None:
    """The cheapest cell that is better or good enough and has no defect; quality decides between equal prices."""
    good = [
        cell
        for cell in cells
        if cell.comparison.outcome in (ComparisonOutcome.BETTER, ComparisonOutcome.GOOD_ENOUGH)
        and cell.cost_per_1000 is not None
        and cell.score is not None
        and not cell.defects
    ]
    best = min(good, key=lambda c: (c.cost_per_1000 or 0.0, -(c.score.value if c.score else 0.0)), default=None)
    return best.name if best else None


def _origins(rows: Sequence[CorpusLine], sealed: bool) -> dict[str, str]:
    """Where rows and references came from, in a few words each."""
    sources = sorted({str(line.metadata.get("source", "")) for line in rows})
    references = sorted({str(line.metadata.get("reference", "")) for line in rows})
    found = {
        "rows": f"{len(rows)} of {', '.join(sources)}{', none of the holdout' if sealed else ''}",
        "references": ", ".join(references),
    }
    for key in ("run", "cell", "prompt_hash", "model"):
        values = sorted({str(line.metadata[key]) for line in rows if key in line.metadata})
        if values:
            found[f"made by {key}"] = ", ".join(values[:3])
    return found
