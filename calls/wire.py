"""One request to one model through DSPy: what went out, what came back, what it cost. No retries, no cache.

Holds the three internals of DSPy's LM layer that we depend on; ``tests/contracts/test_dspy_seams.py`` guards them.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

import dspy
import httpx
from dspy.clients._deprecation import adapter_message_call
from pydantic import BaseModel

from calls.models import OFFLINE_PREFIX, ModelSpec
from calls.records import Completion, Request

CONNECT_SECONDS = 3.0
#: Settings of a connection; never part of the ledger's key and never stored.
CONNECTION = frozenset(
    {"api_key", "api_base", "base_url", "timeout", "headers", "extra_headers", "num_retries", "cache", "rollout_id"}
)


os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else the price list is fetched from the internet


def with_known_price(spec: ModelSpec) -> ModelSpec:
    """The spec with prices from the list that comes with DSPy, where it names none itself.

    A server of one's own (``api_base``) has no listed price, whatever its models are called.
    """
    if spec.offline or spec.api_base or spec.priced:
        return spec
    from dspy.clients.model_metadata import model_info, rate

    provider, _, name = spec.model.partition("/")
    info = model_info(provider, name)
    per_token = [rate(info, f"{k}_cost_per_token") for k in ("input", "output")] if info else [None, None]
    if per_token[0] is None or per_token[1] is None:
        return spec
    cached = rate(info, "cache_read_input_token_cost")
    return dataclasses.replace(
        spec,
        input_price=per_token[0] * 1e6,
        output_price=per_token[1] * 1e6,
        cached_price=None if cached is None else cached * 1e6,
    )


def remember_listed_prices() -> None:
    """Look a model's listed price up once per process instead of once per call.

    DSPy searches its whole price list, 4,700 entries, after every answer: half of the work of a call to a server of
    one's own. Only for a process that is ours alone, such as the courier.
    """
    from dspy.clients import costs

    costs.model_info = functools.cache(costs.model_info)


class EmptyAnswerError(dspy.LMServerError):
    """The provider answered without a single choice or without any text."""


def make_request(lm: dspy.LM, prompt: Any, messages: Any, kwargs: Mapping[str, Any]) -> Request:
    """The request that a call of ``lm`` stands for; a response format given as a class becomes its JSON schema."""
    rendered = messages if messages is not None else [{"role": "user", "content": prompt}]
    merged = {**lm.kwargs, **kwargs}
    params = {k: v for k, v in merged.items() if k not in CONNECTION and v is not None}
    form = params.get("response_format")
    if isinstance(form, type) and issubclass(form, BaseModel):
        params["response_format"] = _schema_format(form)
    return Request([dict(m) for m in rendered], params)


def _schema_format(form: type[BaseModel]) -> dict[str, Any]:
    # DSPy makes the same dict of a class right before sending it; a contract test compares the two.
    from dspy.clients.legacy_requests import _strict_json_schema

    schema = _strict_json_schema(form.model_json_schema())
    return {"type": "json_schema", "json_schema": {"name": form.__name__, "schema": schema, "strict": True}}


class _Recorder(dspy.LM):
    """A ``dspy.LM`` that hands its history entry to the caller instead of keeping it."""

    _last = threading.local()

    def update_history(self, entry: dict[str, Any]) -> None:
        self._last.entry = entry


class Wire:
    """A line to one model. Safe for many threads.

    Args:
        spec: The model.
        key: Its API key, if it has one.

    Raises:
        ValueError: If DSPy cannot set the model up.
        dspy.LMError: The same.
    """

    def __init__(self, spec: ModelSpec, key: str | None = None) -> None:
        self.spec = spec
        if spec.offline:
            self._lm = _Recorder(spec.model, cache=False, num_retries=0, engine=offline_engine(spec))
        else:
            timeout = httpx.Timeout(spec.timeout, connect=min(CONNECT_SECONDS, spec.timeout))
            options: dict[str, Any] = {"timeout": timeout, "engine": spec.engine}
            if spec.api_base:
                options["api_base"] = spec.api_base
            if key is not None:
                options["api_key"] = key
            self._lm = _Recorder(spec.model, cache=False, num_retries=0, **options)

    @property
    def structured_output(self) -> bool:
        """Whether DSPy knows that the model takes a JSON schema."""
        return bool(self._lm.supports_response_schema)

    def send(self, request: Request) -> Completion:
        """Send one request and wait.

        Raises:
            dspy.LMError: Whatever the provider or the network answered instead.
        """
        started = time.perf_counter()
        _Recorder._last.entry = {}
        messages = [dict(m) for m in request.messages]
        with adapter_message_call(self._lm, messages):
            outputs = self._lm(messages=messages, **dict(request.params))
        seconds = time.perf_counter() - started
        if not outputs or not any(_text(output) for output in outputs):
            raise EmptyAnswerError("the provider answered without any text", model=self.spec.model)
        return self._answer(list(outputs), _Recorder._last.entry, seconds)

    def _answer(self, outputs: list[Any], entry: Mapping[str, Any], seconds: float) -> Completion:
        usage: Mapping[str, Any] = entry.get("usage") or {}
        tokens_in, tokens_out = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
        reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
        cost = self.spec.price(tokens_in, tokens_out, cached)
        if cost is None and not self.spec.offline:
            cost = entry.get("cost")
        return Completion(outputs, tokens_in, tokens_out, cached, reasoning, cost, seconds)


def _text(output: Any) -> bool:
    if isinstance(output, Mapping):
        return bool(output.get("text") or output.get("tool_calls"))
    return bool(output)


def _detail(usage: Mapping[str, Any], group: str, name: str) -> int:
    details = usage.get(group)
    if details is None:
        return 0
    value = details.get(name) if isinstance(details, Mapping) else getattr(details, name, None)
    return int(value or 0)


def offline_engine(spec: ModelSpec) -> Any:
    """The embedded model of a spec.

    Raises:
        UsageError: If there is no such size.
    """
    from core.errors import UsageError
    from offline import SIZES, OfflineEngine

    size = spec.model.removeprefix(OFFLINE_PREFIX)
    if size not in SIZES:
        raise UsageError(f"the embedded model has no size {size!r}; sizes: {', '.join(SIZES)}")
    return OfflineEngine(size)
