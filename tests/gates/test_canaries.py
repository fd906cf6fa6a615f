"""Signs that the judge itself has changed."""

from dataclasses import replace

import pytest

from core.evaluation import Evaluation, RowResult, RowStatus
from core.verdict import CheckStatus
from gates.canaries import Canaries, calibration_drift, distribution_shift, silent_fallback
from gates.records import Record, row_records
from tests.gates.inputs import gate_input


def sure(values):
    return tuple(Record(f"run {i}", confidence=value) for i, value in enumerate(values))


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


def test_scores_for_the_same_answers_that_moved_are_a_warning():
    then = [0.85 + 0.01 * (i % 5) for i in range(50)]
    now = [0.40 + 0.01 * (i % 5) for i in range(20)]
    (alert,) = calibration_drift(then, now)
    assert alert.level == "warn"
    assert alert.statistic == 1.0
    assert alert.threshold == pytest.approx(0.359822, abs=1e-6)
    assert "20 answers that it had judged before went from 0.87 to 0.42" in alert.message
    assert calibration_drift(then, then) == ()
    assert calibration_drift(then, now[:9]) == ()


def test_other_categories_than_before_are_a_warning():
    (alert,) = distribution_shift(["A", "B"] * 35, ["C"] * 20)
    assert alert.level == "warn"
    assert alert.statistic == pytest.approx(20.0)
    assert alert.threshold == pytest.approx(3.84, abs=0.01)
    assert distribution_shift(["A", "B"] * 35, ["A", "B"] * 10) == ()
    assert distribution_shift([], ["C"] * 20) == ()


def judged(score=0.5, answer="land", kind="land", n=40):
    """What a judge made of one answer to every row; a list of scores may hold None where it failed."""
    scores = score if isinstance(score, list) else [score] * n
    rows = tuple(
        RowResult(f"r{i}", RowStatus.METRIC_ERROR, error="metric judge: no judgement", prediction={"kind": answer})
        if s is None
        else RowResult(f"r{i}", RowStatus.OK, s, prediction={"kind": answer}, gold={"kind": kind})
        for i, s in enumerate(scores)
    )
    return Evaluation("holdout", "h", rows)


def ask(champion, challenger, earlier=None):
    """What the canaries say, after a run in which the champion was judged as ``earlier``."""
    records = row_records(earlier, kind="kind") if earlier is not None else ()
    known = gate_input(champion=champion, challenger=challenger, judged=True, kind="kind", records=records)
    return Canaries().check(known)[0]


BETTER = judged(0.8, "water")


def test_a_judge_that_scores_the_same_answers_otherwise_has_changed_and_one_that_does_not_has_not():
    assert "the judge has changed: 40 answers" in ask(judged(0.6), BETTER, judged(0.5)).message
    assert ask(judged(0.5), BETTER, judged(0.5)).message.endswith("nothing unusual")
    assert ask(judged(0.6), BETTER, judged(0.5, "other")).message.endswith("nothing unusual")  # other answers


def test_rows_of_other_kinds_than_in_earlier_runs_are_told():
    mixed = judged()
    rows = tuple(replace(r, gold={"kind": "land" if i % 2 else "water"}) for i, r in enumerate(mixed.rows))
    told = ask(judged(kind="land"), BETTER, replace(mixed, rows=rows))
    assert (told.status, "what is judged has changed" in told.message) == (CheckStatus.PASS, True)
    assert "what is judged" not in ask(replace(mixed, rows=rows), BETTER, replace(mixed, rows=rows)).message


def test_a_judge_that_gives_no_judgement_three_times_in_a_row_blocks_and_single_failures_do_not():
    broken = ask(judged([0.5, None, None, None] + [0.5] * 20), BETTER)
    assert broken.status is CheckStatus.FAIL
    assert "the judge gave no judgement of its own 3 times in a row" in broken.message
    assert ask(judged([0.5, None, None] * 8), BETTER).status is CheckStatus.PASS


def test_a_program_that_fails_is_not_the_judge_s_fault():
    row = RowResult("r", RowStatus.METRIC_ERROR, error="program: KeyError")
    assert row_records(Evaluation("holdout", "h", (row,))) == ()


def test_a_default_confidence_blocks():
    found = Canaries().check(gate_input(records=sure([0.9] * 10 + [0.3] * 3)))[0]
    assert found.status is CheckStatus.FAIL
    assert "no judgement of its own 3 times in a row" in found.message


def test_no_judge_needs_no_canary_and_a_judge_needs_ten_records():
    assert Canaries().check(gate_input())[0].status is CheckStatus.PASS
    assert Canaries().check(gate_input(records=sure([0.9] * 9)))[0].status is CheckStatus.NOT_EVALUATED
    assert Canaries().check(gate_input(judged=True))[0].status is CheckStatus.PASS
