"""The internals of DSPy that calls/wire.py depends on: when one of these breaks, that file has to follow."""

import json
from typing import Literal

import dspy
import pytest
from dspy.clients import execution
from dspy.clients.engines.lm15_engine import LM15Engine
from pydantic import BaseModel

from calls.models import ModelSpec
from calls.records import Request
from calls.wire import Wire, make_request, remember_routes, with_known_price
from tests.provider import Provider, serving


class Form(BaseModel):
    """A structured answer."""

    label: Literal["a", "b"]
    why: str


def sent(provider, engine, params):
    spec = ModelSpec("far", "openai/gpt-4o-mini", api_base=provider.url, engine=engine, input_price=1, output_price=4)
    answer = Wire(spec, "key").send(Request([{"role": "user", "content": "Hello"}], params))
    return answer, provider.seen[-1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("engine", ["lm15", "litellm"])
def test_both_engines_send_the_request_and_report_tokens(engine):
    with serving(Provider(canned=True)) as provider:
        answer, body = sent(provider, engine, {"temperature": 0.25, "max_tokens": 77})
    assert answer.outputs[0].startswith("[[ ## label ## ]]")
    assert (answer.input_tokens, answer.output_tokens) == (200, 12)
    assert answer.cost_usd == pytest.approx((200 * 1 + 12 * 4) / 1e6)
    assert body["temperature"] == 0.25
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert body["messages"] == [{"role": "user", "content": "Hello"}]


def test_a_schema_made_here_is_sent_like_the_class_that_dspy_would_have_been_given():
    with serving(Provider(canned=True)) as provider:
        lm = dspy.LM("openai/gpt-4o-mini", api_base=provider.url, api_key="key", cache=False)
        lm("Hello", response_format=Form)
        theirs = provider.seen[-1]["response_format"]
        request = make_request(lm, "Hello", None, {"response_format": Form})
        _, body = sent(provider, "lm15", dict(request.params))
    assert json.dumps(body["response_format"], sort_keys=True) == json.dumps(theirs, sort_keys=True)


def test_connection_settings_are_not_part_of_a_request():
    lm = dspy.LM("openai/x", api_key="secret", api_base="http://127.0.0.1:9", temperature=0.5, cache=False)
    request = make_request(lm, "Hello", None, {"rollout_id": 3, "timeout": 9})
    assert dict(request.params) == {"temperature": 0.5}
    assert request.messages == [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("alias", ["anthropic/claude-haiku-4-5", "openai/gpt-4o-mini", "gemini/gemini-2.5-flash"])
def test_listed_prices_are_found(alias):
    spec = with_known_price(ModelSpec("x", alias))
    assert spec.priced
    assert 0 < spec.input_price < spec.output_price


def test_a_server_of_ones_own_has_no_listed_price():
    assert not with_known_price(ModelSpec("x", "openai/gpt-4o-mini", api_base="http://127.0.0.1:9/v1")).priced
    assert not with_known_price(ModelSpec("x", "openai/nobody-knows-it")).priced


def test_a_route_is_worked_out_once_per_kind_of_request_and_a_new_setting_is_looked_at_again(monkeypatch):
    asked = {"select": 0, "plan": 0}
    select, plan = execution.select_backend, LM15Engine.plan

    def selected(lm, options=None):
        asked["select"] += 1
        return select(lm, options)

    def planned(engine, request):
        asked["plan"] += 1
        return plan(engine, request)

    monkeypatch.setattr(execution, "select_backend", selected)
    monkeypatch.setattr(LM15Engine, "plan", planned)
    remember_routes()
    with serving(Provider(canned=True)) as provider:
        wire = Wire(ModelSpec("far", "openai/far", api_base=provider.url), "key")
        counts = []
        for text, params in (("a", {}), ("b", {}), ("c", {"temperature": 0.5}), ("d", {"temperature": 0.5})):
            wire.send(Request([{"role": "user", "content": text}], params))
            counts.append((asked["select"], asked["plan"]))
        bodies = [(body["messages"][0]["content"], body.get("temperature")) for body in provider.seen]
    assert counts == [(1, 1), (1, 1), (1, 2), (1, 2)]
    assert bodies == [("a", None), ("b", None), ("c", 0.5), ("d", 0.5)]
