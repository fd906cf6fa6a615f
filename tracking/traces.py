"""Rows of an evaluation as MLflow traces with assessments, so that MLflow itself compares two prompts row by row.

A row is one trace of one span. MLflow joins the rows of two runs by the exact text of the request's preview, so it
begins with the row's id; of the assessments only five are columns by default, in alphabetical order, so the score is
``_score`` and the gold answer is one of them. All ids follow from run and row: writing a row twice changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.evaluation import Evaluation, RowResult, RowStatus

if TYPE_CHECKING:
    from mlflow.entities import Assessment, Span, TraceInfo

    from tracking.client import MlflowRun

PREVIEW_CHARS = 1000
TEXT_CHARS = 20_000
"""Of one value of a row, what goes to MLflow; the record has the rest."""
MILLISECOND = 1_000_000


def tell_rows(run: MlflowRun, evaluation: Evaluation, began: int, limit: int) -> int:
    """Write the first ``limit`` rows of an evaluation below a run; returns how many.

    ``began`` is the time of the rows, in milliseconds. MLflow lists newest rows first, so each is a millisecond older
    than the one before it and the order is that of the evaluation.
    """
    spans: list[Span] = []
    for index, row in enumerate(evaluation.rows[:limit]):
        info, span = _trace(run, row, (began - index) * MILLISECOND)
        run.client.traces.start_trace(info)
        spans.append(span)
    if spans:
        run.client.traces.log_spans(run.experiment, spans)
    return len(spans)


def _trace(run: MlflowRun, row: RowResult, start: int) -> tuple[TraceInfo, Span]:
    from mlflow.entities import Span, TraceInfo, TraceLocation, TraceState

    otel = _digest(f"{run.id}/{row.row_id}")
    trace_id, spent = f"tr-{otel}", max(1, round(row.latency * 1000)) * MILLISECOND
    inputs, outputs = _cut(row.inputs), _cut(row.prediction)
    well = row.status is RowStatus.OK
    span = Span.from_dict(
        {
            "trace_id": _bytes(otel),
            "span_id": _bytes(otel[:16]),
            "parent_span_id": None,
            "name": "predict",
            "start_time_unix_nano": start,
            "end_time_unix_nano": start + spent,
            "status": {"code": "STATUS_CODE_OK" if well else "STATUS_CODE_ERROR", "message": row.error or ""},
            "events": [],
            "attributes": {
                "mlflow.traceRequestId": json.dumps(trace_id),
                "mlflow.spanType": json.dumps("CHAIN"),
                "mlflow.spanInputs": _json(inputs),
                "mlflow.spanOutputs": _json(outputs),
            },
        }
    )
    info = TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(run.experiment),
        request_time=start // MILLISECOND,
        execution_duration=spent // MILLISECOND,
        state=TraceState.OK if well else TraceState.ERROR,
        request_preview=_json({"row": row.row_id, **inputs})[:PREVIEW_CHARS],
        response_preview=(_json(outputs) if well else row.error or row.status.value)[:PREVIEW_CHARS],
        trace_metadata={"mlflow.sourceRun": run.id, "mlflow.trace_schema.version": "3"},
        tags={"mlflow.traceName": row.row_id, "mlflow.trace.spansLocation": "TRACKING_STORE"},
        assessments=_assessments(trace_id, row),
    )
    return info, span


def _assessments(trace_id: str, row: RowResult) -> list[Assessment]:
    from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback

    code, person = AssessmentSource("CODE", "proven"), AssessmentSource("HUMAN", "gold")
    said: list[Assessment] = []
    if row.gold:
        said.append(Expectation(name="expected", value=_cut(row.gold), source=person))
    if row.score is None:
        error = AssessmentError(error_code=row.status.value, error_message=row.error or row.status.value)
        said.append(Feedback(name="_score", error=error, source=code))
    else:
        why = row.feedback[:TEXT_CHARS] or None
        said.append(Feedback(name="_score", value=round(row.score, 4), rationale=why, source=code))
        fields = {name: value for name, value in row.fields.items() if name != "_score"}
        said += [Feedback(name=name, value=round(value, 4), source=code) for name, value in fields.items()]
    for assessment in said:
        assessment.trace_id = trace_id
        assessment.assessment_id = f"a-{_digest(f'{trace_id}/{assessment.name}')}"
    return said


def _cut(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value[:TEXT_CHARS] if isinstance(value, str) else value if len(_json(value)) <= TEXT_CHARS
        else _json(value)[:TEXT_CHARS]
        for name, value in values.items()
    }  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _bytes(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
