"""Comparators: the exact conventions, value by value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.comparators import (
    ABSENT,
    COMPARATORS,
    Boolean,
    Categorical,
    Date,
    Exact,
    Number,
    Records,
    SetF1,
    SetJaccard,
    Text,
)


@pytest.mark.parametrize(
    ("gold", "produced", "score"),
    [
        ("high", "high", 1.0),
        ("high", "low", 0.0),
        (ABSENT, ABSENT, 1.0),
        (None, ABSENT, 0.0),
        (ABSENT, None, 0.0),
        (None, None, 1.0),
        ("1", 1, 0.0),
        (True, "true", 0.0),
        (True, 1, 0.0),
        (False, 0, 0.0),
        (1, 1.0, 1.0),
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, 1.0),
    ],
)
def test_equality_is_equality_of_json_with_sorted_keys(gold, produced, score):
    for comparator in (Exact(), Categorical(), Boolean()):
        assert comparator.compare(gold, produced) == score


@pytest.mark.parametrize(
    ("gold", "produced", "jaccard", "f1"),
    [
        (["a", "b", "c"], ["c", "a", "b"], 1.0, 1.0),
        (["a", "b", "c"], ["b", "c", "d"], 0.5, 2 / 3),
        ([], [], 1.0, 1.0),
        (None, ABSENT, 1.0, 1.0),
        (["a"], [], 0.0, 0.0),
        (["a", "a"], ["a"], 1.0, 1.0),
        ("a", ["a"], 1.0, 1.0),
        ([{"x": 1, "y": 2}], [{"y": 2, "x": 1}], 1.0, 1.0),
        (["A"], ["a"], 0.0, 0.0),
    ],
)
def test_sets_ignore_order_and_duplicates_and_wrap_scalars(gold, produced, jaccard, f1):
    assert SetJaccard().compare(gold, produced) == pytest.approx(jaccard)
    assert SetF1().compare(gold, produced) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("comparator", "gold", "produced", "score"),
    [
        (Number(), 3, 3.0, 1.0),
        (Number(), 3, 3.1, 0.0),
        (Number(tolerance=0.1), 3, 3.1, 1.0),
        (Number(relative=0.1), 100, 109, 1.0),
        (Number(relative=0.1), 100, 111, 0.0),
        (Number(tolerance=1), 1, True, 0.0),
        (Number(tolerance=1), 1, "1", 0.0),
        (Number(tolerance=1), 1, float("nan"), 0.0),
        (Date(), "2026-03-01", "1 March 2026", 1.0),
        (Date(), "2026-03-01", "2026-03-01T09:30:00", 1.0),
        (Date(), "2026-03-01", "2026-03-02", 0.0),
        (Date(), "soon", "soon", 1.0),
        (Text(), "the cat sat", "The cat sat.", 1.0),
        (Text(), "the cat sat", "the dog sat", 2 / 3),
        (Text(), "the cat", "", 0.0),
        (Text(), "", "", 1.0),
        (Text(), "text", None, 0.0),
    ],
)
def test_numbers_dates_and_texts(comparator, gold, produced, score):
    assert comparator.compare(gold, produced) == pytest.approx(score)


RECORDS = Records({"kind": Categorical(), "statement": Text()}, {"kind": 0.4, "statement": 0.6})


def test_records_are_matched_one_to_one_for_the_best_total():
    gold = [{"kind": "fix", "statement": "restart the daemon"}, {"kind": "fact", "statement": "logs live in /var"}]
    shuffled = list(reversed(gold))
    assert RECORDS.compare(gold, shuffled) == 1.0
    assert RECORDS.match(gold, shuffled) == [(0, 1, 1.0), (1, 0, 1.0)]


def test_a_missing_and_an_invented_record_cost_the_same():
    one = [{"kind": "fix", "statement": "restart the daemon"}]
    two = [*one, {"kind": "fact", "statement": "nothing alike here"}]
    assert RECORDS.compare(two, one) == RECORDS.compare(one, two) == 0.5


def test_records_weigh_their_fields():
    gold, wrong_kind = [{"kind": "fix", "statement": "a b"}], [{"kind": "fact", "statement": "a b"}]
    assert RECORDS.compare(gold, wrong_kind) == pytest.approx(0.6)


@pytest.mark.parametrize(("gold", "produced", "score"), [([], [], 1.0), (None, [], 1.0), ([{"kind": "fix"}], [], 0.0)])
def test_no_records(gold, produced, score):
    assert RECORDS.compare(gold, produced) == score


def test_records_need_a_field():
    with pytest.raises(ValueError, match="at least one field"):
        Records({})


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=6,
)
SIMPLE = [kind() for kind in COMPARATORS if kind is not Records]
ALL = [*SIMPLE, RECORDS]


@given(values, values)
def test_every_comparator_stays_in_the_unit_interval_whatever_it_is_given(gold, produced):
    for comparator in ALL:
        assert 0.0 <= comparator.compare(gold, produced) <= 1.0


@given(values)
def test_every_comparator_agrees_with_itself(value):
    for comparator in SIMPLE:
        assert comparator.compare(value, value) == 1.0


def test_the_catalog_names_every_comparator():
    assert COMPARATORS.names == (
        "exact",
        "categorical",
        "boolean",
        "number",
        "date",
        "set_jaccard",
        "set_f1",
        "text",
        "records",
    )
