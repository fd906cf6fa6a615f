"""Experiment configurations: inheritance, overrides, mistakes by name and line, and old Python files."""

import json
from pathlib import Path

import pytest

from core.errors import ConfigError, UsageError
from experiments.config import load_experiment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "configs" / "experiments"
    made.mkdir(parents=True)
    (made / "exp_041.json").write_text(
        json.dumps({"experiment_id": "exp_041", "model_id": "gpt-4o-mini", "design": {"p0": 0.6}, "guidelines": ["A"]})
    )
    return made


def write(folder: Path, name: str, text: object) -> str:
    path = folder / name
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return str(path)


def test_a_child_overrides_only_the_keys_that_it_sets(folder, tmp_path):
    child = {"experiment_id": "exp_042", "parent": "exp_041", "guidelines": ["Check limits first", "B"]}
    found = load_experiment(write(folder, "exp_042.json", child), root=tmp_path)
    assert (found.experiment_id, found.model_id, found.design.p0) == ("exp_042", "gpt-4o-mini", 0.6)
    assert found.guidelines == ("Check limits first", "B")
    assert load_experiment("exp_041", root=tmp_path).guidelines == ("A",)


def test_yaml_inherits_from_json_and_deep_keys_are_merged(folder, tmp_path):
    path = write(folder, "x.yaml", "experiment_id: x\nparent: exp_041\ndesign: {effect: 0.2}\n")
    found = load_experiment(path, root=tmp_path)
    assert (found.design.p0, found.design.effect) == (0.6, 0.2)


def test_overrides_win_and_DROP_deletes(folder, tmp_path):
    found = load_experiment("exp_041", root=tmp_path, sets=["design.p0=0.4", "model_id=DROP", "guidelines=[Z]"])
    assert (found.design.p0, found.model_id, found.guidelines) == (0.4, None, ("Z",))


def test_a_cycle_and_a_missing_parent_are_named(folder, tmp_path):
    write(folder, "a.json", {"experiment_id": "a", "parent": "b"})
    write(folder, "b.json", {"experiment_id": "b", "parent": "a"})
    with pytest.raises(ConfigError, match="cycle: a -> b -> a"):
        load_experiment("a", root=tmp_path)
    write(folder, "c.json", '{"experiment_id": "c",\n "parent": "exp_04"}')
    with pytest.raises(ConfigError, match=r"c\.json:2: parent: there is no 'exp_04'.*did you mean 'exp_041'"):
        load_experiment("c", root=tmp_path)
    with pytest.raises(UsageError, match=r"no experiment configuration 'exp_4'; .*exp_041"):
        load_experiment("exp_4", root=tmp_path)


def test_an_improvement_beyond_certainty_is_refused_at_load(folder, tmp_path):
    path = write(folder, "d.yaml", "experiment_id: d\ndesign: {p0: 0.9}\n")
    with pytest.raises(ConfigError, match=r"d\.yaml:2: design: p0 \+ effect: received 0\.9 \+ 0\.15"):
        load_experiment(path, root=tmp_path)


def test_every_mistake_at_once(folder, tmp_path):
    path = write(folder, "e.yaml", "experiment_id: e\nguideline: [x]\nseed: -1\nproducer: {kind: program}\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(path, root=tmp_path)
    text = str(caught.value)
    assert "3 mistakes" in text
    assert "e.yaml:2: guideline: unknown key" in text
    assert "did you mean 'guidelines'?" in text
    assert "e.yaml:3: seed" in text
    assert "producer.task: is required" in text


def test_an_old_python_configuration_is_read_without_being_run(folder, tmp_path):
    path = write(
        folder,
        "old.py",
        '"""Old."""\nEXPERIMENT_ID = "old"\nPARENT = "exp_041"\nGUIDELINES: list = ["Check limits first"]\n',
    )
    found = load_experiment(path, root=tmp_path)
    assert (found.experiment_id, found.model_id, found.guidelines) == ("old", "gpt-4o-mini", ("Check limits first",))
    path = write(folder, "older.py", 'config = {"experiment_id": "older", "seed": 3}\n')
    assert load_experiment(path, root=tmp_path).seed == 3
    mark = tmp_path / "ran"
    path = write(folder, "evil.py", f"import os\nEXPERIMENT_ID = open({str(mark)!r}, 'w').name\nSEED = 1\n")
    with pytest.raises(ConfigError, match=r"evil\.py:1: not NAME = literal.*\n.*evil\.py:2: not NAME = literal"):
        load_experiment(path, root=tmp_path)
    assert not mark.exists()


def test_the_hash_is_of_what_sessions_depend_on(folder, tmp_path):
    before = load_experiment("exp_041", root=tmp_path)
    assert load_experiment("exp_041", root=tmp_path, sets=["design.p0=0.5"]).config_hash == before.config_hash
    assert load_experiment("exp_041", root=tmp_path, sets=["guidelines=[]"]).config_hash != before.config_hash
