"""Which configurations are worth their price."""

from dataclasses import replace

import pytest

from sessions.frontier import frontier
from sessions.metrics import METRICS
from sessions.tally import tally
from tests.sessions.recorded import humaneval, on_record, planted, seeded

MEASURED = [METRICS.get(name) for name in ("success_rate", "cost", "tokens")]


def priced(model, rate, cost, tasks=200):
    return [replace(s, cost_usd=cost) for s in planted(seeded(1), tasks, 1, rate, model=model)]


def test_eighty_per_cent_of_success_at_a_third_of_the_cost():
    sessions = [*priced("dear", 0.97, 0.10), *priced("thrifty", 0.9, 0.03), *priced("poor", 0.5, 0.04)]
    found = frontier(tally(sessions, MEASURED, ["model"]))

    assert {one.name: one.standing for one in found.placed} == {
        "dear": "front", "thrifty": "front", "poor": "behind"
    }  # fmt: skip
    assert found.best.name == "dear"
    cheapest = found.cheapest(0.8, surely=True)
    assert (cheapest.name, cheapest.cost / found.best.cost) == ("thrifty", pytest.approx(0.3))
    assert found.cheapest(0.999) is None


def test_no_tokens_are_no_bargain_but_no_dollars_may_be():
    free = [replace(s, input_tokens=0) for s in priced("own", 0.6, 0.0)]
    groups = tally([*free, *[replace(s, input_tokens=500) for s in priced("rented", 0.9, 0.02)]], MEASURED, ["model"])

    assert frontier(groups, "tokens").unpriced == ("own",)
    assert frontier(groups, "tokens").placed[0].cost is None
    assert frontier(groups, "cost").placed[0].cost == 0.0


@on_record
def test_the_recorded_strategies_by_success_and_tokens():
    found = frontier(tally(humaneval(), MEASURED, ["experiment", "model"]), "tokens")

    assert len(found.placed) == 39
    assert {one.name.split(" / ")[0] for one in found.placed if one.cost is not None} == {"ldb"}
    assert found.best.name == "ldb / gpt-4-turbo-2024-04-09+gpt-4-turbo-2024-04-09"
