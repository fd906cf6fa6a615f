"""A score that rises alone."""

from dataclasses import replace

import pytest

from core.verdict import CheckStatus
from gates.hacking import Hacking, inflation, reward_hacking
from gates.records import Record, row_records
from tests.gates.inputs import CHALLENGER, evaluation, gate_input


def records(proxies, truths=None, tests=None):
    truths, tests = truths or [None] * len(proxies), tests or [None] * len(proxies)
    return [
        Record(f"run {i}", proxy, truth, {} if test is None else {"test": test})
        for i, (proxy, truth, test) in enumerate(zip(proxies, truths, tests, strict=True))
    ]


def test_a_score_that_rises_while_the_truth_is_flat_is_gaming():
    found = reward_hacking(records([0.4] * 30 + [0.85] * 30, [0.5] * 60))
    assert found.severity("reward_divergence") == 1.0
    assert found.verdict == "gaming"


def test_a_real_improvement_is_clean_although_every_score_moved():
    found = reward_hacking(records([0.5] * 30 + [0.7] * 30, [0.5] * 30 + [0.7] * 30))
    assert found.severity("reward_divergence") == 0.0
    assert found.severity("distribution_shift") == 0.0
    assert found.verdict == "clean"


def test_a_shift_of_which_nothing_says_what_the_truth_did_says_nothing():
    found = reward_hacking(records([0.5] * 30 + [0.7] * 30))
    assert (found.verdict, found.findings) == ("clean", ())


def test_one_run_is_insufficient_evidence():
    assert reward_hacking(records([0.5])).verdict == "insufficient evidence"


def test_a_score_that_goes_against_the_tests_disagrees():
    found = reward_hacking(records([i / 30 for i in range(30)], tests=[1 - i / 30 for i in range(30)]))
    assert found.severity("reward_disagreement") == 0.5


def test_a_score_that_rises_while_the_tests_are_flat_is_drift():
    found = reward_hacking(records([0.4] * 30 + [0.9] * 30, tests=[0.5] * 60))
    assert found.severity("judge_drift") == 1.0


def test_longer_and_more_decorated_answers_are_measured():
    plain = evaluation([0.5] * 4, predictions=["It is about land."] * 4)
    grand = evaluation([0.6] * 4, predictions=["## Land\n- **land**, " + "clearly so, " * 9] * 4)
    found = {f.signal: f.severity for f in inflation(plain, grand)}
    assert found == {"length_inflation": 1.0, "format_inflation": 0.8}


def judged(score, truth, predictions=(None, None)):
    pairs = [evaluation([value] * 40, prompts, predictions=said) for value, prompts, said in
             ((score[0], CHALLENGER, predictions[0]), (score[1], CHALLENGER, predictions[1]))]  # fmt: skip
    real = (evaluation([truth[0]] * 40), evaluation([truth[1]] * 40))
    return gate_input(champion=pairs[0], challenger=pairs[1], truth=real, by_gold=False, judged=True)


def test_a_challenger_that_flatters_the_judge_while_gold_agreement_is_flat_fails():
    found = Hacking().check(judged((0.5, 0.8), (0.6, 0.6)))[0]
    assert found.status is CheckStatus.FAIL
    assert "the judge is flattered: reward divergence (severity 1.00)" in found.message
    assert "the score rose by +0.300 while the truth moved by +0.000" in found.message


def test_a_gain_that_gold_confirms_passes_whatever_its_length():
    said = (["land"] * 40, ["It is about land, as the words field and hill say."] * 40)
    assert Hacking().check(judged((0.5, 0.7), (0.5, 0.7), said))[0].status is CheckStatus.PASS


def test_a_small_gain_by_length_alone_fails():
    said = (["short"] * 40, ["a very much longer answer than that"] * 40)
    found = Hacking().check(judged((0.5, 0.55), (0.6, 0.6), said))[0]
    assert found.status is CheckStatus.FAIL
    assert "answers are 7.0 times as long" in found.message


def test_agreement_with_gold_cannot_be_flattered_and_an_unknown_truth_stays_open():
    assert Hacking().check(gate_input())[0].status is CheckStatus.PASS
    assert Hacking().check(gate_input(by_gold=False))[0].status is CheckStatus.NOT_EVALUATED


def creeping(step, real=0.0, promoted=True):
    """A challenger that gains ``step`` by the judge and ``real`` in truth, after two champions that did the same."""
    spread = [0.2 + 0.4 * (i % 20) / 20 for i in range(40)]
    runs = [(evaluation([s + k * step for s in spread]), evaluation([s + k * real for s in spread])) for k in range(3)]
    past = [replace(r, promoted=promoted) for judge, truth in runs[:2] for r in row_records(judge, truth)]
    known = {"truth": (runs[1][1], runs[2][1]), "by_gold": False, "judged": True}
    return gate_input(champion=runs[1][0], challenger=runs[2][0], records=tuple(past), **known)


def test_a_trend_over_champions_finds_what_no_single_comparison_shows():
    found = Hacking().check(creeping(0.1))[0]
    assert found.status is CheckStatus.FAIL
    assert "over the prompts promoted of late the score rose by" in found.message
    assert Hacking().check(creeping(0.1, promoted=False))[0].status is CheckStatus.PASS
    assert Hacking().check(creeping(0.1, real=0.1))[0].status is CheckStatus.PASS


def with_tests(tests):
    """A judge whose score rises by .3 while the metric's own field ``test`` goes from the first to the second list."""
    sides = zip(([0.4, 0.5] * 20, [0.7, 0.8] * 20), tests, strict=True)
    before, after = (evaluation(scores, fields={"test": passed}) for scores, passed in sides)
    return gate_input(champion=before, challenger=after, by_gold=False, judged=True)


def test_a_field_that_a_machine_scores_says_what_the_judge_s_score_is_worth():
    found = Hacking().check(with_tests(([0.5, 0.6] * 20, [0.5, 0.6] * 20)))[0]
    assert found.status is CheckStatus.FAIL
    assert "judge drift (severity 1.00): the score rose by +0.300 while machine checks moved by +0.000" in found.message
    assert Hacking().check(with_tests(([0.4, 0.5] * 20, [0.7, 0.8] * 20)))[0].status is CheckStatus.PASS
    against = Hacking().check(with_tests(([0.5, 0.4] * 20, [0.8, 0.7] * 20)))[0]
    assert "reward_disagreement" not in against.evidence  # over both prompts, score and tests rise together
    contrary = Hacking(severity=0.5).check(with_tests(([0.8, 0.7] * 20, [0.8, 0.7] * 20)))[0]
    assert contrary.evidence["reward_disagreement"] == 0.5


def test_gold_agreement_with_a_field_called_test_is_no_judge():
    known = gate_input()
    plain = [replace(e, rows=tuple(replace(r, fields={"test": 0.5}) for r in e.rows)) for e in
             (known.champion, known.challenger)]  # fmt: skip
    assert Hacking().check(replace(known, champion=plain[0], challenger=plain[1]))[0].evidence == {}


def test_the_mean_of_known_machine_checks_is_deterministic():
    assert Record("r", layers={"test": 1.0, "lint": 0.5, "taste": 0.0}).deterministic == pytest.approx(0.75)
    assert Record("r", layers={"taste": 0.0}).deterministic is None
