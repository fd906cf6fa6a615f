"""Field agreement: the composite, its breakdown and the words."""

import pytest

from data.corpus import Row
from metrics.comparators import Categorical, SetJaccard
from metrics.field_agreement import FieldAgreement, FieldRule

METRIC = FieldAgreement(
    (
        FieldRule("value_verdict", Categorical()),
        FieldRule("public_leak_risk", Categorical()),
        FieldRule("recommended_actions", SetJaccard()),
    )
)


def row(**gold):
    return Row(id="r", inputs={"text": "x"}, gold=gold)


GOLD = row(value_verdict="keep", public_leak_risk=True, recommended_actions=["a", "b", "c"])


def test_exact_agreement_is_one_in_every_field():
    judged = METRIC.judge(
        GOLD, {"value_verdict": "keep", "public_leak_risk": True, "recommended_actions": ["c", "b", "a"]}
    )
    assert judged.score == 1.0
    assert set(judged.fields.values()) == {1.0}


def test_total_mismatch_is_zero():
    judged = METRIC.judge(GOLD, {"value_verdict": "cut", "public_leak_risk": False, "recommended_actions": ["z"]})
    assert judged.score == 0.0


def test_partial_overlap_is_the_exact_jaccard():
    judged = METRIC.judge(
        GOLD, {"value_verdict": "keep", "public_leak_risk": True, "recommended_actions": ["b", "c", "d"]}
    )
    assert judged.fields["recommended_actions"] == 0.5
    assert judged.score == pytest.approx(2.5 / 3)


def test_a_missed_leak_flag_costs_its_third():
    gold = row(value_verdict="keep", public_leak_risk=True, recommended_actions=[])
    judged = METRIC.judge(gold, {"value_verdict": "keep", "public_leak_risk": False, "recommended_actions": []})
    assert judged.score == pytest.approx(2 / 3)
    assert judged.fields["public_leak_risk"] == 0.0


def test_seven_fields_with_one_flipped():
    fields = [f"f{i}" for i in range(7)]
    metric = FieldAgreement(tuple(FieldRule(f, Categorical()) for f in fields))
    gold = row(**dict.fromkeys(fields, "x"))
    assert metric.judge(gold, dict.fromkeys(fields, "x")).score == 1.0
    assert metric.judge(gold, {**dict.fromkeys(fields, "x"), "f3": "y"}).score == pytest.approx(6 / 7)


@pytest.mark.parametrize("produced", [None, "text", 3, ["value_verdict"]])
def test_anything_but_a_mapping_scores_every_field_as_absent(produced):
    assert METRIC.judge(GOLD, produced).score == 0.0


def test_weights_move_the_mean():
    metric = FieldAgreement((FieldRule("a", Categorical(), 3.0), FieldRule("b", Categorical(), 1.0)))
    assert metric.judge(row(a=1, b=1), {"a": 1, "b": 2}).score == 0.75


def test_feedback_says_what_was_expected_what_came_and_what_it_cost():
    judged = METRIC.judge(
        GOLD, {"value_verdict": "keep", "public_leak_risk": False, "recommended_actions": ["b", "c", "d"]}
    )
    assert judged.feedback.splitlines() == [
        '- value_verdict: correct - "keep" (score 1.00).',
        "- public_leak_risk: wrong - expected true, got false (score 0.00).",
        '- recommended_actions: partly right - expected ["a", "b", "c"], got ["b", "c", "d"]; '
        'missing ["a"]; unexpected ["d"] (score 0.50).',
    ]


def test_gold_can_be_kept_out_of_the_feedback():
    metric = FieldAgreement(METRIC.rules, reveal_gold=False)
    assert "keep" not in metric.judge(GOLD, {"value_verdict": "cut"}).feedback


def test_no_field_and_a_field_declared_twice_are_refused():
    with pytest.raises(ValueError, match="at least one field"):
        FieldAgreement(())
    with pytest.raises(ValueError, match="declared twice"):
        FieldAgreement((FieldRule("a", Categorical()), FieldRule("a", SetJaccard())))


def test_a_comparator_that_leaves_the_unit_interval_is_refused():
    class Broken:
        def compare(self, gold, produced):
            return 1.5

    with pytest.raises(ValueError, match="out-of-range"):
        FieldAgreement((FieldRule("a", Broken()),)).judge(row(a=1), {"a": 1})
