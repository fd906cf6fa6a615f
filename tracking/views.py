"""What people see first in MLflow: saved views of optimisations and of a matrix's cells, with the charts that matter.

MLflow stores views as an experiment tag in a format of its own (seen in 3.17); a contract test guards it.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from typing import Any

KEY = "leaderboard"
FIXED = "attributes.`Run Name`"
WIDTHS = {FIXED: 188, "tags.`gate`": 96}
WIDTH = 68
"""Pixels of a column: enough for four decimals, so that the first six fit beside MLflow's own panel."""
CELLS = "cells"


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


COLUMNS = (
    _column("tags", "gate"),
    _column("metrics", "score"),
    _column("metrics", "lift"),
    _column("metrics", "lift_low"),
    _column("metrics", "usd"),
    _column("metrics", "seconds"),
    _column("metrics", "baseline"),
    _column("params", "optimizer"),
    _column("params", "budget"),
    _column("params", "student"),
)


CELL_COLUMNS = (
    _column("params", "prompt"),
    _column("params", "model"),
    _column("tags", "outcome"),
    _column("metrics", "score"),
    _column("metrics", "score_low"),
    _column("metrics", "score_high"),
    _column("metrics", "delta"),
    _column("metrics", "cost_per_1000"),
    _column("metrics", "latency"),
    _column("metrics", "failed"),
)


def leaderboard_tag() -> tuple[str, str]:
    """Key and value of the experiment tag that makes the view of optimisations."""
    sections = [_section("main", "Which run is best, and at what cost"), _section("curve", "Progress")]
    state = _state('tags.stage = "optimize"', _column("metrics", "score"), COLUMNS, _charts(), sections)
    return _tag(KEY, "Leaderboard", state)


def cells_tag() -> tuple[str, str]:
    """Key and value of the experiment tag that makes the view of a matrix's cells, best score first."""
    sections = [_section("main", "Which prompt on which model, and at what cost")]
    state = _state('tags.kind = "cell"', _column("metrics", "score"), CELL_COLUMNS, _cell_charts(), sections)
    return _tag(CELLS, "Cells", state)


def _tag(key: str, name: str, given: dict[str, Any]) -> tuple[str, str]:
    moment = int(time.time() * 1000)
    state = base64.b64encode(zlib.compress(json.dumps(given).encode())).decode()
    view = {"name": name, "createdAt": moment, "updatedAt": moment, "state": f"deflate;{state}"}
    return f"mlflow.sharedViewState.{key}", json.dumps(view)


def _state(
    only: str, order: str, columns: tuple[str, ...], charts: list[dict[str, Any]], sections: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "searchFilter": only,
        "orderByKey": order,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "columnOrder": [FIXED, *columns],
        "columnWidths": {**dict.fromkeys(columns, WIDTH), **WIDTHS},
        "runsHiddenMode": "FIRST_20_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        "compareRunCharts": charts,
        "compareRunSections": sections,
    }


def _section(key: str, name: str) -> dict[str, Any]:
    return {
        "uuid": f"section-{key}", "name": name, "display": True, "isReordered": True, "deleted": False,
        "isGenerated": False, "columns": 2, "cardHeight": 420,
    }  # fmt: skip


def _cell_charts() -> list[dict[str, Any]]:
    base = {"runsCountToCompare": 20, "deleted": False, "isGenerated": False, "metricSectionId": "section-main"}
    return [
        base | {"uuid": "m1", "type": "BAR", "metricKey": "score", "displayName": "Score"},
        base | {
            "uuid": "m2", "type": "SCATTER", "displayName": "Score against cost",
            "xaxis": {"key": "cost_per_1000", "type": "METRIC"}, "yaxis": {"key": "score", "type": "METRIC"},
        },
        base | {
            "uuid": "m3", "type": "PARALLEL", "displayName": "Prompt, model and score", "showAllRuns": False,
            "selectedParams": ["prompt", "model"], "selectedMetrics": ["cost_per_1000", "score"],
        },
    ]  # fmt: skip


def _charts() -> list[dict[str, Any]]:
    base = {"runsCountToCompare": 20, "deleted": False, "isGenerated": False, "metricSectionId": "section-main"}
    return [
        base | {"uuid": "c1", "type": "BAR", "metricKey": "score", "displayName": "Holdout score"},
        base | {"uuid": "c2", "type": "BAR", "metricKey": "lift_low", "displayName": "Proven lift"},
        base | {
            "uuid": "c3", "type": "SCATTER", "displayName": "Holdout score against cost",
            "xaxis": {"key": "usd", "type": "METRIC"}, "yaxis": {"key": "score", "type": "METRIC"},
        },
        base | {
            "uuid": "c4", "type": "PARALLEL", "displayName": "Choices and outcome", "showAllRuns": False,
            "selectedParams": ["optimizer", "budget", "seed", "student"],
            "selectedMetrics": ["dev/score", "usd", "score"],
        },
        base | {
            "uuid": "c5", "type": "LINE", "displayName": "Best dev score by candidate",
            "metricSectionId": "section-curve", "metricKey": "search/best_dev",
            "selectedMetricKeys": ["search/best_dev"],
            "lineSmoothness": 0, "xAxisScaleType": "linear", "scaleType": "linear", "range": {}, "xAxisKey": "step",
            "selectedXAxisMetricKey": "", "yAxisKey": "metric", "yAxisExpressions": [], "ignoreOutliers": False,
            "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True,
        },
    ]  # fmt: skip
