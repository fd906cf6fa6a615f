"""The bet on graded scores: exact wealth, level at any stopping time, and that a resumed bet is the same bet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.plain import from_json, to_json
from stats import Decision, EDesign, EState


def test_wealth_on_a_stream_of_ones() -> None:
    state = EDesign().start
    wealth = []
    while not state.decision.final:
        state = state.observe(1.0)
        wealth.append(state.wealth)
    assert wealth[:5] == [1, 1.25, 1.5625, 1.953125, 2.44140625]
    assert (state.decision, state.n) == (Decision.ACCEPT, 15)


def test_nothing_is_decided_before_the_fifth_pair() -> None:
    state = EDesign(alpha=0.8).start
    for _ in range(4):
        state = state.observe(1.0)
        assert state.decision is Decision.CONTINUE
    assert state.observe(1.0).decision is Decision.ACCEPT


def test_at_the_last_pair_it_is_undecided_and_takes_no_more() -> None:
    state = EDesign(n_max=6).start
    for _ in range(6):
        state = state.observe(0.0)
    assert state.decision is Decision.NO_DECISION
    assert "NOT evidence of no effect" in state.reason
    with pytest.raises(ValueError, match="the test is over"):
        state.observe(0.0)


def test_what_is_bet_on_a_pair_is_known_before_it() -> None:
    state = EDesign().start.observe(0.3).observe(0.1)
    assert state.observe(1.0).wealth == pytest.approx(state.wealth * (1 + state.bet * 0.5))
    assert state.observe(-1.0).wealth == pytest.approx(state.wealth * (1 - state.bet * 0.5))


def test_a_minimal_effect_has_to_be_exceeded() -> None:
    assert EDesign(min_effect=0.1).null_mean == 0.55
    same = EDesign(min_effect=0.1, n_max=200).start
    while not same.decision.final:
        same = same.observe(0.1)
    assert same.decision is Decision.NO_DECISION


def test_equal_arms_are_hardly_ever_accepted_however_often_one_looks() -> None:
    random = np.random.default_rng(1)
    accepted = []
    for _ in range(150):
        state = EDesign(n_max=80).start
        while not state.decision.final:
            state = state.observe(float(np.clip(random.normal(0, 0.4), -1, 1)))
        accepted.append(state.decision is Decision.ACCEPT)
    assert np.mean(accepted) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)


def test_a_lift_of_a_fifth_is_found() -> None:
    random = np.random.default_rng(2)
    sizes = []
    for _ in range(20):
        state = EDesign().start
        while not state.decision.final:
            state = state.observe(float(np.clip(random.normal(0.2, 0.3), -1, 1)))
        assert state.decision is Decision.ACCEPT
        sizes.append(state.n)
    assert np.mean(sizes) <= 100


def test_a_resumed_bet_is_the_same_bet() -> None:
    differences = np.random.default_rng(3).uniform(-0.5, 0.8, 30).tolist()
    whole = half = EDesign().start
    for index, difference in enumerate(differences):
        whole = whole.observe(difference)
        half = from_json(EState, to_json(half)).resumed(EDesign()).observe(difference)
        assert half == whole, index
        if whole.decision.final:
            break
    with pytest.raises(ValueError, match=r"alpha: 0\.05 -> 0\.1"):
        half.resumed(replace(EDesign(), alpha=0.1))
