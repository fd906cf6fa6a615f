"""Ways to learn, side by side: the same sessions and tasks, a learning key for each, and one report over all."""

import json
import sys

import pytest

from core.errors import ConfigError, UsageError
from core.workspace import HOME, Workspace
from experiments.learning_sweep import read_variants
from playbook.entry import Category
from sessions.record import Outcome, Session, Step
from sessions.store import open_sessions
from tests.journeys.commands import run

AGENT = """
import json, sys
asked = json.load(sys.stdin)
told = any("weigh" in text for text in asked["guidelines"])
steps = ["weigh", "ship"] if told else ["ship"]
said = [{"role": "user", "text": "send this parcel abroad"}] + [{"role": "tool", "tool": tool} for tool in steps]
print(json.dumps({"success": told, "trajectory": said, "input_tokens": 10}))
"""


def test_the_shipped_variants_differ_in_key_models_and_scope():
    variants = read_variants(sorted((HOME / "configs" / "learning").glob("*.yaml")))
    assert [one.learning_key for one in variants] == ["baseline_claude", "baseline_openai", "scope_shift_openai"]
    assert [one.learning.entry_schema.default_scope_category for one in variants] == [
        Category.REINFORCEMENT, Category.REINFORCEMENT, Category.DIFFERENTIATION,
    ]  # fmt: skip
    assert variants[1].experiment == variants[2].experiment


def test_mistakes_and_shared_keys_are_refused(tmp_path):
    one, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    for path in (one, other):
        path.write_text("{learning_key: k, experiment: {parent: p}}", "utf-8")
    with pytest.raises(UsageError, match="a key of its own"):
        read_variants([one, other])
    one.write_text("{learning_key: k, experiment: {parent: p}, learning: {typo: 1}}", "utf-8")
    with pytest.raises(ConfigError, match=r"learning\.typo"):
        read_variants([one])


@pytest.fixture
def place(tmp_path):
    experiments, variants = tmp_path / "configs" / "experiments", tmp_path / "configs" / "learning"
    experiments.mkdir(parents=True)
    variants.mkdir()
    (tmp_path / "configs" / "models.yaml").write_bytes((HOME / "configs" / "models.yaml").read_bytes())
    (tmp_path / "agent.py").write_text(AGENT, "utf-8")
    argv = [sys.executable, "-S", str(tmp_path / "agent.py")]
    made = {"kind": "command", "argv": argv, "tasks": [f"t{n}" for n in range(12)], "timeout": 60}
    parcels = {"experiment_id": "parcels", "producer": made, "design": {"n_max": 12}}
    (experiments / "parcels.json").write_text(json.dumps(parcels), "utf-8")
    for key, category in (("plain", "reinforcement"), ("shifted", "differentiation")):
        variant = {"learning_key": key, "experiment": {"parent": "parcels"}, "prompt_variant": category,
                   "learning": {"schema": {"default_scope_category": category}}}  # fmt: skip
        (variants / f"{key}.yaml").write_text(json.dumps(variant), "utf-8")
    asked, ways = Step("user", "send this parcel abroad"), (("weigh", "ship"), ("ship",))
    with open_sessions(Workspace(tmp_path)) as store:
        store.append(
            Session(
                f"old{n}", experiment="old", task=f"t{n // 2}", success=n % 2 == 0, outcome=Outcome.of(n % 2 == 0),
                trajectory=(asked, *(Step("tool", tool=tool) for tool in ways[n % 2])),
            )
            for n in range(8)
        )  # fmt: skip
    return tmp_path


def test_variants_learn_from_the_same_sessions_and_are_tried_on_the_same_tasks(place):
    configs = sorted((place / "configs" / "learning").glob("*.yaml"))
    _, out, _ = run("playbook", "sweep", *configs, "--where", "experiment=old", "--yes", "--json", workspace=place)
    index = json.loads(out)
    assert index["learning_keys"] == ["plain", "shifted", "plain/without", "shifted/without"]
    assert index["run_metadata"]["prompt_variant"] == "plain: reinforcement, shifted: differentiation"
    for key in ("plain", "shifted"):
        path = place / "mlruns" / "learning" / index["artifacts"][key]["json"]
        found = json.loads(path.read_text("utf-8"))
        assert (found["control_key"], found["control"]["tasks"], found["control"]["delta"]) == (
            f"{key}/without",
            12,
            1.0,
        )
        (impact,) = found["playbook_impact"]
        assert (impact["hits"], impact["adoption_rate"]) == (12, 1.0)
        assert found["version"] == 1
    with open_sessions(Workspace(place)) as store:
        noted = [one for one in store.sessions() if "learning_usage" in one.metadata]
    assert {one.tags["learning_key"] for one in noted} == {"plain", "shifted"}
