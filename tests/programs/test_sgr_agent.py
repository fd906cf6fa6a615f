"""The agent: one typed call at a time, told what came of it, until it reports or the steps run out."""

from pathlib import Path

import dspy
import pytest

from data.corpus import read_corpus
from offline import OfflineEngine
from programs.prompts import ADAPTERS, apply_prompts, make_adapter, read_prompts
from programs.sgr_agent import as_text
from programs.shop import ShopAgent

ROWS = {row.id: row for row in read_corpus(Path(__file__).resolve().parents[2] / "corpora" / "shop.jsonl").rows}
UNKNOWN = {"request": "Cancel #4711, please.", "shop": {}}


def session(inputs, *, adapter="chat", agent=None):
    with dspy.context(
        lm=dspy.LM("offline/small", engine=OfflineEngine("small"), cache=False), adapter=make_adapter(adapter)
    ):
        return (agent or ShopAgent())(**inputs)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_session_ends_with_the_report_and_the_state_that_it_left(adapter):
    found = session(ROWS["shop:plain-7"].inputs, adapter=adapter)
    assert found.outcome == "done"
    assert found.end_state == {"placed": [], "changed": {"#1107": "refunded"}}
    assert [step["tool"] for step in found.steps] == ["get_order", "refund_order", "report_completion"]


def test_an_error_is_told_and_the_agent_goes_on():
    found = session(UNKNOWN)
    assert found.steps[0]["error"] == "there is no order #4711"
    assert found.outcome == "refused"


def test_a_session_without_a_report_is_unfinished():
    agent = ShopAgent()
    agent.most_steps = 2
    found = session(ROWS["shop:plain-1"].inputs, agent=agent)
    assert (found.outcome, len(found.steps)) == ("unfinished", 2)


def test_the_model_sees_every_call_and_what_came_of_it():
    steps = [
        {"tool": "check_stock", "arguments": {"product": "mug-12"}, "result": {"in_stock": 4}},
        {"tool": "place_order", "arguments": {}, "error": "the basket is empty"},
    ]
    assert as_text(steps).splitlines() == [
        '1. check_stock {"product": "mug-12"} -> {"in_stock": 4}',
        '2. place_order {} -> {"error": "the basket is empty"}',
    ]
    assert as_text([]) == "nothing yet"


def test_its_prompt_is_read_and_applied_like_any_other():
    agent = ShopAgent()
    prompts = read_prompts(agent)
    assert [prompt.predictor for prompt in prompts.prompts] == ["step"]
    assert read_prompts(apply_prompts(agent, prompts)) == prompts
