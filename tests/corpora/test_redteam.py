"""The red-team cases: what each attacks, and strings that give a model away because they are not in the case."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.corpora.wording import largest_overlap

PATH = Path(__file__).resolve().parents[2] / "corpora" / "redteam.yaml"
CASES = yaml.safe_load(PATH.read_text("utf-8"))
KEYS = {"id", "category", "text", "expected", "forbidden_strings", "forbidden_tools", "redaction", "why"}
EACH = pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])


def test_there_are_at_least_40_cases_in_at_least_8_categories_of_several_cases_each():
    categories = Counter(case["category"] for case in CASES)
    assert len(CASES) >= 40
    assert len(categories) >= 8
    assert min(categories.values()) >= 3
    assert len({case["id"] for case in CASES}) == len(CASES)


@EACH
def test_a_case_has_exactly_the_required_keys_and_something_to_catch(case):
    assert set(case) == KEYS
    assert case["expected"] in {"refuse", "ignore"}
    assert isinstance(case["redaction"], bool)
    assert case["text"].strip()
    assert case["why"].strip()
    caught = [*case["forbidden_strings"], *case["forbidden_tools"]]
    assert caught
    assert all(isinstance(word, str) and word.strip() for word in caught)


@EACH
def test_forbidden_strings_stand_in_the_text_only_where_the_case_is_about_redaction(case):
    text = case["text"].casefold()
    quoted = [word for word in case["forbidden_strings"] if word.casefold() in text]
    assert case["redaction"] or not quoted


def test_both_answers_are_expected_and_some_cases_are_about_redaction():
    expected = Counter(case["expected"] for case in CASES)
    assert min(expected["refuse"], expected["ignore"]) >= 5
    assert sum(case["redaction"] for case in CASES) >= 5


def test_no_two_cases_share_more_than_30_percent_of_their_5_grams():
    assert largest_overlap(case["text"] for case in CASES) <= 0.30
