"""Trajectories: chat messages of any provider, turns of a transcript, or steps as we store them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from core.plain import canonical
from data.formats.base import messages_in
from data.transcript_builder import ROLES, content_text
from data.transcripts import Turn, parse_text
from sessions.record import Step

_STEP = {f.name for f in fields(Step)}
_ERROR = ("error", "traceback", "exit code")


def steps_of(value: Any) -> tuple[Step, ...] | None:
    """The steps of a value; None where it is neither messages, steps nor a transcript."""
    if isinstance(value, str):
        return turns_as_steps(parse_text(value)) if value.strip() else ()
    if isinstance(value, Mapping):
        value = messages_in(value)
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        return None
    if value and all("role" in each and set(each) <= _STEP for each in value) and any("text" in e for e in value):
        return tuple(_stored(each) for each in value)
    if messages_in(value) is None:
        return tuple(_loose(each) for each in value)
    return tuple(_messages(value))


def taken(steps: Iterable[Step]) -> int:
    """How many of the steps are the agent's: what it said and the tools that it called."""
    return sum(step.role in ("assistant", "tool") for step in steps)


def turns_as_steps(turns: Iterable[Turn]) -> tuple[Step, ...]:
    """Turns of a transcript; a tool's turn holds its call and below it what came back."""
    return tuple(_turn(turn) for turn in turns)


def _turn(turn: Turn) -> Step:
    if turn.role != "tool":
        return Step("context" if turn.role == "note" else turn.role, turn.text)
    arguments, _, result = turn.text.partition("\n")
    failed = result.casefold().startswith(_ERROR)
    return Step("tool", tool=turn.name or "", arguments=arguments, result=result, error=result[:500] if failed else "")


def _stored(step: Mapping[str, Any]) -> Step:
    tokens = step.get("tokens")
    words = {name: str(step[name]) for name in _STEP - {"tokens"} if step.get(name) is not None}
    return Step(**{"role": "", **words}, tokens=tokens if isinstance(tokens, int) else None)


def _messages(messages: Iterable[Mapping[str, Any]]) -> list[Step]:
    """Chat messages as steps; the result of a tool joins the step of its call."""
    made: list[Step] = []
    waiting: dict[int, tuple[str, str]] = {}
    for message in messages:
        word = str(message.get("role") or message.get("from") or message.get("type") or "")
        role = ROLES.get(word.lower(), word)
        content = message.get("content", message.get("value"))
        parts = content if isinstance(content, list) else []
        if role == "tool":
            name, call_id = str(message.get("name") or ""), str(message.get("tool_call_id") or "")
            _result(made, waiting, name, call_id, content_text(content), message.get("status") == "error")
            continue
        said = content_text([p for p in parts if not _is_tool(p)] if parts else content)
        if said:
            made.append(Step(role, said))
        calls = message.get("tool_calls")
        for call in [*(calls if isinstance(calls, list) else []), *parts]:
            if isinstance(call, Mapping) and (call in parts) <= (call.get("type") == "tool_use"):
                inner = call.get("function")
                function = inner if isinstance(inner, Mapping) else call
                given = function.get("arguments", function.get("args", function.get("input")))
                waiting[len(made)] = (str(function.get("name") or ""), str(call.get("id") or ""))
                made.append(Step("tool", tool=waiting[len(made)][0], arguments=_plain(given)))
        for part in parts:
            if isinstance(part, Mapping) and part.get("type") == "tool_result":
                text = content_text(part.get("content"))
                _result(made, waiting, "", str(part.get("tool_use_id") or ""), text, part.get("is_error") is True)
    return made


def _is_tool(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in ("tool_use", "tool_result", "thinking")


def _result(
    made: list[Step], waiting: dict[int, tuple[str, str]], name: str, call_id: str, text: str, failed: bool
) -> None:
    """Join a result to its call: of the same id, else the first of the same tool that waits, else a step alone."""
    failed = failed or text.casefold().startswith("error")
    error = text[:500] if failed else ""
    by_id = (at for at, (_, known) in waiting.items() if call_id and known == call_id)
    by_name = (at for at, (tool, known) in waiting.items() if not (call_id and known) and name in ("", tool))
    at = next(by_id, next(by_name, None))
    if at is None:
        made.append(Step("tool", tool=name, result=text, error=error))
        return
    del waiting[at]
    made[at] = replace(made[at], result=text, error=error)


def _loose(step: Mapping[str, Any]) -> Step:
    """A step of a log whose shape nobody has described: what it calls text, tool, arguments, result and error."""

    def first(*names: str) -> str:
        return next((_plain(step[name]) for name in names if step.get(name) not in (None, "")), "")

    tool = first("tool", "tool_name", "function", "name", "action")
    return Step(
        first("role", "type", "kind") or ("tool" if tool else "assistant"),
        first("text", "content", "thought", "message", "output_text", "plan"),
        tool,
        first("arguments", "args", "input", "parameters", "request"),
        first("result", "output", "observation", "response"),
        first("error", "exception"),
    )


def _plain(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else canonical(value)
