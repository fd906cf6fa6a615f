"""What the report of a distillation says: where the student differs, and when the tuning has paid for itself."""

import math
from dataclasses import replace

import pytest

from core.economy import Distillation, TeacherFacts, Transfer
from core.evaluation import Evaluation, RowResult, RowStatus, Usage
from data.corpus import Row
from reports import optimization_report, render_markdown
from reports.distillation_page import agreement_interval, economy, patterns
from tasks.teaching import teacher_facts
from tests.reports.test_render import outcome


def judged(row_id, gold, produced, worth=None):
    fields = {name: float(gold[name] == produced.get(name)) for name in gold}
    score = sum(fields.values()) / len(fields)
    return RowResult(
        row_id, RowStatus.OK, score, fields, gold=gold, prediction=produced, latency=0.5, worth=Usage(cost_usd=worth)
    )


def evaluation(*rows):
    return Evaluation("holdout", "h", rows)


def distilled(student, tuning):
    o = outcome(text="plain")
    rows = (judged("a", {"v": "keep"}, {"v": "keep"}, student), judged("b", {"v": "cut"}, {"v": "keep"}, student))
    return replace(
        o,
        holdout_baseline=evaluation(*rows),
        holdout_candidate=evaluation(*rows),
        usage={"all": Usage(cost_usd=tuning)},
    )


def test_disagreements_are_grouped_by_field_and_pair_and_lists_by_element():
    found = patterns(
        evaluation(
            judged("a", {"v": "keep", "x": ["p", "q"]}, {"v": "cut", "x": ["q", "r"]}),
            judged("b", {"v": "keep", "x": ["p"]}, {"v": "cut", "x": ["p"]}),
            judged("c", {"v": "cut", "x": []}, {"v": "cut", "x": []}),
        )
    )
    assert [(p.field, p.gold, p.produced, p.rows) for p in found] == [
        ("v", "keep", "cut", ("a", "b")),
        ("x", "(nothing)", "r", ("a",)),
        ("x", "p", "(nothing)", ("a",)),
    ]


def test_a_failed_row_is_no_disagreement():
    assert patterns(evaluation(RowResult("a", RowStatus.LM_ERROR, gold={"v": "keep"}))) == ()


@pytest.mark.parametrize(
    ("teacher", "student", "tuning", "even"),
    [
        (0.05, 0.01, 2.0, 50),
        (0.05, 0.01, 2.01, 51),
        (0.01, 0.01, 2.0, math.inf),
        (None, 0.01, 2.0, None),
        (0.05, None, 2.0, None),
        (0.05, 0.01, None, None),
    ],
)
def test_the_tuning_is_repaid_by_what_each_verdict_saves(teacher, student, tuning, even):
    facts = TeacherFacts(("audit",), 2, teacher, 30.0)
    assert economy(distilled(student, tuning), Distillation(facts)).break_even == even


def test_the_report_says_unknown_where_nothing_was_measured():
    text = render_markdown(optimization_report(distilled(None, None), distillation=Distillation(TeacherFacts())))
    assert "verdicts that repay the tuning" in text
    assert text.count("unknown") >= 5


def test_a_transfer_row_shows_the_model_or_why_there_is_nothing_to_show():
    o = distilled(0.01, 2.0)
    study = Distillation(
        TeacherFacts(), (Transfer("big", o.holdout_candidate), Transfer("gone", None, "big failed: no key"))
    )
    text = render_markdown(optimization_report(o, distillation=study))
    assert "The same prompt on other models" in text
    assert "gone" in text
    assert "big failed: no key" in text


def test_an_ordinary_run_has_none_of_these_sections():
    assert "What it saves" not in render_markdown(optimization_report(distilled(0.01, 2.0)))


def test_intervals_are_wilson_s_for_hits_and_student_s_otherwise():
    assert agreement_interval([1.0, 0.0] * 10) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert agreement_interval([0.5, 0.7, 0.6]) == pytest.approx((0.3516, 0.8484), abs=1e-3)
    assert agreement_interval([0.5, 0.5]) is None
    assert agreement_interval([]) is None


def test_the_teacher_s_price_is_unknown_when_one_row_does_not_know_its_own():
    def frozen(cost):
        return Row(
            "r", {}, {}, meta={"teacher": {"teacher": "audit", "model": "opus", "cost_usd": cost, "latency_s": 2}}
        )

    assert teacher_facts([frozen(0.1), frozen(0.3), Row("bare", {}, {})]) == TeacherFacts(
        ("audit (opus)",), 2, pytest.approx(0.2), 2.0
    )
    assert teacher_facts([frozen(0.1), frozen(None)]).cost is None
    assert teacher_facts([]) == TeacherFacts()
