"""Nothing to learn, nothing promoted: labels dealt out at random, through the whole of ``optimize``."""

import contextlib
import json
import random

import pytest

from calls.ledger import Ledger
from core.verdict import Decision
from core.workspace import Workspace
from optimizers import OPTIMIZERS
from optimizers.optimize import Environment, Options, optimize
from tasks.scaffold import scaffold
from tasks.task import assemble, read_config
from tests.notes import WORDS
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


@contextlib.contextmanager
def environment(root, **kwargs):
    """A store and a ledger in a folder, for one run."""
    store, ledger = Store(root / "proven.db"), Ledger(root / "ledger.db")
    try:
        yield Environment(store=store, ledger=ledger, command="test", code_version="test", **kwargs)
    finally:
        ledger.close()
        store.close()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o.name)
@pytest.mark.parametrize("seed", range(3))
def test_shuffled_labels_promote_nothing(tmp_path, optimizer, seed):
    options = Options(budget=300, seed=seed, threads=2, minibatch=20, max_demos=4, threshold=0.7)
    with environment(tmp_path) as place:
        result = optimize(placebo(tmp_path, seed), optimizer, options, place)
        assert result.verdict.decision is not Decision.PROMOTE
        assert result.total_usage.cost_usd is None  # these models have no price, and unknown is not zero
        assert [e.kind for e in place.store.events(result.run_id)][-2:] == ["finished", "closed"]
