"""The transcripts corpus: whole working sessions, with what they come to, what is left to do, and what was promised."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from data.transcripts import parse_text
from tests.corpora.wording import largest_overlap, words

PATH = Path(__file__).resolve().parents[2] / "corpora" / "transcripts.jsonl"
ROWS = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]
TEXTS = [row["input"]["transcript"] for row in ROWS]
COMMITMENTS = [commitment for row in ROWS for commitment in row["label"]["commitments"]]
EACH = pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])


def test_there_are_at_least_60_rows_with_ids_of_their_own():
    assert len(ROWS) >= 60
    assert len({row["id"] for row in ROWS}) == len(ROWS)


def test_lengths_vary_between_400_and_1500_words():
    lengths = [len(text.split()) for text in TEXTS]
    assert min(lengths) >= 400
    assert max(lengths) <= 1500
    assert max(lengths) - min(lengths) > 600


@EACH
def test_a_row_has_the_three_labels_with_exactly_their_keys(row):
    assert set(row) == {"id", "domain", "input", "label"}
    assert set(row["input"]) == {"transcript"}
    label = row["label"]
    assert set(label) == {"condensation", "follow_ups", "commitments"}
    assert all({"action", "owner"} <= set(item) <= {"action", "owner", "due"} for item in label["follow_ups"])
    assert all(set(item) == {"promise", "by", "status", "evidence"} for item in label["commitments"])
    assert all(text for item in (*label["follow_ups"], *label["commitments"]) for text in item.values())


@EACH
def test_evidence_is_quoted_from_the_transcript(row):
    text = " ".join(row["input"]["transcript"].split())
    assert [c["evidence"] for c in row["label"]["commitments"] if c["evidence"] not in text] == []


@EACH
def test_whoever_promises_or_owns_something_speaks_or_is_named_in_the_transcript(row):
    label = row["label"]
    people = {item["by"] for item in label["commitments"]} | {item["owner"] for item in label["follow_ups"]}
    assert [p for p in people - {"user", "assistant"} if p not in row["input"]["transcript"]] == []


@EACH
def test_a_condensation_is_a_narrative_of_90_to_220_words_and_under_half_of_the_transcript(row):
    condensation = row["label"]["condensation"]
    count = len(condensation.split())
    assert 90 <= count <= 220
    assert count < 0.5 * len(row["input"]["transcript"].split())
    assert not re.search(r"^\s*[-*#]", condensation, re.MULTILINE)


@EACH
def test_every_row_is_a_conversation_between_a_person_and_an_assistant(row):
    turns = parse_text(row["input"]["transcript"])
    assert turns[0].role == "user"
    assert {"user", "assistant"} <= {turn.role for turn in turns} <= {"user", "assistant", "tool"}
    assert sum(turn.role == "user" for turn in turns) >= 4


def test_every_status_of_a_commitment_occurs_at_least_30_times():
    statuses = Counter(commitment["status"] for commitment in COMMITMENTS)
    assert set(statuses) == {"kept", "dropped", "open"}
    assert min(statuses.values()) >= 30


def test_some_rows_have_no_follow_ups_and_some_no_commitments():
    assert sum(not row["label"]["follow_ups"] for row in ROWS) >= 3
    assert sum(not row["label"]["commitments"] for row in ROWS) >= 3


def test_no_two_rows_share_more_than_30_percent_of_their_5_grams():
    assert largest_overlap(TEXTS) <= 0.30


def test_rows_do_not_open_alike():
    openings = Counter(tuple(words(text)[:5]) for text in TEXTS)
    assert openings.most_common(1)[0][1] == 1
