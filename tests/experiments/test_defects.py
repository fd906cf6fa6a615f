"""Cells that no score makes fit: they return their input, or a criterion has collapsed; and cells that are equal."""

import json

import pytest

from core.cells import ComparisonOutcome
from core.evaluation import Evaluation, RowResult, RowStatus
from experiments.defects import copied_share, defects
from experiments.lines import CorpusLine
from experiments.steps import judge, prepare, report, run
from reports import matrix_report
from tests.gym import gym, open_gym

TEXT = " ".join(f"word{i}" for i in range(60))


def row(output, gold="a short retelling", **fields):
    return RowResult(
        "r", RowStatus.OK, 0.7, fields, inputs={"text": TEXT}, gold={"text": gold}, prediction={"text": output}
    )


@pytest.mark.parametrize(
    ("output", "share"),
    [
        (TEXT, 1.0),
        (f"Here it is: {TEXT}", 1.0),
        (" ".join(TEXT.split()[:30]), 26 / 56),
        ("a short retelling", 0.0),
        (" ".join(reversed(TEXT.split())), 0.0),
    ],
)
def test_how_much_of_the_input_is_returned(output, share):
    assert copied_share({"text": TEXT}, {"text": output}) == pytest.approx(share)


def test_a_short_input_may_be_quoted_whole():
    assert copied_share({"text": "only five words are here"}, {"text": "only five words are here"}) == 0.0


def test_a_copy_is_a_defect_unless_the_reference_is_one_too():
    assert defects(Evaluation("m", "h", (row(TEXT), row("short")))) == ("1 of 2 outputs are their input again",)
    assert defects(Evaluation("m", "h", (row(TEXT), row("short"), row("short")))) == ()
    assert defects(Evaluation("m", "h", (row(TEXT, gold=TEXT),))) == ()


def test_a_criterion_with_next_to_nothing_has_collapsed_however_high_the_score():
    rows = (row("short", compression=0.0, signal=0.9), row("brief", compression=0.1, signal=0.9))
    assert defects(Evaluation("m", "h", rows)) == ("compression has collapsed: 0.050",)
    assert defects(Evaluation("m", "h", (row("short", compression=0.06),))) == ()


def test_a_model_that_returns_its_input_is_never_the_answer(tmp_path):
    """Every output of the cheap model is replaced by its input; a lenient rubric lets it pass, the page does not."""
    with open_gym(gym(tmp_path), "judge.criteria=[signal]") as bench:
        prepare(bench)
        run(bench)
        folder = bench.folder
        inputs = {line.id: line.input for line in folder.read("corpus.jsonl", CorpusLine, "prepare")}
        path = folder.path / "outputs.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            if line["model"] == "small":
                line["prediction"] = {"condensation": inputs[line["row_id"]]["transcript"]}
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        judge(bench)
        matrix = report(bench, "run-1", {}, 1.0)
    copied = [cell for cell in matrix.cells if cell.model == "small"]
    assert all("8 of 8 outputs are their input again" in cell.defects for cell in copied)
    assert matrix.cheapest is None or "small" not in matrix.cheapest
    banner = matrix_report(matrix).blocks[0]
    assert "small" not in banner.title
    assert "default @ small and tighter @ small: 8 of 8 outputs are their input again" in banner.sentence


def test_a_cell_with_the_outputs_of_the_reference_is_equal_and_needs_no_rows(tmp_path):
    with open_gym(gym(tmp_path, models=("large", "mid-large"))) as bench:
        prepare(bench)
        run(bench)
        judge(bench)
        matrix = report(bench, "run-1", {}, 1.0)
    twin = next(cell for cell in matrix.cells if cell.name == "default @ mid-large")
    assert (twin.comparison.outcome, twin.comparison.needed) == (ComparisonOutcome.EQUAL, None)
    assert twin.comparison.likely == pytest.approx(9 / 10)
    assert matrix.cheapest != twin.name
