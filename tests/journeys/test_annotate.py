"""A person's queue: what is said about an output is kept at once, with who said it, and is not asked again."""

import pytest

from commands.annotate import annotated
from core.errors import DataError
from core.evaluation import RowResult, RowStatus
from data.annotations import read_annotations


def result(name):
    return RowResult(name, RowStatus.OK, 0.5, inputs={"note": f"note {name}"}, gold={"kind": "land"},
                     prediction={"kind": "water"})  # fmt: skip


def asking(*lines):
    """A person who types these lines and then leaves."""
    answers = iter(lines)

    def ask(question):
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    return ask


def test_scores_and_comments_are_kept_as_they_come(tmp_path):
    path, said = tmp_path / "corpora" / "said.jsonl", []
    queue = [result(name) for name in "abcde"]
    ask = asking("0", "it is land", "", "much", "2", "1", "", "q")
    assert annotated(queue, path, ("ann", "h1"), ask, lambda text, **how: said.append(text)) == 2
    kept = read_annotations(path)
    assert [(a.id, a.score, a.comment, a.annotator, a.prompt_hash) for a in kept] == [
        ("a", 0.0, "it is land", "ann", "h1"), ("c", 1.0, "", "ann", "h1"),
    ]  # fmt: skip
    assert kept[0].at.endswith("+00:00")
    assert (kept[0].input, kept[0].output, kept[0].reference) == (
        {"note": "note a"}, {"kind": "water"}, {"kind": "land"},
    )  # fmt: skip
    assert sum("allowed: a number from 0 to 1" in text for text in said) == 2
    assert "\n--- 4 of 5: d" in said
    assert "\n--- 5 of 5: e" not in said


def test_a_line_that_is_no_annotation_is_named(tmp_path):
    path = tmp_path / "said.jsonl"
    annotated([result("a")], path, ("ann", "h"), asking("1", ""), lambda text, **how: None)
    text = path.read_text("utf-8")
    path.write_text(text + text.replace('"score": 1.0', '"score": 7'), "utf-8")
    with pytest.raises(DataError, match=r"said.jsonl:2: score 7; allowed is 0 to 1"):
        read_annotations(path)
    path.write_text('{"id": "a"}\n', "utf-8")
    with pytest.raises(DataError, match=r"said.jsonl:1: an annotation needs input, reference"):
        read_annotations(path)
    assert read_annotations(tmp_path / "none.jsonl") == ()
