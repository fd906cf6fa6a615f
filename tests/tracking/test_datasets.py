"""A dataset of MLflow becomes a task: its inputs and expectations are rows."""

import json

import pytest
import yaml
from mlflow.genai.datasets import create_dataset

from core.errors import DataError
from tests.journeys.commands import run
from tracking.client import Client, own_uri
from tracking.datasets import dataset_rows

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")  # of SQLAlchemy, at what MLflow does


@pytest.fixture(scope="module")
def mlruns(tmp_path_factory):
    """A workspace's MLflow with a dataset of sixty labelled records, one without labels, and two of one name."""
    place = tmp_path_factory.mktemp("desk") / "mlruns"
    experiment = Client(own_uri(place), place).api.create_experiment("desk")
    labelled = create_dataset("desk rows", experiment_id=experiment)
    labelled.merge_records([
        {"inputs": {"text": f"text number {i}"}, "expectations": {"team": "ab"[i % 2]},
         "tags": {"split": ("train", "test", "val")[i % 3]}}
        for i in range(60)
    ])  # fmt: skip
    create_dataset("bare", experiment_id=experiment).merge_records([{"inputs": {"text": "x"}}])
    for _ in range(2):
        create_dataset("twice", experiment_id=experiment)
    return place


def test_a_dataset_of_the_workspace_s_own_mlflow_becomes_a_task(mlruns):
    root = mlruns.parent
    _, out, _ = run("init", "desk", "--from-gold", "mlflow:desk rows", "--json", workspace=root)
    assert "60 rows: text -> team (2 labels: " in json.loads(out)["rows"]
    written = [json.loads(line) for line in (root / "corpora" / "desk.jsonl").read_text("utf-8").splitlines()]
    assert {(row["input"]["text"], row["label"]["team"]) for row in written} == {
        (f"text number {i}", "ab"[i % 2]) for i in range(60)
    }
    assert {row["split"] for row in written} == {"train", "dev", "holdout"}
    assert all(row["id"].startswith("dr-") for row in written)
    body = yaml.safe_load((root / "configs" / "desk.yaml").read_text("utf-8"))
    assert (body["corpus"]["path"], body["outputs"]["team"]["labels"]) == ("corpora/desk.jsonl", ["a", "b"])
    run("validate", "desk", workspace=root)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("desk row", "has no such dataset; it has: bare, desk rows, twice"),
        ("bare", "none of its 1 records has expectations"),
        ("twice", "2 datasets have this name"),
        ("d-nothing", "not found"),
    ],
)
def test_what_cannot_be_read_is_said(mlruns, name, said):
    with pytest.raises(DataError, match=said):
        dataset_rows(name, mlruns)


def test_where_there_is_no_mlflow_none_is_made(tmp_path):
    with pytest.raises(DataError, match="there is no MLflow at sqlite"):
        dataset_rows("desk rows", tmp_path)
    assert not list(tmp_path.iterdir())
