"""The price of the proof, and of every item from then on."""

from dataclasses import replace

import pytest

from core.evaluation import Usage
from core.verdict import CheckStatus
from gates.budget import CostCheck, per_item
from tests.gates.inputs import CHALLENGER, evaluation, gate_input, lifted

BEFORE, AFTER = lifted()


def first(check, evidence):
    return check.check(evidence)[0]


def test_four_times_the_champion_s_price_is_allowed_and_more_is_not():
    fourfold = gate_input(challenger=evaluation(AFTER, CHALLENGER, usd=0.004))
    tenfold = gate_input(challenger=evaluation(AFTER, CHALLENGER, usd=0.01))
    assert first(CostCheck(), fourfold).status is CheckStatus.PASS
    found = first(CostCheck(), tenfold)
    assert found.status is CheckStatus.FAIL
    assert "10 times as much; allowed is 4 times" in found.message
    assert first(CostCheck(max_ratio=10), tenfold).status is CheckStatus.PASS


def test_an_unknown_price_is_not_cheap():
    found = first(CostCheck(), gate_input(challenger=evaluation(AFTER, CHALLENGER, usd=None)))
    assert found.status is CheckStatus.NOT_EVALUATED
    assert "configs/models.yaml" in found.message


def test_answers_from_the_ledger_count_with_what_they_once_cost():
    champion = evaluation(BEFORE, usd=0.004)
    cached = replace(champion, rows=tuple(replace(row, usage=Usage(hits=1)) for row in champion.rows))
    assert per_item(cached) == pytest.approx(0.004)
    assert first(CostCheck(), gate_input(champion=cached)).status is CheckStatus.PASS


def test_a_known_price_of_nothing_is_nothing():
    free = gate_input(champion=evaluation(BEFORE, usd=0.0), challenger=evaluation(AFTER, CHALLENGER, usd=0.0))
    assert first(CostCheck(), free).status is CheckStatus.PASS


def test_the_whole_run_counts_and_not_the_holdout_alone():
    statuses = [c.status for c in CostCheck(max_holdout_usd=0.2, max_run_usd=0.4).check(gate_input())]
    assert statuses == [CheckStatus.PASS, CheckStatus.PASS, CheckStatus.FAIL]  # 120 rows at $0.001; the run: $0.50
    unknown = CostCheck(max_run_usd=0.4).check(gate_input(spent=None))[1]
    assert unknown.status is CheckStatus.NOT_EVALUATED


def test_the_median_item_has_a_ceiling_of_its_own():
    assert CostCheck(max_item_usd=0.001).check(gate_input())[1].status is CheckStatus.PASS
    assert CostCheck(max_item_usd=0.0005).check(gate_input())[1].status is CheckStatus.FAIL
