"""One request to one model through DSPy: what went out, what came back, what it cost. No retries, no cache.

Holds the three internals of DSPy's LM layer that we depend on; ``tests/contracts/test_dspy_seams.py`` guards them.
"""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import dspy
import httpx
from dspy.clients._deprecation import adapter_message_call
from dspy.lm15 import TextPart
from pydantic import BaseModel

from calls.deadlines import Deadlines
from calls.models import ModelSpec
from calls.records import OFFLINE_PREFIX, Completion, Request, storable

CONNECT_SECONDS = 3.0
GRACE_SECONDS = 1.0
MOST_TOKENS = 10**12
"""More than any answer has; a count beyond it is a server's mistake."""
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


def remember_routes() -> None:
    """Work out once per client which engine takes its requests, and per kind of request whether it can.

    DSPy does so at every call, and for that renders each request twice: a fifth of the work of a call. Only for a
    process that is ours alone, such as the courier.
    """
    from dspy.clients import execution
    from dspy.clients.engines.lm15_engine import LM15Engine

    select, plan = execution.select_backend, LM15Engine.plan

    def selected(lm: Any, options: Any = None) -> Any:
        if not isinstance(lm, _Recorder):
            return select(lm, options)
        if lm.selection is None:
            lm.selection = select(lm, options)
        return lm.selection

    def planned(engine: Any, request: Any) -> Any:
        # A refusal depends on settings, tools and kinds of content; words are refused by nobody.
        plain = not request.tools and all(isinstance(part, TextPart) for m in request.messages for part in m.parts)
        kind = (request.model, repr(request.config)) if plain else None
        known = engine.__dict__.setdefault("known_kinds", set())
        if kind is None or kind not in known:
            plan(engine, request)
            known.add(kind)

    execution.select_backend = selected
    setattr(LM15Engine, "plan", planned)  # noqa: B010 - of a class that is not ours


class EmptyAnswerError(dspy.LMServerError):
    """The provider answered without a single choice or without any text."""


def make_request(lm: dspy.LM, prompt: Any, messages: Any, kwargs: Mapping[str, Any]) -> Request:
    """The request that a call of ``lm`` stands for; a response format given as a class becomes its JSON schema.

    Half a character in a row becomes U+FFFD: no provider takes it.
    """
    rendered = messages if messages is not None else [{"role": "user", "content": prompt}]
    merged = {**lm.kwargs, **kwargs}
    params = {k: v for k, v in merged.items() if k not in CONNECTION and v is not None}
    form = params.get("response_format")
    if isinstance(form, type) and issubclass(form, BaseModel):
        params["response_format"] = _schema_format(form)
    return Request(storable([dict(m) for m in rendered]), params)


def _schema_format(form: type[BaseModel]) -> dict[str, Any]:
    # DSPy makes the same dict of a class right before sending it; a contract test compares the two.
    from dspy.clients.legacy_requests import _strict_json_schema

    schema = _strict_json_schema(form.model_json_schema())
    return {"type": "json_schema", "json_schema": {"name": form.__name__, "schema": schema, "strict": True}}


class _Recorder(dspy.LM):
    """A ``dspy.LM`` that hands its history entry to the caller instead of keeping it."""

    _last = threading.local()
    selection: Any = None
    """Which engine takes its requests, once that is known; see :func:`remember_routes`."""

    def update_history(self, entry: dict[str, Any]) -> None:
        self._last.entry = entry


class LateAnswerError(dspy.LMTimeoutError):
    """The provider had not answered in full when the attempt's time was over."""


class Wire:
    """A line to one model. Safe for many threads.

    An attempt has a client of its own, taken from those that are idle: so many attempts may be under way as there are
    threads (a client of DSPy's has 100 connections and no setting for it), and what is late can be hung up on without
    touching the others.

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
            self._options: dict[str, Any] = {"engine": offline_engine(spec)}
        else:
            bound_answers()
            # A little more than the attempt's own limit, so that it is the attempt that is told to be late.
            gap = spec.timeout + GRACE_SECONDS
            timeout = httpx.Timeout(gap, connect=min(CONNECT_SECONDS, spec.timeout))
            self._options = {"timeout": timeout, "engine": spec.engine}
            if spec.api_base:
                self._options["api_base"] = spec.api_base
            if key is not None:
                self._options["api_key"] = key
        self._idle: deque[_Recorder] = deque([self._client()])
        self._deadlines = Deadlines()

    def _client(self) -> _Recorder:
        return _Recorder(self.spec.model, cache=False, num_retries=0, **self._options)

    @property
    def structured_output(self) -> bool:
        """Whether DSPy knows that the model takes a JSON schema."""
        return bool(self._client().supports_response_schema)

    def send(self, request: Request, late: Callable[[], None] = lambda: None) -> Completion:
        """Send one request and wait, ``spec.timeout`` seconds at most for the answer as a whole.

        Args:
            request: What is asked.
            late: Called, from another thread, as soon as that time is over. With DSPy's native engine the connection
                is closed then, and the call itself ends with the next byte; LiteLLM has no such door.

        Raises:
            dspy.LMError: Whatever the provider or the network answered instead.
        """
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._client()

        def hang_up() -> None:
            late()
            client.close()

        started = time.perf_counter()
        _Recorder._last.entry = {}
        messages = [dict(m) for m in request.messages]
        token = _largest.set(int(self.spec.max_answer_mb * 1e6))
        limit = self._deadlines.start(self.spec.timeout, hang_up)
        try:
            with adapter_message_call(client, messages):
                outputs = client(messages=messages, **dict(request.params))
        except Exception as error:
            if limit.passed:
                raise LateAnswerError(
                    f"no whole answer within {self.spec.timeout:g} s", model=self.spec.model
                ) from error
            raise
        finally:
            _largest.reset(token)
            if limit.end():
                self._idle.append(client)
        seconds = time.perf_counter() - started
        if not outputs or not any(_text(output) for output in outputs):
            raise EmptyAnswerError("the provider answered without any text", model=self.spec.model)
        return self._answer(storable(list(outputs)), _Recorder._last.entry, seconds)

    def _answer(self, outputs: list[Any], entry: Mapping[str, Any], seconds: float) -> Completion:
        usage = entry.get("usage")
        usage = usage if isinstance(usage, Mapping) else {}
        tokens_in, tokens_out = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
        cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
        reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
        cost = self.spec.price(tokens_in, tokens_out, cached)
        if cost is None and not self.spec.offline:
            cost = entry.get("cost")
        return Completion(outputs, tokens_in, tokens_out, cached, reasoning, cost, seconds)


_largest: contextvars.ContextVar[int | None] = contextvars.ContextVar("largest_answer", default=None)
"""The most bytes that an answer of this thread's attempt may have."""


@functools.cache
def bound_answers() -> None:
    """Have DSPy's native engine read no answer beyond the limit of its attempt.

    An engine that DSPy makes itself cannot be handed a transport, so the class it makes one of is replaced, once.
    """
    from dspy._vendor.lm15 import transports

    class BoundedTransport(transports.StdlibTransport):
        """Ends an answer that is too large; asks for proxies only if the environment names one."""

        def __init__(self, **options: Any) -> None:
            # Else the whole environment is searched for proxies at every request: a fifth of the work of a call.
            named = any(name.lower().endswith("_proxy") for name in os.environ)
            super().__init__(**{"trust_env": named, **options})

        def stream(self, request: transports.TransportRequest) -> transports.TransportResponse:
            response, largest = super().stream(request), _largest.get()
            if largest is None:
                return response
            return transports.TransportResponse(
                status=response.status, reason=response.reason, headers=response.headers,
                http_version=response.http_version, chunks=_at_most(largest, response),
                release=lambda consumed: response.close(),
            )  # fmt: skip

    def _at_most(largest: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > largest:
                raise transports.ReadError(f"the answer is larger than {largest / 1e6:g} MB")
            yield chunk

    transports.StdlibTransport = BoundedTransport


def _text(output: Any) -> bool:
    if isinstance(output, Mapping):
        return bool(output.get("text") or output.get("tool_calls"))
    return bool(output)


def _count(value: Any) -> int:
    """A number of tokens; whatever else a server writes there counts as none, so that its answer is not lost."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < MOST_TOKENS:
        return 0
    return int(value)


def _detail(usage: Mapping[str, Any], group: str, name: str) -> int:
    details = usage.get(group)
    if details is None:
        return 0
    return _count(details.get(name) if isinstance(details, Mapping) else getattr(details, name, None))


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
