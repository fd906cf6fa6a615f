"""The best constant answer: what a prompt must beat to have learned anything."""

import random

from core.evaluation import Evaluation, RowResult, RowStatus
from core.verdict import CheckStatus
from data.corpus import Row
from gates.constant import best_constant, constant_check, constant_evaluation
from metrics.comparators import Categorical, SetJaccard
from metrics.field_agreement import FieldAgreement, FieldRule

METRIC = FieldAgreement((FieldRule("label", Categorical()), FieldRule("tags", SetJaccard())))


def rows(n, seed=0):
    generator = random.Random(seed)
    return [
        Row(
            f"r{i}",
            {"t": str(i)},
            {"label": "a" if generator.random() < 0.7 else "b", "tags": ["x", "y"] if i % 2 else ["x"]},
        )
        for i in range(n)
    ]


def evaluation(scores):
    return Evaluation("holdout", "h", tuple(RowResult(f"r{i}", RowStatus.OK, s) for i, s in enumerate(scores)))


def test_it_is_the_most_frequent_label_and_the_best_set_of_elements():
    assert best_constant(METRIC, rows(100)) == {"label": "a", "tags": ["x"]}


def test_it_is_scored_like_any_prediction():
    scored = constant_evaluation(METRIC, {"label": "a", "tags": ["x"]}, rows(2), "holdout")
    assert [r.fields["tags"] for r in scored.rows] == [1.0, 0.5]


def test_a_prompt_that_only_knows_frequencies_is_caught_and_a_learner_is_not():
    holdout = rows(100, seed=1)
    constant = constant_evaluation(METRIC, {"label": "a", "tags": ["x"]}, holdout, "holdout")
    generator = random.Random(2)
    same = evaluation([r.score if generator.random() < 0.8 else generator.random() for r in constant.rows])
    better = evaluation([min(1.0, r.score + 0.3) for r in constant.rows])
    assert constant_check(same, constant).status is CheckStatus.FAIL
    assert constant_check(better, constant).status is CheckStatus.PASS


def test_a_metric_without_fields_has_no_constant():
    class Whole:
        name = "whole"

        def judge(self, row, prediction):
            from core.evaluation import Judgement

            return Judgement(0.5)

    assert best_constant(Whole(), rows(5)) is None
