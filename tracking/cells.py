"""A matrix in MLflow: the parent's figures and one child run per cell, so that the compare view works on cells."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from core.cells import Cell, Matrix
from core.plain import digest, to_json
from tracking.client import MlflowRun, milliseconds
from tracking.holdout import Rows
from tracking.registry import register_texts
from tracking.tables import cell_numbers
from tracking.traces import tell_rows
from tracking.views import cells_tag

CELL_TAG = "proven.cell"


def tell_matrix(run: MlflowRun, matrix: Matrix, rows: Rows, prompts: Mapping[str, str]) -> tuple[str, str] | None:
    """Write a matrix and its cells; the runs of the reference cell and of the one to compare with it first."""
    versions = register_texts(run, matrix.task, prompts)
    run.metrics({f"score/{cell.name}": cell.score.value if cell.score else None for cell in matrix.cells})
    run.tags({"gate": matrix.cheapest or "no cell is proven good enough", "kind": "matrix"})
    key, value = cells_tag()
    run.client.api.set_experiment_tag(run.experiment, key, value)
    if rows.wanted:
        run.text(to_json(matrix), "matrix.json")
    told = {cell.name: _tell_cell(run, matrix, cell, rows, versions.get(cell.prompt)) for cell in matrix.cells}
    others = [cell for cell in matrix.cells if cell.name != matrix.reference and cell.score is not None]
    first = max(others, key=lambda c: (c.name == matrix.cheapest, c.score.value if c.score else 0.0), default=None)
    return (told[matrix.reference].id, told[first.name].id) if first and matrix.reference in told else None


def _tell_cell(parent: MlflowRun, matrix: Matrix, cell: Cell, rows: Rows, prompt: Any) -> MlflowRun:
    """One cell; a second time it is found by its tag and written again with the same values."""
    tag = digest(f"{matrix.run_id}/{cell.name}")
    child = parent.client.find_run(parent.experiment, CELL_TAG, tag)
    if child is None:
        tags = {
            "mlflow.parentRunId": parent.id,
            "mlflow.runName": cell.name,
            CELL_TAG: tag,
            "kind": "cell",
            "outcome": cell.comparison.outcome.value,
            "gate": cell.comparison.outcome.value,
        }
        child = parent.client.make_run(parent.experiment, matrix.started_at, tags)
    child.params({"model": cell.model, "prompt": cell.prompt, "prompt_sha": cell.prompt_hash, "metric": matrix.metric})
    child.metrics(cell_numbers(cell))
    if prompt is not None:
        child.client.api.link_prompt_version_to_run(child.id, prompt)
    if rows.wanted:
        _tell_rows(child, matrix, cell, rows)
    child.ended("FINISHED", milliseconds(matrix.started_at) + int(1000 * matrix.seconds))
    return child


def _tell_rows(child: MlflowRun, matrix: Matrix, cell: Cell, rows: Rows) -> None:
    tell_rows(child, cell.evaluation, milliseconds(matrix.started_at), rows.limit)
    outputs = (
        {"id": r.row_id, "status": r.status.value, "score": r.score, "output": dict(r.prediction), "error": r.error}
        for r in cell.evaluation.rows
    )
    child.text(_lines(outputs), "outputs.jsonl")
    scores = (
        {"id": r.row_id, "score": r.score, "criteria": dict(r.fields), "feedback": r.feedback, **r.companions}
        for r in cell.evaluation.rows
    )
    child.text(_lines(scores), "scores.jsonl")


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
