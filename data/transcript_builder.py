"""Turns out of chat messages: text, thinking, tool calls and their results, in the shapes that providers use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.plain import canonical
from data.json_text import JsonError, load_json
from data.transcripts import ALIASES, Role, Turn, tidy, tidy_name, user_turn

TOOL_CHARS = 2000
ROLES: Mapping[str, Role] = {
    **ALIASES,
    "function": "tool",
    "model": "assistant",
    "bot": "assistant",
    "gpt": "assistant",
}
"""What providers call the four roles in data."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ERROR_TAG = re.compile(r"</?tool_use_error>")
_SHELLS = ("bash", "sh", "zsh")


@dataclass(frozen=True)
class Reading:
    """How transcripts are read.

    Attributes:
        tool_chars: Characters kept of each tool call and of each tool output; the middle is left out.
        thinking: Whether the model's thinking becomes turns.
    """

    tool_chars: int = TOOL_CHARS
    thinking: bool = False


def clip(text: str, limit: int) -> str:
    """The first and last characters of a text, ``limit`` in all, with the number of those left out between them."""
    if len(text) <= limit:
        return text
    head = limit - limit // 2
    tail = text[len(text) - limit // 2 :]
    return f"{text[:head]}\n[... {len(text) - limit} characters left out ...]\n{tail}".strip("\n")


def content_text(content: Any) -> str:
    """The text of a message's content: a string, a list of parts, or one part; pictures and sound are named only."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return _part_text(content)
    if isinstance(content, Sequence):
        return "\n".join(text for part in content if (text := content_text(part)))
    return str(content)


def _part_text(part: Mapping[str, Any]) -> str:
    for key in ("text", "refusal", "content", "output"):
        if isinstance(part.get(key), (str, list)):
            return content_text(part[key])
    kind = str(part.get("type", ""))
    if kind:
        return next((f"[{word}]" for word in ("image", "audio", "file", "document") if word in kind), "")
    return canonical(part)


def call_text(arguments: Any) -> str:
    """A tool call's arguments as one reads them: ``$ command`` for shells, JSON for anything else."""
    if isinstance(arguments, str):
        try:
            loaded = load_json(arguments)
        except JsonError:
            return arguments
        return call_text(loaded) if isinstance(loaded, (dict, list)) else arguments
    if isinstance(arguments, Mapping):
        command = arguments.get("command", arguments.get("cmd"))
        if isinstance(command, list) and command:
            words = [str(word) for word in command]
            shell = len(words) == 3 and words[0].rsplit("/", 1)[-1] in _SHELLS and words[1].startswith("-")
            command = words[2] if shell else " ".join(words)
        if isinstance(command, str) and command:
            return f"$ {command}"
    return canonical(arguments) if arguments else ""


class TranscriptBuilder:
    """Collects turns in order; the result of a tool joins the turn of its call."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._turns: list[Turn] = []
        self._waiting: dict[int, str] = {}

    def say(self, role: Role, text: str, name: str | None = None) -> None:
        """Add what a party said; texts without words are left out."""
        kept = tidy(text).lstrip("\n")
        if kept:
            self._turns.append(Turn(role, kept, tidy_name(name)))

    def user(self, text: str, name: str | None = None) -> None:
        """Add a user's message; what a tool put into it becomes what it is."""
        turn = user_turn(text)
        if turn.role == "user":
            self.say("user", turn.text, name)
        elif turn.text:
            self.say(turn.role, self._clipped(turn.text), turn.name)

    def think(self, text: str) -> None:
        """Add thinking if it is wanted."""
        if self._reading.thinking:
            self.say("assistant", text, "thinking")

    def aside(self, text: str) -> None:
        """Add what the system said, clipped like the output of a tool."""
        self.say("system", self._clipped(text))

    def call(self, call_id: Any, name: Any, arguments: Any) -> None:
        """Add a tool call; its result goes below it."""
        text = self._clipped(call_text(arguments))
        self._turns.append(Turn("tool", text, tidy_name(str(name or "tool"))))
        self._waiting[len(self._turns) - 1] = str(call_id or "")

    def result(self, call_id: Any, output: Any, *, name: Any = None, failed: bool = False) -> None:
        """Add a tool's output to its call, or as a turn of its own when the call is not there.

        Without an id it belongs to the first call of that tool that waits, and without a name to the first of any.
        """
        text = self._clipped(_ERROR_TAG.sub("", content_text(output)))
        if failed and not text.casefold().startswith(("error", "exit code")):
            text = f"error: {text}" if text else "error"
        fits = (
            i
            for i, waiting in self._waiting.items()
            if (waiting == str(call_id) if call_id else name is None or self._turns[i].name == tidy_name(str(name)))
        )
        index = next(fits, None)
        if index is None:
            self.say("tool", text, str(name or "tool"))
            return
        del self._waiting[index]
        call = self._turns[index]
        joined = "\n".join(part for part in (call.text, text) if part)
        self._turns[index] = Turn("tool", tidy(joined).lstrip("\n"), call.name)

    def message(self, message: Mapping[str, Any]) -> bool:
        """Add a chat message of OpenAI, Anthropic, LangChain or ShareGPT shape; False when it has no known role."""
        role = role_of(message)
        content = message.get("content", message.get("value"))
        name = message.get("name") if isinstance(message.get("name"), str) else None
        if role is None:
            return False
        if role == "tool":
            self.result(message.get("tool_call_id"), content, name=name, failed=message.get("status") == "error")
            return True
        if isinstance(content, list):
            self._parts(role, content, name)
        else:
            self._text(role, content_text(content), name)
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            if isinstance(call, Mapping):
                inner = call.get("function")
                function = inner if isinstance(inner, Mapping) else call
                self.call(call.get("id"), function.get("name"), function.get("arguments", function.get("args")))
        if isinstance(legacy := message.get("function_call"), Mapping):
            self.call(legacy.get("name"), legacy.get("name"), legacy.get("arguments"))
        return True

    def _parts(self, role: Role, parts: Sequence[Any], name: str | None) -> None:
        said: list[str] = []
        for part in parts:
            if not isinstance(part, Mapping):
                said.append(content_text(part))
                continue
            kind = part.get("type")
            if kind in ("thinking", "reasoning", "redacted_thinking"):
                self.think(content_text(part.get("thinking") or part.get("text")))
            elif kind in ("tool_use", "server_tool_use"):
                self._text(role, "\n".join(said), name)
                said.clear()
                self.call(part.get("id"), part.get("name"), part.get("input"))
            elif kind == "tool_result":
                self.result(part.get("tool_use_id"), part.get("content"), failed=part.get("is_error") is True)
            elif role == "user" and user_turn(content_text(part)).role != "user":
                self._text(role, "\n".join(said), name)
                said.clear()
                self.user(content_text(part))
            elif text := content_text(part):
                said.append(text)
        self._text(role, "\n".join(said), name)

    def _text(self, role: Role, text: str, name: str | None) -> None:
        if role == "user":
            self.user(text, name)
        elif role == "system":
            self.aside(text)
        else:
            self.say(role, text, name)

    def _clipped(self, text: str) -> str:
        return clip(tidy(_ANSI.sub("", text)).lstrip("\n"), self._reading.tool_chars)

    def turns(self) -> tuple[Turn, ...]:
        """Everything so far."""
        return tuple(t if t.text else Turn(t.role, "(no output)", t.name) for t in self._turns)


def role_of(message: Any) -> Role | None:
    """The role of a chat message by whichever key says it; None when this is no chat message."""
    if not isinstance(message, Mapping) or not {"content", "value", "tool_calls", "function_call"} & set(message):
        return None
    word = message.get("role") or message.get("from") or message.get("type")
    return ROLES.get(word.lower()) if isinstance(word, str) else None
