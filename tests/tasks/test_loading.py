"""Task files: inheritance, overrides, and every mistake at once with file, line and remedy."""

import json

import pytest

from core.errors import ConfigError, UsageError
from tasks.config import config_hash, task_schema
from tasks.files import list_tasks
from tasks.loading import load_task

BASE = """task: base
outputs:
  label: {type: categorical, labels: [a, b]}
corpus:
  path: rows.jsonl
gate:
  margin: 0.01
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "base.yaml").write_text(BASE, "utf-8")
    return tmp_path


def add(root, name, text):
    (root / "configs" / f"{name}.yaml").write_text(text, "utf-8")


def problems(root, name, sets=()):
    with pytest.raises(ConfigError) as caught:
        load_task(name, workspace=root, sets=sets)
    return caught.value.problems


def test_a_small_file_is_enough(root):
    config = load_task("base", workspace=root)
    assert (config.program, config.models.student, config.optimizer.name) == ("analyst", "offline/small", "gepa")


def test_a_child_overrides_only_what_it_sets(root):
    add(root, "child", "task: child\nparent: base\ngate: {alpha: 0.1}\n")
    config = load_task("child", workspace=root)
    assert (config.gate.margin, config.gate.alpha) == (0.01, 0.1)
    assert config.corpus.path == "rows.jsonl"


def test_drop_deletes_a_key_and_dropping_a_missing_one_is_fine(root):
    add(root, "child", "task: child\nparent: base\ngate: {margin: DROP, alpha: DROP}\n")
    assert load_task("child", workspace=root).gate.margin == 0.0
    assert load_task("base", workspace=root, sets=["gate=DROP", "run=DROP"]).gate.margin == 0.0


def test_a_cycle_and_a_missing_parent_are_errors(root):
    add(root, "a", "task: a\nparent: b\n")
    add(root, "b", "task: b\nparent: a\n")
    add(root, "c", "task: c\nparent: nowhere\n")
    assert "cycle: a -> b -> a" in str(problems(root, "a")[0])
    assert "c.yaml:2: parent: there is no task 'nowhere'" in str(problems(root, "c")[0])


def test_overrides_are_yaml(root):
    config = load_task("base", workspace=root, sets=["gate.margin=0.2", "optimizer.budget=300", "split.tags=ignore"])
    assert (config.gate.margin, config.optimizer.budget, config.split.tags) == (0.2, 300, "ignore")
    with pytest.raises(UsageError, match="key=value"):
        load_task("base", workspace=root, sets=["gate"])


def test_a_wrong_key_deep_in_an_override_or_a_file_gets_help(root):
    (problem,) = problems(root, "base", ["gate.checks.budgt.max_ratio=3"])
    assert str(problem).startswith("--set: gate.checks.budgt: unknown key; known: coverage, overfit,")
    assert problem.hint == "did you mean 'budget'?"
    add(root, "deep", BASE + "  name: prodution\n  checks:\n    redteam: {flor: 0.9}\n")
    texts = [str(p) for p in problems(root, "deep")]
    assert any("deep.yaml:8: gate.name" in t and "did you mean 'production'" in t for t in texts)
    assert any("deep.yaml:10: gate.checks.redteam.flor" in t and "did you mean 'floor'" in t for t in texts)


def test_every_mistake_is_reported_at_once_with_its_line(root):
    add(root, "bad", BASE + "  alpha: 7\nmodles: {}\noptimizer:\n  budget: enormous\n")
    found = problems(root, "bad")
    texts = [str(p) for p in found]
    assert len(found) >= 3
    assert any("bad.yaml:8: gate.alpha" in t and "7" in t for t in texts)
    assert any("bad.yaml:9: modles: unknown key" in t and "did you mean 'models'" in t for t in texts)
    assert any("bad.yaml:11" in t and "enormous" in t for t in texts)


def test_broken_yaml_duplicate_keys_and_the_weight_shorthand(root):
    add(root, "broken", "task: broken\ncorpus: [\n")
    assert "broken.yaml:3" in str(problems(root, "broken")[0])
    add(root, "twice", BASE + "task: again\n")
    assert "second time" in str(problems(root, "twice")[0])
    add(root, "weight", "task: weight\ncriteria:\n  - name: relevance (weight: 35)\n")
    assert "write {name: relevance, weight: 35}" in str(problems(root, "weight")[0])


def test_a_mistake_in_an_override_points_to_it(root):
    assert "--set" in str(problems(root, "base", ["gate.margn=1"])[0])


def test_an_unknown_task_names_the_nearest(root):
    with pytest.raises(UsageError, match="did you mean 'base'"):
        load_task("bsae", workspace=root)
    with pytest.raises(UsageError):
        load_task("../base", workspace=root)


def test_json_is_read_like_yaml(root):
    body = {"task": "j", "outputs": {"y": {"type": "boolean"}}, "corpus": {"path": "r.jsonl"}}
    (root / "configs" / "j.json").write_text(json.dumps(body), "utf-8")
    assert load_task("j", workspace=root).outputs["y"].type == "boolean"


def test_the_hash_sees_every_setting(root):
    first = config_hash(load_task("base", workspace=root))
    assert first == config_hash(load_task("base", workspace=root))
    assert first != config_hash(load_task("base", workspace=root, sets=["gate.margin=0.02"]))


def test_the_published_schema_is_the_code_s(request):
    published = json.loads((request.config.rootpath / "configs" / "task.schema.json").read_text("utf-8"))
    assert published == task_schema()


def bomb(levels=12):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (bomb(), "more than 50,000 values"),
        ("a: &a {k: 1}\nb: &b {<<: [" + ", ".join(["*a"] * 9) + "]}\n" + bomb(), "more than 50,000 values"),
        ("outputs: &o\n  x: *o\n", "an alias that stands inside of itself"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a: " + "{b: " * 60 + "1" + "}" * 60, "nested too deeply"),
        (BASE + "  min_rows: " + "9" * 5000, "bad.yaml:8: not valid YAML: '9999999999999999999999999999999999999999'"),
        (BASE + "  alpha: !!float x", "cannot be read as float"),
        (BASE + "  alpha: !!timestamp x", "cannot be read as timestamp"),
        (BASE + "  alpha: !!bool x", "cannot be read as bool"),
        (BASE + "  alpha: !!python/object:os.system x", "could not determine a constructor"),
        (BASE + "  alpha: .nan", "bad.yaml:8: gate.alpha"),
        (BASE + "metric: {threshold: .inf}", "bad.yaml:8: metric.threshold"),
        ('task: "\\ud83d"', "half of a character"),
        ("task: a\0b", "special characters are not allowed"),
        ("? [a, b]\n: 1\n", "unhashable"),
        ("- a\n- b\n", "is a mapping"),
        ("", "is a mapping"),
        ("parent: [base]\n", "bad.yaml:1: parent: is the name of a task"),
        (f"parent: {'x' * 5000}\n", "there is no task"),
        (f"task: {'x' * 300}\n" + BASE.partition("\n")[2], "String should match pattern"),
        ("task: t\nx: " + "y" * 300_000, "a task file has at most 250,000"),
    ],
)
def test_a_hostile_file_ends_in_a_named_mistake_of_that_file(root, text, says):
    add(root, "bad", text)
    found = problems(root, "bad")
    assert all("bad.yaml" in str(problem) for problem in found)
    assert any(says in str(problem) for problem in found), found
    assert sum(len(str(problem)) for problem in found) < 20_000


def test_dates_in_a_task_file_are_text_even_when_no_calendar_has_them(root):
    add(root, "days", BASE.replace("[a, b]", "[2024-01-31, 2024-99-99]"))
    assert load_task("days", workspace=root).outputs["label"].labels == ("2024-01-31", "2024-99-99")


def test_a_character_that_json_writes_in_two_halves_is_one(root):
    body = {"task": "j", "description": "🙂", "outputs": {"y": {"type": "boolean"}}, "corpus": {"path": "r.jsonl"}}
    (root / "configs" / "j.json").write_text(json.dumps(body), "utf-8")
    assert load_task("j", workspace=root).description == "🙂"


def test_aliases_that_a_person_writes_are_fine(root):
    add(root, "shared", BASE + "inputs: {x: &text {type: text}, y: *text, z: {<<: *text, description: d}}\n")
    assert load_task("shared", workspace=root).inputs["z"].description == "d"


def test_an_override_may_not_hide_a_bomb(root):
    assert "values with its aliases" in str(problems(root, "base", ["description=" + "\n" + bomb()])[0])
    with pytest.raises(UsageError, match="not YAML"):
        load_task("base", workspace=root, sets=["gate.min_rows=" + "9" * 5000])


def test_names_that_no_file_can_have_are_unknown_tasks(root):
    for name in ("x" * 300, "x" * 300 + ".yaml", "a\0b.yaml"):
        with pytest.raises(UsageError):
            load_task(name, workspace=root)


def test_a_file_whose_name_is_no_task_name_is_a_mistake_of_that_file(root):
    add(root, "Bad Name", BASE)
    assert "Bad Name" in list_tasks(root)
    assert "rename the file" in str(problems(root, "Bad Name")[0])
    (root / "configs" / "folder.yaml").mkdir()
    assert "folder" not in list_tasks(root)
