"""Files of strangers: whatever stands in them, reading ends in rows or in a named mistake, soon."""

import contextlib
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import DataError, ProvenError
from data.corpus import read_corpus
from data.formats import FORMATS
from data.transcript_files import read_transcripts
from data.transcripts import parse_text, user_turn
from tasks.loading import load_task
from tests.hangs import HangError, ending

LONG = "word " * 40_000


def corpus_of(tmp_path, text, name="c.jsonl"):
    (tmp_path / name).write_text(text, "utf-8")
    return read_corpus(tmp_path / name)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"input": "a", "label": NaN}', "NaN is not JSON"),
        ('{"input": "a", "label": -Infinity}', "-Infinity is not JSON"),
        ('{"input": "a", "label": 1e999}', "inf is not a number that can be compared"),
        ('{"input": "a", "label": 1' + "0" * 400 + "}", "an integer beyond 10^308"),
        ('{"input": "a", "label": ' + "9" * 5000 + "}", "an integer has more than 4,300 digits"),
        ('{"input": "a", "input": "b", "label": 1}', "the key 'input' stands there twice"),
        ('{"input": "a", "label": {"x": 1, "x": 2}}', "the key 'x' stands there twice"),
        ('{"input": "a", "label": ' + "[" * 5000 + "]" * 5000 + "}", "nested too deeply"),
        ('{"input": "a", "label": ' + "[" * 150 + "]" * 150 + "}", "nested too deeply"),
        ('{"input": "\\ud83d", "label": 1}', "half of a character"),
        ('{"input": "a", "label": 1, "split": ["x"]}', "unknown split ['x']"),
        ('{"input": "a", "label": 1, "split": {}}', "unknown split {}"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, line, says):
    with pytest.raises(DataError) as caught:
        corpus_of(tmp_path, json.dumps({"input": "x", "label": "y"}) + "\n" + line)
    assert f"c.jsonl:2: {says}" in str(caught.value)
    with pytest.raises(DataError) as caught:
        corpus_of(tmp_path, f"[{line}]", "c.json")
    assert says in str(caught.value)


def test_a_character_that_json_writes_in_two_halves_is_one(tmp_path):
    assert corpus_of(tmp_path, '{"input": "\\ud83d\\ude42", "label": 1}').rows[0].inputs == {"input": "🙂"}


def test_csv_fields_may_be_as_long_as_transcripts_are(tmp_path):
    found = corpus_of(tmp_path, f"text,label\n{LONG},a\n", "c.csv")
    assert len(found.rows[0].inputs["text"]) == len(LONG)


@pytest.mark.parametrize(
    ("text", "says"),
    [("a,a,label\n1,2,3\n", "c.csv:1: the column 'a' stands there twice"), ("a,label\n1\n", "c.csv:2: has other")],
)
def test_csv_mistakes_are_named(tmp_path, text, says):
    with pytest.raises(DataError) as caught:
        corpus_of(tmp_path, text, "c.csv")
    assert says in str(caught.value)


def test_csv_cells_that_only_begin_like_json_are_text(tmp_path):
    cells = ["[" * 300, "9" * 5000, "-Infinity", "{a"]
    found = corpus_of(tmp_path, "text,label\n" + "".join(f"t{i},{cell}\n" for i, cell in enumerate(cells)), "c.csv")
    assert [row.gold["label"] for row in found.rows] == cells


def test_a_folder_is_no_corpus(tmp_path):
    with pytest.raises(DataError, match="is not a file"):
        read_corpus(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "<system-reminder>" * 20_000,
        "<system-reminder " * 20_000,
        "<command-name>" + " " * 100_000,
        "<bash-input>" + " " * 100_000,
        "[user:" + " " * 100_000,
        "## user" + "*" * 100_000 + "x",
    ],
)
def test_a_text_that_looks_like_markup_without_end_is_read_at_once(text):
    """Patterns that try every way to fit would take hours on these; the test ends only because they do not."""
    assert user_turn(text).text.count(" ") <= len(text)
    assert parse_text(text)


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["user", "assistant", "tool_use", "message", "response_item", "2024-99-99", "\ud83d", "*a"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([
        "id", "input", "label", "split", "group", "messages", "role", "content", "type", "payload", "message", "uuid",
        "tool_calls", "function", "arguments", "info", "data", "spans", "trace", "traces", "attributes", "output",
        "task", "outputs", "corpus", "path", "source", "gate", "metric", "models", "parent", "judge", "criteria",
    ]), inner, max_size=6),
    max_leaves=25,
)  # fmt: skip
"""Values in the words that rows, transcripts and task files are made of, put together wrongly."""


def survives(folder, value, cut):
    """Read one value as a task file, as a corpus and a transcript of each format; only named mistakes are raised."""
    text = json.dumps(value)[: cut or None]
    (folder / "configs").mkdir(exist_ok=True)
    (folder / "configs" / "t.yaml").write_text(text, "utf-8")
    for name in ("c.jsonl", "c.json", "c.csv"):
        (folder / name).write_text(text, "utf-8")
    readers = [
        lambda: load_task("t", workspace=folder),
        lambda: load_task("t", workspace=folder, sets=[f"gate={text}"]),
    ]
    readers += [lambda name=name: read_corpus(folder / name) for name in ("c.jsonl", "c.json", "c.csv")]
    readers += [
        lambda form=form: read_transcripts("c.jsonl", root=folder, form=form, lenient=True)
        for form in ("auto", *FORMATS.names)
    ]
    for read in readers:
        with contextlib.suppress(ProvenError):
            read()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HOSTILE, st.integers(0, 60))
def test_no_traceback_whatever_stands_in_a_file(tmp_path_factory, value, cut):
    survives(tmp_path_factory.getbasetemp(), value, cut)


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(5))
@settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HOSTILE, st.integers(0, 60))
def test_no_traceback_and_no_hang_in_ten_thousand_files(tmp_path_factory, piece, value, cut):
    folder = tmp_path_factory.getbasetemp()
    with ending(folder):
        survives(folder, value, cut)


def test_the_guard_ends_what_is_busy_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.hangs.BUSY", 0.2)
    with pytest.raises(HangError), ending(tmp_path):
        re.match(r"(a+)+$", "a" * 60 + "!")
