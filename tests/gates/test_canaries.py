"""Signs that the judge itself has changed."""

import pytest

from core.verdict import CheckStatus
from gates.canaries import Canaries, calibration_drift, distribution_shift, silent_fallback
from gates.gate import Record
from tests.gates.inputs import gate_input


def sure(values):
    return tuple(Record(f"run {i}", confidence=value) for i, value in enumerate(values))


def of(kinds):
    return tuple(Record(f"run {i}", category=kind) for i, kind in enumerate(kinds))


def test_three_default_answers_in_a_row_are_one_error():
    alerts = silent_fallback(sure([0.85, 0.3, 0.3, 0.3]))
    assert [(a.level, a.statistic) for a in alerts] == [("error", 3)]


def test_a_longer_series_is_still_one_error_and_a_second_series_another():
    assert [a.statistic for a in silent_fallback(sure([0.3] * 9))] == [9]
    assert len(silent_fallback(sure([0.3] * 4 + [0.9] + [0.3] * 3))) == 2


def test_single_default_answers_are_nothing():
    assert silent_fallback(sure([0.3, 0.85, 0.3, 0.9, 0.3, 0.8])) == ()
    assert silent_fallback(tuple(Record("r", fallback=flag) for flag in (True, True, False, True))) == ()


def test_a_fallback_that_is_declared_counts_whatever_the_confidence():
    assert len(silent_fallback(tuple(Record("r", confidence=0.9, fallback=True) for _ in range(3)))) == 1


def test_confidence_that_moved_is_a_warning():
    values = [0.85 + 0.01 * (i % 5) for i in range(50)] + [0.40 + 0.01 * (i % 5) for i in range(20)]
    (alert,) = calibration_drift(sure(values))
    assert alert.level == "warn"
    assert alert.statistic == 1.0
    assert alert.threshold == pytest.approx(0.359822, abs=1e-6)
    assert "from 0.87 to 0.42" in alert.message
    assert calibration_drift(sure(values[:50])) == ()
    assert calibration_drift(sure(values[-15:])) == ()


def test_other_categories_than_before_are_a_warning():
    (alert,) = distribution_shift(of(["A", "B"] * 35 + ["C"] * 20))
    assert alert.level == "warn"
    assert alert.statistic == pytest.approx(20.0)
    assert alert.threshold == pytest.approx(3.84, abs=0.01)
    assert distribution_shift(of(["A", "B"] * 45)) == ()


def test_errors_block_and_warnings_are_only_told():
    sick = sure([0.9] * 10 + [0.3] * 3)
    found = Canaries().check(gate_input(records=sick))[0]
    assert found.status is CheckStatus.FAIL
    assert "answered 3 times in a row by default" in found.message
    moved = sure([0.9] * 50 + [0.5] * 20)
    found = Canaries().check(gate_input(records=moved))[0]
    assert found.status is CheckStatus.PASS
    assert "confidence moved" in found.message


def test_no_judge_needs_no_canary_and_a_judge_needs_ten_records():
    assert Canaries().check(gate_input())[0].status is CheckStatus.PASS
    assert Canaries().check(gate_input(records=sure([0.9] * 9)))[0].status is CheckStatus.NOT_EVALUATED
    assert Canaries().check(gate_input(judged=True))[0].status is CheckStatus.PASS
