"""A and B: which test answers, exact values where they are known, and how often equal agents are called different."""

from dataclasses import replace

import numpy as np
import pytest

from sessions.contrast import adjusted, against, contrast
from sessions.metrics import METRICS
from sessions.record import Outcome, Session
from sessions.tally import tally
from stats import holm, mcnemar_exact, newcombe, tango
from tests.sessions.recorded import ended, humaneval, on_record, planted, seeded

SUCCESS = METRICS.get("success_rate")


def outcomes(model, *won, first=0):
    return [
        Session(f"{model}{i}", model=model, task=f"t{i + first}", success=bool(w), outcome=ended(w))
        for i, w in enumerate(won)
    ]


def groups(*sets, metrics=(SUCCESS,), by=("model",)):
    return tally([session for sessions in sets for session in sessions], metrics, by)


def test_the_same_tasks_once_each_are_mcnemars_pairs():
    a, b = groups(outcomes("a", *[0] * 9, 1, 1, 1), outcomes("b", *[1] * 8, 0, 1, 1, 0))
    found = contrast(a, b, SUCCESS)

    assert (found.paired, found.tasks, found.method) == (True, 12, "McNemar exact, Tango")
    assert found.effect == pytest.approx((8 - 1) / 12)
    assert found.p == mcnemar_exact(8, 1)
    assert (found.low, found.high) == (tango(8, 1, 12).low, tango(8, 1, 12).high)


def test_other_tasks_are_two_samples():
    a, b = groups(outcomes("a", *[0] * 9, 1), outcomes("b", *[1] * 8, 0, 0, first=100))
    found = contrast(a, b, SUCCESS)

    assert (found.paired, found.tasks, found.method) == (False, 20, "Fisher exact, Newcombe")
    assert (found.low, found.high) == (newcombe(1, 10, 8, 10).low, newcombe(1, 10, 8, 10).high)
    assert found.p == pytest.approx(0.005477, abs=1e-6)  # scipy.stats.fisher_exact([[8, 2], [1, 9]])


def test_a_task_counts_once_however_often_it_was_repeated():
    random = seeded(1)
    once = groups(planted(random, 20, 1, 0.3, model="a"), planted(random, 20, 1, 0.9, model="b"))
    often = groups(*[
        [replace(s, id=f"{s.id}/{i}") for s in planted(seeded(7), 20, 1, rate, model=model) for i in range(50)]
        for model, rate in (("a", 0.5), ("b", 0.5))
    ])  # fmt: skip

    assert contrast(*once, SUCCESS).p < 0.05
    same = contrast(*often, SUCCESS)
    assert (same.effect, same.p, same.tasks, same.sessions) == (0.0, 1.0, 20, (1000, 1000))


def test_what_failed_for_other_reasons_is_not_compared_and_counted():
    down = [replace(s, success=None, outcome=Outcome.INFRASTRUCTURE) for s in outcomes("b", 1, 1, first=10)]
    a, b = groups(outcomes("a", *[0] * 10), [replace(s, id=f"x{s.id}") for s in down] + outcomes("b", *[1] * 8))
    found = contrast(a, b, SUCCESS)

    assert (found.tasks, found.sessions, found.left_out) == (8, (8, 8), (2, 2))


def test_quantities_are_compared_by_sign_flips_and_their_interval_holds_the_effect():
    random, cost = seeded(3), METRICS.get("cost")
    sets = [
        [
            replace(s, cost_usd=float(random.lognormal(np.log(mean), 0.3)))
            for s in planted(random, 30, 3, 0.5, model=model)
        ]
        for model, mean in (("a", 0.02), ("b", 0.03))
    ]
    found = contrast(*groups(*sets, metrics=(cost,)), cost)

    assert (found.paired, found.method) == (True, "sign flips, skew-corrected t")
    assert found.low < found.effect < found.high
    assert found.p < 0.001


def test_nothing_can_be_said_about_nothing():
    a, b = groups(outcomes("a", 1, 0), outcomes("b", 1, first=50))
    empty = contrast(
        a, replace(b, sums={"success_rate": replace(b.sums["success_rate"], counted=np.zeros(1))}), SUCCESS
    )

    assert (empty.effect, empty.low, empty.p) == (None, None, 1.0)


def test_many_contrasts_are_corrected_together():
    found = against(
        groups(*[outcomes(m, *[i % 2 for i in range(12)]) for m in "abc"]), groups(outcomes("a", 1))[0], [SUCCESS]
    )
    assert [one.second for one in found] == ["b", "c"]

    p = [0.01, 0.04, 0.03]
    corrected = adjusted([replace(found[0], p=one) for one in p])
    assert tuple(one.p_adjusted for one in corrected) == holm(p)


def test_equal_agents_are_rarely_called_different_also_when_tasks_differ_in_difficulty():
    random, trials, wrong = seeded(11), 100, np.zeros(3)
    for _ in range(trials):
        hard = random.beta(0.5, 0.5, 25)
        for place, (repeats, shared) in enumerate(((1, True), (4, True), (4, False))):
            arms = []
            for model in "ab":
                rates = hard if shared else random.beta(0.5, 0.5, 25)
                won = random.random((25, repeats)) < rates[:, None]
                arms.append([
                    Session(f"{model}{t}/{i}", model=model, task=f"{'' if shared else model}{t}", success=bool(w),
                            outcome=ended(w))
                    for t, row in enumerate(won) for i, w in enumerate(row)
                ])  # fmt: skip
            wrong[place] += contrast(*groups(*arms), SUCCESS, seed=5).p <= 0.05

    assert (wrong / trials <= 0.05 + 2.5 * 0.022).all()


@on_record
def test_trying_again_at_a_higher_temperature_beats_the_simple_agent_on_the_recorded_tasks():
    configs = {
        "simple": "gpt-4-0613",
        "simple_incr_temp": "gpt-4-0613-5step",
        "simple_repeat": "gpt-4-0613-5repeats-no-temp-incr",
    }
    chosen = [session for session in humaneval() if configs.get(session.experiment) == session.model]
    groups = tally(chosen, [SUCCESS], ["experiment"])
    hotter, again = against(groups, groups[0], [SUCCESS])

    assert (groups[0].name, hotter.tasks, hotter.sessions) == ("simple", 164, (820, 820))
    assert hotter.effect == pytest.approx(0.9061 - 0.8646, abs=5e-5)
    assert hotter.p_adjusted < 0.01
    assert again.effect == pytest.approx(0.8878 - 0.8646, abs=5e-5)
