"""OpenTelemetry spans with the GenAI conventions, as OTLP JSON or span by span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from data.json_text import loaded
from sessions.layouts.base import Complain, Draft, Layout
from sessions.layouts.mapped import decide
from sessions.layouts.mapping import PROVIDER_ERRORS
from sessions.layouts.paths import Place
from sessions.layouts.steps import steps_of
from sessions.layouts.values import UnreadableError, moment
from sessions.record import Session, Step

_MODEL_CALLS = ("chat", "text_completion", "generate_content")
_MESSAGES = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt", "gen_ai.completion")
Span = Mapping[str, Any]


def read(places: Iterable[Place], complain: Complain) -> Iterator[Draft]:
    """Sessions of spans that may stand in any order; spans without anything of GenAI only lend their times."""
    sessions: dict[str, tuple[int, list[Span]]] = {}
    conversations: dict[str, str] = {}
    for place in places:
        for row in place.rows(""):
            spans = list(_spans(row.value))
            if not spans:
                complain(row.line, f"{row.where}no spans; wanted resourceSpans, or a span with traceId and attributes")
            for span in spans:
                trace = str(span.get("traceId", span.get("trace_id", "")))
                if conversation := _attributes(span).get("gen_ai.conversation.id"):
                    conversations[trace] = str(conversation)
                sessions.setdefault(trace, (row.line, []))[1].append(span)
    joined: dict[str, tuple[int, list[Span]]] = {}
    for trace, (line, spans) in sessions.items():
        joined.setdefault(conversations.get(trace, trace), (line, []))[1].extend(spans)
    for name, (line, spans) in joined.items():
        if any(_operation(_attributes(span)) for span in spans):
            yield Draft(_session(name, sorted(spans, key=_start)), line)


def recognises(document: Any) -> bool:
    """Whether a document has spans of OTLP, or is a span with an attribute of GenAI."""
    if not isinstance(document, Mapping):
        return False
    return "resourceSpans" in document or (
        ("traceId" in document or "trace_id" in document)
        and any(k.startswith("gen_ai.") for k in _attributes(document))
    )


def _spans(document: Any) -> Iterator[Span]:
    if not isinstance(document, Mapping):
        return
    if "resourceSpans" not in document:
        if "traceId" in document or "trace_id" in document:
            yield document
        return
    for resource in _dicts(document["resourceSpans"]):
        for scope in _dicts(resource.get("scopeSpans", resource.get("instrumentationLibrarySpans"))):
            yield from _dicts(scope.get("spans"))


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _attributes(span: Span) -> dict[str, Any]:
    """The attributes of a span by name: as OTLP lists them, or as a plain object."""
    given = span.get("attributes")
    if isinstance(given, Mapping):
        return dict(given)
    return {str(each.get("key")): _value(each.get("value")) for each in _dicts(given)}


def _value(value: Any) -> Any:
    """A value of OTLP; its integers are texts."""
    if not isinstance(value, Mapping):
        return value
    if "intValue" in value:
        try:
            return int(value["intValue"])
        except (TypeError, ValueError):
            return None
    if isinstance(inner := value.get("arrayValue"), Mapping):
        return [_value(each) for each in inner.get("values") or ()]
    return next((value[kind] for kind in ("stringValue", "doubleValue", "boolValue") if kind in value), None)


def _operation(attributes: Mapping[str, Any]) -> str:
    named = str(attributes.get("gen_ai.operation.name") or "")
    return named or ("chat" if "gen_ai.request.model" in attributes else "")


def _session(name: str, spans: Sequence[Span]) -> Session:
    """Tokens are those of the calls of models: an agent's own span repeats the sum of them."""
    known = [(span, _attributes(span)) for span in spans]
    calls = [found for _, found in known if _operation(found) in _MODEL_CALLS]
    tools = [found for _, found in known if _operation(found) == "execute_tool"]
    counted = calls or [found for _, found in known]
    errors = tuple(error for span, found in known if (error := _error(span, found)))
    outcome, success, _ = decide(None, None, errors, PROVIDER_ERRORS)
    steps = [step for span, found in known for step in _steps(span, found)]
    starts = [when for span in spans if (when := _moment(span, "startTimeUnixNano", "start_time"))]
    ends = [when for span in spans if (when := _moment(span, "endTimeUnixNano", "end_time"))]
    models = [found.get("gen_ai.response.model") or found.get("gen_ai.request.model") for found in counted]
    agents = [str(found["gen_ai.agent.name"]) for _, found in known if found.get("gen_ai.agent.name")]
    return Session(
        id=name,
        experiment=agents[0] if agents else "",
        model=next((str(model) for model in models if model), ""),
        outcome=outcome,
        success=success,
        steps=len(calls) + len(tools),
        input_tokens=_sum(counted, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        output_tokens=_sum(counted, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        errors=errors,
        started_at=min(starts, default=None),
        finished_at=max(ends, default=None),
        latency_s=_seconds(spans),
        trajectory=tuple(steps),
    )


def _error(span: Span, attributes: Mapping[str, Any]) -> str:
    status = span.get("status")
    code = str(status.get("code", "")) if isinstance(status, Mapping) else str(status or "")
    said = str(status.get("message") or "") if isinstance(status, Mapping) else ""
    kind = str(attributes.get("error.type") or "")
    if not kind and code not in ("2", "STATUS_CODE_ERROR", "ERROR"):
        return ""
    return ": ".join(part for part in (kind, said) if part) or "error"


def _steps(span: Span, attributes: Mapping[str, Any]) -> Iterator[Step]:
    operation = _operation(attributes)
    if operation == "execute_tool":
        yield Step(
            "tool",
            tool=str(attributes.get("gen_ai.tool.name") or span.get("name") or ""),
            arguments=str(attributes.get("gen_ai.tool.call.arguments") or ""),
            result=str(attributes.get("gen_ai.tool.call.result") or ""),
            error=_error(span, attributes),
        )
    elif operation in _MODEL_CALLS:
        given = [loaded(attributes[name]) for name in _MESSAGES[1::2] if attributes.get(name)]
        said = [step for value in given for step in steps_of(_parts(value)) or ()]
        tokens = attributes.get("gen_ai.usage.output_tokens")
        yield from said or [
            Step("assistant", error=_error(span, attributes), tokens=tokens if isinstance(tokens, int) else None)
        ]


def _parts(value: Any) -> Any:
    """Messages whose parts are as OpenTelemetry writes them, as chat messages."""
    if not isinstance(value, list):
        return value
    made: list[Any] = []
    for message in value:
        parts = _dicts(message.get("parts")) if isinstance(message, Mapping) else []
        if not parts:
            made.append(message)
            continue
        texts = [str(part.get("content") or "") for part in parts if part.get("type") == "text"]
        calls = [part for part in parts if part.get("type") == "tool_call"]
        made.append({"role": message.get("role"), "content": "\n".join(texts), "tool_calls": calls})
    return made


def _start(span: Span) -> int:
    return _nanos(span, "startTimeUnixNano", "start_time") or 0


def _nanos(span: Span, *names: str) -> int | None:
    value = next((span[name] for name in names if name in span), None)
    try:
        return int(value) if value is not None else None
    except (TypeError, ValueError):
        return None


def _moment(span: Span, *names: str) -> str | None:
    value = next((span[name] for name in names if name in span), None)
    try:
        return None if value in (None, 0, "0") else moment(value)
    except UnreadableError:
        return None


def _seconds(spans: Sequence[Span]) -> float | None:
    starts = [at for span in spans if (at := _nanos(span, "startTimeUnixNano", "start_time"))]
    ends = [at for span in spans if (at := _nanos(span, "endTimeUnixNano", "end_time"))]
    return (max(ends) - min(starts)) / 1e9 if starts and ends else None


def _sum(found: Iterable[Mapping[str, Any]], *names: str) -> int | None:
    counts = [next((each[name] for name in names if isinstance(each.get(name), int)), None) for each in found]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


OTEL = Layout(
    "otel", "OpenTelemetry spans with the GenAI conventions, OTLP JSON or one span per line", read, recognises
)
