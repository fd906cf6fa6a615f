"""The extraction corpus: real prose, untemplated, and every statement grounded in its row."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "corpora" / "extraction.jsonl"
ROWS = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]
KINDS = {"decision", "fix", "correction", "preference", "fact"}


def words(text):
    return re.findall(r"\w+", text.casefold())


def test_there_are_at_least_120_rows_with_ids_of_their_own():
    assert len(ROWS) >= 120
    assert len({row["id"] for row in ROWS}) == len(ROWS)


def test_lengths_vary_between_120_and_300_words():
    lengths = [len(row["input"]["transcript"].split()) for row in ROWS]
    assert min(lengths) >= 120
    assert max(lengths) <= 300
    assert max(lengths) - min(lengths) > 100


def test_kinds_are_balanced_and_some_rows_have_nothing():
    kinds = Counter(learning["kind"] for row in ROWS for learning in row["label"]["learnings"])
    assert set(kinds) == KINDS
    assert min(kinds.values()) >= 0.12 * sum(kinds.values())
    assert sum(not row["label"]["learnings"] for row in ROWS) >= 8


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_every_statement_is_grounded_in_its_row(row):
    known = set(words(row["input"]["transcript"]))
    for learning in row["label"]["learnings"]:
        content = [word for word in words(learning["statement"]) if len(word) > 3]
        assert sum(word in known for word in content) >= 0.7 * len(content), learning["statement"]


def test_no_two_rows_share_more_than_30_percent_of_their_5_grams():
    grams = []
    for row in ROWS:
        tokens = words(row["input"]["transcript"])
        grams.append({tuple(tokens[i : i + 5]) for i in range(len(tokens) - 4)})
    shared = max(len(a & b) / min(len(a), len(b)) for a, b in combinations(grams, 2))
    assert shared <= 0.30


def test_rows_do_not_open_alike():
    openings = Counter(tuple(words(row["input"]["transcript"])[:4]) for row in ROWS)
    assert openings.most_common(1)[0][1] <= 2
