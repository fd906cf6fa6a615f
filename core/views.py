"""The leaderboard that people see first in MLflow: a saved view with ten columns and the charts that matter.

MLflow stores views as an experiment tag in a format of its own (seen in 3.17); a contract test guards it.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from typing import Any

KEY = "leaderboard"


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


COLUMNS = (
    _column("tags", "gate"),
    _column("metrics", "holdout/score"),
    _column("metrics", "holdout/delta"),
    _column("metrics", "holdout/delta_lo"),
    _column("metrics", "holdout/baseline"),
    _column("metrics", "dev/score"),
    _column("metrics", "cost/usd_total"),
    _column("params", "optimizer"),
    _column("params", "budget"),
    _column("params", "student"),
)


def leaderboard_tag() -> tuple[str, str]:
    """Key and value of the experiment tag that makes the view."""
    moment = int(time.time() * 1000)
    state = base64.b64encode(zlib.compress(json.dumps(_state()).encode())).decode()
    view = {"name": "Leaderboard", "createdAt": moment, "updatedAt": moment, "state": f"deflate;{state}"}
    return f"mlflow.sharedViewState.{KEY}", json.dumps(view)


def _state() -> dict[str, Any]:
    return {
        "searchFilter": 'tags.stage = "optimize"',
        "orderByKey": _column("metrics", "holdout/score"),
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(COLUMNS),
        "columnOrder": [],
        "columnWidths": {},
        "runsHiddenMode": "FIRST_20_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        "compareRunCharts": _charts(),
        "compareRunSections": [_section("main", "Which run is best, and at what cost"), _section("curve", "Progress")],
    }


def _section(key: str, name: str) -> dict[str, Any]:
    return {
        "uuid": f"section-{key}", "name": name, "display": True, "isReordered": True, "deleted": False,
        "isGenerated": False,
    }  # fmt: skip


def _charts() -> list[dict[str, Any]]:
    base = {"runsCountToCompare": 20, "deleted": False, "isGenerated": False, "metricSectionId": "section-main"}
    return [
        base | {"uuid": "c1", "type": "BAR", "metricKey": "holdout/score", "displayName": "Holdout score"},
        base | {"uuid": "c2", "type": "BAR", "metricKey": "holdout/delta_lo", "displayName": "Proven lift"},
        base | {
            "uuid": "c3", "type": "SCATTER", "displayName": "Holdout score against cost",
            "xaxis": {"key": "cost/usd_total", "type": "METRIC"}, "yaxis": {"key": "holdout/score", "type": "METRIC"},
        },
        base | {
            "uuid": "c4", "type": "PARALLEL", "displayName": "Choices and outcome", "showAllRuns": False,
            "selectedParams": ["optimizer", "budget", "seed", "student"],
            "selectedMetrics": ["dev/score", "cost/usd_total", "holdout/score"],
        },
        base | {
            "uuid": "c5", "type": "LINE", "displayName": "Best dev score by candidate",
            "metricSectionId": "section-curve", "metricKey": "best/dev_score", "selectedMetricKeys": ["best/dev_score"],
            "lineSmoothness": 0, "xAxisScaleType": "linear", "scaleType": "linear", "range": {}, "xAxisKey": "step",
            "selectedXAxisMetricKey": "", "yAxisKey": "metric", "yAxisExpressions": [], "ignoreOutliers": False,
            "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True,
        },
    ]  # fmt: skip
