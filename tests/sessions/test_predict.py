"""The price of a planned experiment from what sessions like it cost."""

from dataclasses import replace

import pytest

from core.errors import DataError
from sessions.predict import forecast
from sessions.record import Outcome
from tests.sessions.recorded import planted, seeded


def priced(random, tasks=30, trials=3, **fields):
    levels = random.lognormal(-4, 0.5, tasks)
    return [
        replace(s, cost_usd=float(levels[place // trials] * random.lognormal(0, 0.3)))
        for place, s in enumerate(planted(random, tasks, trials, 0.7, **fields))
    ]


def test_sessions_of_the_closest_likeness_are_taken():
    old = priced(seeded(1), experiment="exp_041", model="m")
    other = [replace(s, cost_usd=9.0) for s in priced(seeded(2), experiment="exp_001", model="m")]
    config = {"experiment_id": "exp_042", "parent": "exp_041", "model_id": "m"}

    found = forecast([*old, *other], config, 50)
    (cost,) = found.predictions
    assert found.like == "experiment exp_041 (90 sessions)"
    assert (cost.quantity, cost.n) == ("cost_usd", 90)
    assert cost.total == pytest.approx(50 * sum(s.cost_usd for s in old) / 90)
    assert cost.low < cost.total < cost.high
    assert forecast([*old[:9], *other], config, 50).like == "model m (99 sessions)"
    assert forecast(old, config, 50) == forecast(old, config, 50)


def test_what_nobody_recorded_is_not_predicted_and_no_likeness_is_said():
    down = [replace(s, outcome=Outcome.INFRASTRUCTURE, success=None) for s in priced(seeded(1), model="m")]

    assert forecast(planted(seeded(1), 5, 2, 0.5, model="m"), {"model_id": "m"}, 10).predictions == ()
    with pytest.raises(DataError, match=r"no recorded session is like the configuration \(model_id=n\)"):
        forecast(priced(seeded(1), model="m"), {"model_id": "n"}, 10)
    with pytest.raises(DataError, match="no recorded session"):
        forecast(down, {"model_id": "m"}, 10)


def test_the_interval_holds_what_is_then_paid():
    random, trials, inside = seeded(3), 40, 0
    for _ in range(trials):
        (said,) = forecast(priced(random, model="m"), {"model_id": "m"}, 50).predictions
        paid = sum(s.cost_usd for s in priced(random, tasks=50, trials=1, model="m"))
        inside += said.low <= paid <= said.high

    assert inside / trials >= 0.8
