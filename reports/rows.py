"""Every holdout row under both prompts: what came, how it scored, what changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.evaluation import Evaluation, RowResult
from reports.blocks import Produced, RowLine, RowTable, shorten

PAGE_CHARS = 1_000_000
"""Of all rows together on a page, so that it stays below its limit with markup and escapes."""
TEXT_CHARS, LEAST_CHARS, MOST_ROWS = 1500, 120, 1000
SAME = 1e-9


def row_table(before: Evaluation, after: Evaluation) -> RowTable:
    """The rows of both evaluations, paired: the largest changes first, the first gain and the first loss unfolded."""
    pairs = sorted(zip(before.rows, after.rows, strict=True), key=lambda pair: -abs(_change(*pair) or 0.0))
    shown = pairs[:MOST_ROWS]
    limit = max(LEAST_CHARS, min(TEXT_CHARS, PAGE_CHARS // (4 * max(1, len(shown)))))
    lines: list[RowLine] = []
    seen: set[str] = set()
    for old, new in shown:
        kind = _kind(_change(old, new))
        lines.append(_line(old, new, kind, limit, unfold=kind in ("gain", "loss") and kind not in seen))
        seen.add(kind)
    return RowTable(tuple(lines), len(pairs) - len(shown))


def _change(before: RowResult, after: RowResult) -> float | None:
    if before.score is None or after.score is None:
        return None
    return after.score - before.score


def _kind(change: float | None) -> str:
    if change is None:
        return "no score"
    return "same" if abs(change) < SAME else "gain" if change > 0 else "loss"


def _line(before: RowResult, after: RowResult, kind: str, limit: int, *, unfold: bool) -> RowLine:
    text = "\n".join(str(value) for value in after.inputs.values())
    return RowLine(
        after.row_id,
        kind,
        _change(before, after),
        shorten(text, limit),
        shorten("\n".join(f"{name}: {_text(value)}" for name, value in after.gold.items()), limit),
        _produced(before, limit),
        _produced(after, limit),
        unfold,
    )


def _produced(row: RowResult, limit: int) -> Produced:
    if row.score is None:
        return Produced(None, ((row.status.value.replace("_", " "), shorten(row.error or "no answer", limit), None),))
    each = max(LEAST_CHARS, limit // max(1, len(row.prediction)))
    fields: Mapping[str, Any] = row.prediction
    return Produced(
        row.score, tuple((name, shorten(_text(value), each), row.fields.get(name)) for name, value in fields.items())
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
