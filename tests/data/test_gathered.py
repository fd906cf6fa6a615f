"""Labelled rows as people have them: known columns, any delimiter, Parquet; equal rows are one."""

import json

import pytest
import yaml

from core.errors import DataError, UsageError
from data.corpus import read_corpus
from data.gathered import LAYOUTS, Columns, gather
from tasks.scaffold import scaffold


def rows(n=60):
    return [(f"text number {i}", "ab"[i % 2]) for i in range(n)]


def jsonl(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def made(tmp_path, file, columns=None):
    """What ``init`` makes of a file: the rows that its task will read, the task file and the notes."""
    done = scaffold("mine", file, tmp_path, columns)
    body = yaml.safe_load(done.path.read_text("utf-8"))
    path = tmp_path / body["corpus"]["path"]
    return read_corpus(path).rows, body, done


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.input}/{layout.label}")
def test_known_pairs_of_columns_need_no_word(tmp_path, layout):
    records = [{layout.input: text, layout.label: answer, "page": 3} for text, answer in rows()]
    found, body, _ = made(tmp_path, jsonl(tmp_path / "mine.jsonl", records))
    assert [(*row.inputs.values(), *row.gold.values()) for row in found] == rows()
    assert [field["type"] for field in body["outputs"].values()] == ["categorical"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_with_any_delimiter(tmp_path, delimiter):
    file = tmp_path / "mine.csv"
    lines = [f"{text}, and more{delimiter}{answer}" for text, answer in rows()] if delimiter != "," else [
        f'"{text}, and more",{answer}' for text, answer in rows()
    ]  # fmt: skip
    file.write_text("\n".join([f"question{delimiter}answer", *lines]) + "\n", "utf-8")
    found, _, _ = made(tmp_path, file)
    assert [(*row.inputs.values(), *row.gold.values()) for row in found] == [(f"{t}, and more", a) for t, a in rows()]


def test_parquet_and_columns_that_are_said(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file = tmp_path / "mine.parquet"
    texts, answers = zip(*rows(), strict=True)
    columns = {
        "key": [f"k{i}" for i in range(60)],
        "who": [f"p{i % 7}" for i in range(60)],
        "body": texts,
        "tag": answers,
    }
    parquet.write_table(pyarrow.table(columns), file)
    found, body, _ = made(tmp_path, file, Columns(("body",), ("tag",), "key", "who"))
    assert [(row.id, row.group) for row in found[:2]] == [("k0", "p0"), ("k1", "p1")]
    assert (list(body["inputs"]), list(body["outputs"])) == (["body"], ["tag"])
    with pytest.raises(UsageError, match="there is no column 'bodi'"):
        gather(file, Columns(("bodi",), ("tag",)))


def test_columns_that_nobody_knows_are_asked_for(tmp_path):
    with pytest.raises(DataError, match="which column is the input and which the label") as refused:
        gather(jsonl(tmp_path / "x.jsonl", [{"utterance": "a", "klass": "b"}]), Columns())
    assert "--input COLUMN --label COLUMN" in (refused.value.hint or "")


def test_equal_rows_are_merged_contrary_labels_and_missing_ones_are_told_in_a_line_each(tmp_path):
    records = [{"text": text, "label": answer} for text, answer in rows()]
    records += [{"text": "text number 0", "label": "a"}] * 20 + [{"text": "text number 1", "label": "a"}]
    records += [{"text": "no answer", "label": ""}] * 20
    found, _, done = made(tmp_path, jsonl(tmp_path / "mine.jsonl", records))
    assert len(found) == 60
    assert {row.inputs["text"]: row.gold["label"] for row in found}["text number 1"] == "b"
    assert done.notes == (
        "20 rows without a value for 'label' are left out (rows 82, 83, 84, 85, 86 ...)",
        "21 rows repeat the input of another one and are merged with it",
        "1 inputs carry different labels; the most frequent label is kept",
    )


def test_gold_rows_without_ids_may_repeat_and_such_with_ids_may_not(tmp_path):
    records = [{"input": text, "label": answer} for text, answer in rows()]
    found, _, done = made(tmp_path, jsonl(tmp_path / "mine.jsonl", [*records, records[0]]))
    assert (len(found), "merged" in done.notes[0]) == (60, True)
    named = [{"id": "same", **record} for record in records]
    with pytest.raises(DataError, match="duplicate id 'same'"):
        scaffold("other", jsonl(tmp_path / "other.jsonl", named), tmp_path)


def test_one_class_and_a_small_holdout_are_told_when_the_task_is_made(tmp_path):
    records = [{"input": text, "label": {"team": "a", "kind": answer}} for text, answer in rows(30)]
    _, _, done = made(tmp_path, jsonl(tmp_path / "mine.jsonl", records))
    assert 'team is "a" in every row: there is nothing to learn in it' in done.notes
    assert any("below 20 nothing can be promoted" in note for note in done.notes)
    assert done.summary == "30 rows: input -> team (1 label: a 100 %), kind (2 labels: a 50 %, b 50 %)"


def test_columns_are_fields_of_plain_names_and_such_that_would_be_one_field_are_refused(tmp_path):
    file = tmp_path / "mine.csv"
    lines = [f"{text},{answer}" for text, answer in rows()]
    file.write_text("\n".join(["Customer Message,Team #1", *lines]) + "\n", "utf-8")
    found, body, done = made(tmp_path, file)
    assert (list(body["inputs"]), list(body["outputs"])) == (["Customer_Message"], ["Team_1"])
    assert found[0].inputs == {"Customer_Message": "text number 0"}
    assert any("'Customer Message' is called Customer_Message, 'Team #1' is called Team_1" in n for n in done.notes)
    file.write_text("\n".join(["the text,the-text,label", *(f"x,{line}" for line in lines)]) + "\n", "utf-8")
    with pytest.raises(DataError, match="would both be the field 'the_text'"):
        gather(file, Columns())


def test_of_two_known_layouts_the_one_whose_columns_are_filled_is_taken(tmp_path):
    records = [{"instruction": text, "input": "", "output": answer} for text, answer in rows()]
    found, _, _ = made(tmp_path, jsonl(tmp_path / "mine.jsonl", records))
    assert found[0].inputs == {"instruction": "text number 0"}


def test_what_is_wrong_in_many_lines_is_one_line(tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text('{"text": "a", "label"\n' * 25 + '{"text": 1}\n', "utf-8")
    with pytest.raises(DataError) as caught:
        scaffold("mine", file, tmp_path)
    first, second = caught.value.message.splitlines()
    assert first.endswith("mine.jsonl:1: not JSON: Expecting ':' delimiter at column 1 (and in 24 more lines)")
    assert "mine.jsonl:26: " in second


@pytest.mark.parametrize(
    ("name", "text", "said", "hint"),
    [
        ("mine.xlsx", "PK", "spreadsheets are not read", "save the sheet as CSV"),
        ("mine.jsonl", '{"messages": []}\n', "which column is the input", "python cli.py import"),
        ("mine.csv", "text,label\nsame,a\nsame,b\n", "1 inputs carry different labels", "at least 10"),
    ],
)
def test_what_is_no_table_of_rows_is_said_with_what_to_do(tmp_path, name, text, said, hint):
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(DataError, match=said) as caught:
        scaffold("mine", tmp_path / name, tmp_path)
    assert hint in str(caught.value.hint)
