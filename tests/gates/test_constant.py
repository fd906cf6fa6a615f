"""The best constant answer: what a prompt must beat to have learned anything."""

import random

import pytest

from core.evaluation import Evaluation, Judgement, RowResult, RowStatus
from core.verdict import CheckStatus, Decision
from data.corpus import Row
from gates.catalog import Gate
from gates.constant import NAME, NoConstantError, best_constant, constant_check, constant_evaluation
from gates.heldout import Heldout
from metrics.comparators import Categorical, SetJaccard
from metrics.field_agreement import FieldAgreement, FieldRule
from tests.gates.inputs import gate_input

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


def test_a_metric_that_needs_the_whole_answer_says_so_in_the_verdict_and_promotes_all_the_same():
    class Demanding:
        name = "demanding"

        def judge(self, row, prediction):
            return Judgement(float(prediction["label"] == prediction["tags"][0]))

    with pytest.raises(NoConstantError, match="KeyError: 'tags'") as raised:
        best_constant(Demanding(), rows(5))
    heldout = Gate("heldout", "is it better?", Heldout())
    verdict = heldout.decide(gate_input(constant=None, no_constant=str(raised.value)))
    said = next(check for check in verdict.checks if check.name == NAME)
    assert (said.status, verdict.decision) == (CheckStatus.NOT_EVALUATED, Decision.PROMOTE)
    assert "no constant was found to compare with: KeyError: 'tags'" in said.message
    assert not [check for check in heldout.decide(gate_input(constant=None)).checks if check.name == NAME]


def test_a_metric_without_fields_has_no_constant():
    class Whole:
        name = "whole"

        def judge(self, row, prediction):
            return Judgement(0.5)

    assert best_constant(Whole(), rows(5)) is None


def lists(*values):
    return [Row(f"r{i}", {"t": str(i)}, {"tags": list(v)}) for i, v in enumerate(values)]


TAGS = FieldAgreement((FieldRule("tags", SetJaccard()),))


@pytest.mark.parametrize(("common", "best"), [("a", "a"), ("ab", "ab"), ("abc", "abc"), ("abcd", "abc")])
def test_a_constant_list_holds_one_to_three_of_the_most_frequent_elements(common, best):
    """Thirty rows share ``common``, and each has four elements that no other row has."""
    shared = lists(*([*common, *(f"{i}-{k}" for k in range(4))] for i in range(30)))
    assert best_constant(TAGS, shared) == {"tags": list(best)}


class Careful:
    """Forgives what is left out and nothing that is put in."""

    name = "careful"

    def judge(self, row, prediction):
        score = float(set(prediction["tags"]) <= set(row.gold["tags"]))
        return Judgement(score, {"tags": score})


def test_a_constant_list_may_be_empty():
    assert best_constant(Careful(), lists("a", "a", "b", "")) == {"tags": []}


def test_of_equally_good_constants_the_more_frequent_answer_is_taken():
    assert best_constant(TAGS, lists("ab", "a", "b")) == {"tags": ["a", "b"]}


def test_level_and_spread_decide_exactly():
    constant = evaluation([0.5] * 20)
    assert constant_check(evaluation([0.5] * 20), constant).status is CheckStatus.FAIL  # equal everywhere: no better
    assert constant_check(evaluation([0.6] * 20), constant).status is CheckStatus.PASS  # better everywhere
    assert constant_check(evaluation([0.4] * 20), constant).status is CheckStatus.FAIL
    assert weighed(6) == (CheckStatus.FAIL, "0.028")
    assert weighed(7) == (CheckStatus.PASS, "0.02")


def weighed(more):
    """Eight rows won and lost each, ``more`` won besides; the verdict and its p."""
    rows = [0.8, 0.3] * 8 + [0.8] * more
    found = constant_check(evaluation(rows), evaluation([0.5] * len(rows)))
    return found.status, found.message.split("p = ")[1].split(")")[0]
