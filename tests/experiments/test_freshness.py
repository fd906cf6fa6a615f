"""A matrix never gives an old score to a new prompt, model, rubric or output: stale rows are named and not scored."""

import json

import pytest

from core.cells import ComparisonOutcome
from core.errors import UsageError
from core.evaluation import RowStatus
from experiments.steps import judge, prepare, report, run
from reports import matrix_report, render_markdown
from tests.gym import gym, open_gym


def fill(workspace, *sets):
    with open_gym(workspace, *sets) as bench:
        prepare(bench)
        run(bench)
        judge(bench)


def again(workspace, *sets):
    """The report as it stands, without a call."""
    with open_gym(workspace, *sets) as bench:
        return report(bench, "run-2", {}, 1.0)


def scored(matrix):
    return {cell.name: len(cell.evaluation.scored) for cell in matrix.cells}


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_new_prompt_gets_no_score_of_the_old_one_until_it_is_run_and_judged(tmp_path):
    workspace = gym(tmp_path)
    fill(workspace)
    edit(workspace.configs / "retell.yaml", "at most 60 words", "at most 90 words")
    matrix = again(workspace)
    assert scored(matrix) == {"default @ small": 8, "default @ large": 8, "tighter @ small": 0, "tighter @ large": 0}
    stale = next(cell for cell in matrix.cells if cell.name == "tighter @ small")
    assert (stale.score, stale.comparison.outcome) == (None, ComparisonOutcome.CANNOT_TELL)
    assert {row.status for row in stale.evaluation.rows} == {RowStatus.SKIPPED}
    assert stale.stale == "8 rows: its output is of an earlier prompt, model or text of the row"
    assert matrix.warnings == (
        "16 stored rows of tighter @ small, tighter @ large are not scored: its output is of an earlier prompt, model "
        "or text of the row; next: python cli.py run retell",
    )
    assert "stale: see Worth knowing" in render_markdown(matrix_report(matrix))
    with open_gym(workspace) as bench:
        assert len(judge(bench)) == 16  # an output of another prompt is not worth a judgement
    with open_gym(workspace) as bench:
        run(bench)
        judge(bench)
    assert set(scored(again(workspace)).values()) == {8}
    assert again(workspace).warnings == ()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("retell.yaml", "weight: 60", "weight: 20"),
        ("retell.yaml", "name: signal,", "name: reasoning,"),
        ("retell.yaml", "judge:\n  model: large\n", "judge:\n  model: small\n"),
        ("retell.yaml", "judge:\n  model: large\n", "judge:\n  model: large\n  kind: preference\n"),
    ],
)
def test_another_rubric_or_judge_leaves_no_score_until_it_has_judged(tmp_path, file, old, new):
    workspace = gym(tmp_path)
    fill(workspace)
    edit(workspace.configs / file, old, new)
    matrix = again(workspace)
    assert set(scored(matrix).values()) == {0}
    assert matrix.warnings[-1].endswith(
        "its score is of an earlier judge, rubric, output or reference; next: python cli.py judge retell"
    )
    with open_gym(workspace) as bench:
        judge(bench)
        assert "student" not in bench.run.account.spent()
    assert set(scored(again(workspace)).values()) == {8}


def test_other_settings_of_a_model_make_its_outputs_stale_and_no_others(tmp_path):
    workspace = gym(tmp_path)
    fill(workspace)
    edit(workspace.models, "small: {", "small: {temperature: 0.5, ")
    assert scored(again(workspace)) == {
        "default @ small": 0, "default @ large": 8, "tighter @ small": 0, "tighter @ large": 8,
    }  # fmt: skip


def test_what_does_not_change_an_answer_makes_nothing_stale(tmp_path):
    workspace = gym(tmp_path)
    fill(workspace)
    edit(workspace.models, "small: {", "small: {requests_per_minute: 9, ")
    matrix = again(workspace, "matrix.margin=0.1", "judge.sought=0.2", "metric.threshold=0.9")
    assert set(scored(matrix).values()) == {8}


def test_an_output_that_was_made_anew_does_not_keep_the_score_of_the_one_before(tmp_path):
    workspace = gym(tmp_path)
    fill(workspace)
    with open_gym(workspace) as bench:
        path = bench.folder.path / "outputs.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["prediction"]["condensation"] += " And more."
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert sum(scored(again(workspace)).values()) == 31


def test_judging_where_nothing_is_fresh_says_what_to_do(tmp_path):
    workspace = gym(tmp_path, models=("small",))
    fill(workspace)
    edit(workspace.models, "small: {", "small: {temperature: 0.5, ")
    with open_gym(workspace) as bench, pytest.raises(UsageError, match="none of the 16 stored outputs"):
        judge(bench)
