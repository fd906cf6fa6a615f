"""A row that an agent has worked on, as a session."""

import dataclasses

import pytest

from core.evaluation import RowResult, RowStatus, Usage
from sessions.of_evaluation import session_of
from sessions.record import Outcome, Session, Step

LIKE = Session("", experiment="exp_042", model="offline/small", guidelines=("Check limits first",), trial=2)
RESULT = RowResult(
    "shop:coupon-1",
    RowStatus.OK,
    score=1.0,
    gold={"impossible": True, "optimal_steps": 4},
    prediction={
        "outcome": "refused",
        "steps": [
            {"text": "begun", "tool": "check_limits", "arguments": {"coupon": "A1"}, "error": "no coupon A1"},
            {"text": "over", "tool": "report_completion", "arguments": {"outcome": "refused"}, "result": {}},
        ],
    },
    worth=Usage(calls=2, input_tokens=900, output_tokens=60, cost_usd=0.01),
    latency=1.5,
)


def test_everything_that_the_row_knows_is_in_the_session():
    found = session_of(RESULT, LIKE)
    assert found.id == "exp_042 / offline/small / shop:coupon-1 / trial 2"
    assert (found.task, found.trial, found.experiment) == ("shop:coupon-1", 2, "exp_042")
    assert (found.success, found.outcome, found.score) == (True, Outcome.SUCCESS, 1.0)
    assert (found.steps, found.optimal_steps, found.impossible, found.rejected) == (2, 4, True, True)
    assert (found.input_tokens, found.output_tokens, found.cost_usd, found.latency_s) == (900, 60, 0.01, 1.5)
    assert found.errors == ("no coupon A1",)
    assert found.guidelines == ("Check limits first",)
    assert found.trajectory == (
        Step("assistant", "begun", "check_limits", '{"coupon": "A1"}', error="no coupon A1"),
        Step("assistant", "over", "report_completion", '{"outcome": "refused"}', "{}"),
    )


@pytest.mark.parametrize(
    ("status", "success", "outcome"),
    [
        (RowStatus.PARSE_ERROR, False, Outcome.AGENT_FAILURE),
        (RowStatus.LM_ERROR, None, Outcome.INFRASTRUCTURE),
        (RowStatus.METRIC_ERROR, None, Outcome.UNKNOWN),
        (RowStatus.SKIPPED, None, Outcome.UNKNOWN),
    ],
)
def test_a_row_without_a_score_is_the_agents_failure_only_where_the_agent_failed(status, success, outcome):
    broken = RowResult("r", status, error="why it broke")
    found = session_of(broken, LIKE)
    assert (found.success, found.outcome, found.score) == (success, outcome, None)
    assert found.errors == ("why it broke",)
    assert (found.steps, found.input_tokens, found.rejected, found.trajectory) == (None, None, None, None)


def test_a_score_below_the_threshold_is_a_failure():
    half = dataclasses.replace(RESULT, score=0.5)
    assert session_of(half, LIKE).outcome is Outcome.AGENT_FAILURE
    assert session_of(half, LIKE, threshold=0.5).success is True
