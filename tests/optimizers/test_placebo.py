"""Nothing to learn, nothing promoted: labels dealt out at random, through the whole of ``optimize``."""

import contextlib
import json
import random

import pytest

from core.verdict import Decision
from core.workspace import Workspace
from optimizers import OPTIMIZERS
from tasks.scaffold import scaffold
from tasks.task import assemble, read_config
from tests.notes import WORDS
from tests.runs import optimized, task_of
from tests.thorough import thorough
from tracking.store import Store


def placebo(root, seed):
    """A task whose labels have nothing to do with its inputs; one label is more frequent than the other."""
    generator = random.Random(seed)
    rows = [
        {"input": " ".join([*generator.choices(WORDS, k=8), str(i)]), "label": generator.choices("ab", [7, 3])[0]}
        for i in range(150)
    ]
    path = root / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    scaffold("placebo", path, root)
    (root / "configs" / "models.yaml").write_text(
        "models:\n  offline/small: {model: offline/small}\n  offline/large: {model: offline/large}\n", "utf-8"
    )
    workspace = Workspace(root)
    return assemble(read_config(workspace, "placebo", []), workspace)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o.name)
@pytest.mark.parametrize("seed", thorough(range(3), lambda seed: seed == 0))
def test_shuffled_labels_promote_nothing(tmp_path, optimizer, seed):
    placebo(tmp_path, seed)
    place = Workspace(tmp_path)
    task = task_of(place, "placebo", "run.threads=2", name=optimizer.name, budget=300, seed=seed)
    result = optimized(place, task)
    assert result.verdict.decision is not Decision.PROMOTE
    assert result.total_usage.cost_usd is None  # these models have no price, and unknown is not zero
    with contextlib.closing(Store(place.mlruns / "proven.db")) as store:
        assert [e.kind for e in store.events(result.run_id)][-2:] == ["finished", "closed"]
