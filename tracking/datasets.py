"""Evaluation datasets of MLflow, read as labelled rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.catalog import did_you_mean
from core.errors import DataError
from tracking.client import SAFE_ENVIRONMENT, SQLITE, store_uri

PREFIX = "mlflow:"
"""Before a dataset's name or id, where a file could be named as well."""
ID_MARK = "d-"
SHOWN = 10


def dataset_rows(named: str, mlruns: Path) -> Sequence[Mapping[str, Any]]:
    """The records of a dataset as ``{id, input, label, split?}``: inputs, expectations, and the tag ``split``.

    Args:
        named: Its name or its id.
        mlruns: Where the workspace's own MLflow is; ``MLFLOW_TRACKING_URI`` names another one.

    Raises:
        DataError: If MLflow or the dataset is not there, the name stands for several, or no record has expectations.
    """
    uri = store_uri(mlruns)
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).exists():
        raise DataError(f"{PREFIX}{named}: there is no MLflow at {uri}", hint="set MLFLOW_TRACKING_URI to yours")
    for name, value in SAFE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    mlflow.set_tracking_uri(uri)  # a dataset loads its records through the global one, whatever the client says
    api = MlflowClient(tracking_uri=uri)
    try:
        found = [api.get_dataset(named)] if named.startswith(ID_MARK) else _by_name(api, named, uri)
        records = [record.to_dict() for record in found[0].records]
    except MlflowException as error:
        raise DataError(f"{PREFIX}{named}: MLflow at {uri}: {str(error).splitlines()[0]}") from None
    rows = [_row(record) for record in records if record.get("expectations")]
    if not rows:
        raise DataError(
            f"{PREFIX}{named}: none of its {len(records)} records has expectations, so that nothing says what is right",
            hint="add them: dataset.merge_records([{'inputs': {...}, 'expectations': {...}}])",
        )
    return rows


def _by_name(api: Any, named: str, uri: str) -> list[Any]:
    every = list(api.search_datasets())
    found = [dataset for dataset in every if dataset.name == named]
    names = sorted({dataset.name for dataset in every})
    if not found:
        known = f"it has: {', '.join(names[:SHOWN])}" if names else "it has none"
        raise DataError(
            f"{PREFIX}{named}: MLflow at {uri} has no such dataset; {known}", hint=did_you_mean(named, names) or None
        )
    if len(found) > 1:
        ids = ", ".join(dataset.dataset_id for dataset in found)
        raise DataError(f"{PREFIX}{named}: {len(found)} datasets have this name", hint=f"name one by its id: {ids}")
    return found


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    split = (record.get("tags") or {}).get("split")
    row = {"id": record["dataset_record_id"], "input": record["inputs"], "label": record["expectations"]}
    return row | ({"split": split} if split else {})
