"""The skill verdicts: seven judgements on each description, and enough of every value to learn from."""

import json
from collections import Counter
from pathlib import Path

import pytest

from data.corpus import read_corpus
from tests.corpora.wording import largest_overlap

PATH = Path(__file__).resolve().parents[2] / "corpora" / "skill_verdicts.gold.jsonl"
ROWS = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]
TRAIN = [row["label"] for row in ROWS if row["split"] == "train"]
VALUES = {
    "value_verdict": {"keep", "improve", "merge", "cut"},
    "quality_score": {"high", "medium", "low"},
    "generalization_rating": {"universal", "team", "project"},
    "public_leak_risk": {True, False},
    "write_target_rating": {"none", "local", "shared", "production"},
    "subagent_recommended": {True, False},
}
ACTIONS = (
    "merge_with_existing",
    "sanitize",
    "add_confirmation",
    "split",
    "narrow_trigger",
    "remove_dead_parts",
    "document_inputs",
    "add_tests",
    "add_examples",
)
EACH = pytest.mark.parametrize("row", ROWS, ids=[row["scenarioId"] for row in ROWS])


def test_there_are_53_rows_of_which_41_are_for_training_and_12_for_the_test():
    assert Counter(row["split"] for row in ROWS) == {"train": 41, "test": 12}
    assert len({row["scenarioId"] for row in ROWS}) == 53


def test_the_tags_are_read_as_train_and_holdout():
    assert Counter(row.split for row in read_corpus(PATH).rows) == {"train": 41, "holdout": 12}


@EACH
def test_a_row_has_seven_label_fields_with_allowed_values(row):
    label = row["label"]
    assert set(row["input"]) == {"name", "description"}
    assert set(label) == {*VALUES, "top_actions"}
    assert {name: label[name] for name in VALUES if label[name] not in VALUES[name]} == {}


@EACH
def test_actions_are_at_most_three_in_the_order_of_the_guide_and_fit_the_verdict(row):
    label, actions = row["label"], row["label"]["top_actions"]
    assert actions == [action for action in ACTIONS if action in actions][:3]
    assert not (label["value_verdict"] == "cut" and actions)
    if label["value_verdict"] != "cut":
        assert ("sanitize" in actions) == label["public_leak_risk"]
        assert ("merge_with_existing" in actions) == (label["value_verdict"] == "merge")
    if label["value_verdict"] == "keep":
        assert set(actions) <= {"sanitize"}
    if label["value_verdict"] == "improve":
        assert set(actions) - {"sanitize"}


@pytest.mark.parametrize("name", VALUES)
def test_every_value_is_seen_at_least_twice_in_train(name):
    seen = Counter(label[name] for label in TRAIN)
    assert set(seen) == VALUES[name]
    assert min(seen.values()) >= 2


def test_every_action_is_seen_at_least_twice_in_train():
    seen = Counter(action for label in TRAIN for action in label["top_actions"])
    assert set(seen) == set(ACTIONS)
    assert min(seen.values()) >= 2


def test_no_two_descriptions_share_more_than_30_percent_of_their_5_grams():
    assert largest_overlap(row["input"]["description"] for row in ROWS) <= 0.30
