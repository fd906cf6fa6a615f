"""The judge's part of a task file: criteria in long and short form, and what is told when it is wrong."""

import pytest

from core.errors import ConfigError
from core.workspace import HOME, Workspace
from tasks.loading import load_task
from tests.gym import gym


def changed(tmp_path, old, new):
    workspace = gym(tmp_path)
    path = workspace.configs / "retell.yaml"
    path.write_text(path.read_text().replace(old, new))
    return load_task("retell", workspace=workspace.root)


LONG = "[{name: signal, weight: 60}, {name: compression, weight: 40}]"


def test_the_shorthand_of_a_criterion_is_read(tmp_path):
    config = changed(tmp_path, LONG, '["relevance (weight: 35)", {name: "brevity (weight: 65)", description: short}]')
    assert [(c.name, c.weight, c.description) for c in config.judge.criteria] == [
        ("relevance", 35.0, ""),
        ("brevity", 65.0, "short"),
    ]


def test_the_raw_broken_form_says_how_to_write_it(tmp_path):
    with pytest.raises(ConfigError) as failure:
        changed(tmp_path, LONG, "\n    - name: relevance (weight: 35)")
    assert "mapping values are not allowed" in str(failure.value)
    assert "{name: relevance, weight: 35}" in str(failure.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (LONG, "[]", "needs a judge section with criteria"),
        (LONG, "[{name: a}, {name: A}]", "a criterion is named twice"),
        (LONG, "[{name: a, weight: 0}]", "greater than 0"),
        ("reference: {model: large}", "reference: {model: large, prompt: old}", "'old' is not one of prompts"),
    ],
)
def test_mistakes_are_told(tmp_path, old, new, said):
    with pytest.raises(ConfigError, match=said):
        changed(tmp_path, old, new)


def test_a_plain_list_names_the_models_of_the_matrix_and_the_first_is_the_student(tmp_path):
    config = changed(
        tmp_path, "models: {student: small, reflector: large, candidates: [small, large]}", "models: [small, large]"
    )
    assert config.models.candidates == ("small", "large")
    assert (config.models.student, config.models.reflector) == ("small", "large")


def test_the_matrices_of_the_project_have_the_sizes_of_the_design():
    condensation = load_task("condensation", workspace=Workspace(HOME).root)
    extraction = load_task("extraction", workspace=Workspace(HOME).root)
    assert len(condensation.models.candidates) * len(condensation.prompts) == 12
    assert condensation.corpus.count == 15
    assert sum(c.weight for c in condensation.judge.criteria) == 100
    assert len(extraction.models.candidates) * len(extraction.prompts) == 4
    assert [c.weight for c in extraction.judge.criteria] == [35, 30, 20, 15]
