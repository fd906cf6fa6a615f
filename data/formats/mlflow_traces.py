"""MLflow traces, read from their JSON export, as transcripts; traces of one session become one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.plain import canonical
from data.formats.base import Complain, Draft, Records, TranscriptFormat, messages_in
from data.json_text import loaded, part
from data.transcript_builder import Reading, TranscriptBuilder, content_text, role_of
from data.transcripts import Turn

ASKED = ("question", "query", "input", "inputs", "prompt", "message", "text", "request", "content")
ANSWERED = ("answer", "output", "response", "result", "text", "content", "message")


def read(records: Records, reading: Reading, complain: Complain) -> Iterator[Draft]:
    """Each record is a trace ``{info, data: {spans}}``, a list of them, ``{traces: [...]}``, or a row of a data frame.

    Turns come from the root span when it holds chat messages, else from the last chat span, else from whatever the root
    was given and gave back. Traces with the same session are put together in the order of their times.
    """
    sessions: dict[str, list[tuple[str, Draft]]] = {}
    for line, record in records:
        for trace in _traces(record):
            info, data = part(trace, "info"), part(trace, "data")
            spans = data.get("spans", trace.get("spans"))
            if not isinstance(spans, list) or not all(isinstance(span, Mapping) for span in spans):
                complain(line, "a trace needs data.spans, a list of objects")
                continue
            about = _metadata(info) or _metadata(trace)
            name = str(info.get("trace_id") or info.get("request_id") or trace.get("trace_id") or "")
            session = about.get("mlflow.trace.session")
            turns = _turns(spans, data or trace, reading)
            if turns:
                when = str(info.get("request_time") or info.get("timestamp_ms") or "")
                draft = Draft(str(session or name), turns, line)
                sessions.setdefault(f"s:{session}" if session else f"t:{name}:{line}", []).append((when, draft))
    for drafts in sessions.values():
        yield _joined([draft for _, draft in sorted(drafts, key=lambda item: item[0])])


def recognises(record: Any) -> bool:
    """Whether a record looks like a trace or a list of traces."""
    if not isinstance(record, Mapping):
        return False
    if isinstance(record.get("traces"), list):
        return True
    return ("info" in record and ("data" in record or "spans" in record)) or (
        "trace_id" in record and ("spans" in record or "trace" in record)
    )


def _traces(record: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(record, Mapping) and isinstance(record.get("traces"), list):
        record = record["traces"]
    for trace in record if isinstance(record, list) else [record]:
        inner = loaded(trace.get("trace")) if isinstance(trace, Mapping) else None
        yield inner if isinstance(inner, Mapping) else trace if isinstance(trace, Mapping) else {}


def _metadata(info: Mapping[str, Any]) -> Mapping[str, Any]:
    found = info.get("trace_metadata", info.get("request_metadata"))
    return found if isinstance(found, Mapping) else {}


def _side(span: Mapping[str, Any], side: str) -> Any:
    attributes = part(span, "attributes")
    return loaded(attributes.get(f"mlflow.span{side.capitalize()}", span.get(side)))


def _kind(span: Mapping[str, Any]) -> str:
    kind = loaded(part(span, "attributes").get("mlflow.spanType", span.get("span_type")))
    return str(kind or "").upper()


def _start(span: Mapping[str, Any]) -> int:
    when = span.get("start_time_unix_nano", span.get("start_time"))
    return when if isinstance(when, int) else 0


def _turns(spans: Sequence[Mapping[str, Any]], data: Mapping[str, Any], reading: Reading) -> tuple[Turn, ...]:
    ordered = sorted(spans, key=_start)
    roots = [span for span in ordered if not (span.get("parent_span_id") or span.get("parent_id"))]
    given = _side(roots[0], "inputs") if roots else loaded(data.get("request"))
    gave = _side(roots[0], "outputs") if roots else loaded(data.get("response"))
    if messages_in(given) is None:
        chats = [
            span for span in ordered if _kind(span) in ("CHAT_MODEL", "LLM") and messages_in(_side(span, "inputs"))
        ]
        if chats:
            given, gave = _side(chats[-1], "inputs"), _side(chats[-1], "outputs")
    weaver = TranscriptBuilder(reading)
    messages = messages_in(given)
    for message in messages or []:
        weaver.message(message)
    if messages is None:
        weaver.user(_value(given, ASKED))
    answers = _answers(gave)
    if not any(turn.role == "tool" for turn in weaver.turns()) and not any("tool_calls" in m for m in answers):
        for span in ordered:
            if _kind(span) in ("TOOL", "RETRIEVER"):
                place = f"span:{span.get('span_id')}:{_start(span)}"
                weaver.call(place, span.get("name"), _side(span, "inputs"))
                weaver.result(place, _value(_side(span, "outputs"), ()), failed=_failed(span))
    for message in answers:
        if message not in (messages or []):
            weaver.message(message)
    if not answers:
        weaver.say("assistant", _value(gave, ANSWERED))
    return weaver.turns()


def _answers(gave: Any) -> list[Mapping[str, Any]]:
    """The chat messages of an output, in any of the shapes that chat models and agents return."""
    if isinstance(gave, Mapping):
        choices = gave.get("choices", gave.get("output"))
        if isinstance(choices, list) and choices:
            gave = [c.get("message", c) if isinstance(c, Mapping) else c for c in choices]
        elif role_of(gave):
            gave = [gave]
    found = messages_in(gave)
    return [message for message in found or [] if isinstance(message, Mapping)]


def _value(value: Any, keys: Sequence[str]) -> str:
    """What a span was given or gave back, as text: itself, its telling field, or JSON."""
    if isinstance(value, Mapping):
        texts = [value[key] for key in keys if isinstance(value.get(key), str)]
        only = next(iter(value.values())) if len(value) == 1 else None
        if texts or (keys and isinstance(only, str)):
            return str(texts[0] if texts else only)
    if value is None or isinstance(value, str):
        return content_text(value)
    return canonical(value)


def _failed(span: Mapping[str, Any]) -> bool:
    status = span.get("status")
    code = status.get("code") if isinstance(status, Mapping) else span.get("status_code", status)
    return "ERROR" in str(code).upper()


def _joined(drafts: Sequence[Draft]) -> Draft:
    """One draft of a session's traces; a trace that repeats what was said before adds only what is new."""
    turns: tuple[Turn, ...] = ()
    for draft in drafts:
        turns = draft.turns if draft.turns[: len(turns)] == turns else turns + draft.turns
    metadata = {"traces": len(drafts)} if len(drafts) > 1 else {}
    return Draft(drafts[0].id, turns, drafts[0].line, metadata)


MLFLOW = TranscriptFormat("mlflow", read, recognises)
