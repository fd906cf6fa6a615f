"""Transcripts as records: turns, the house form they are written in, and which of them are chosen for a corpus."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import UsageError
from data.corpus import content_id

Role = Literal["user", "assistant", "tool", "system", "note"]
NAME_CHARS = 60
ALIASES: Mapping[str, Role] = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "agent": "assistant",
    "ai": "assistant",
    "claude": "assistant",
    "chatgpt": "assistant",
    "sidechain": "assistant",
    "tool": "tool",
    "system": "system",
    "developer": "system",
}
"""What heads in a text call the four roles."""

_WORDS = "|".join(sorted(ALIASES, key=len, reverse=True))
_HOUSE = re.compile(rf"\[({_WORDS})(?::([^\]\n]+))?\](?=[ \t]|$)", re.IGNORECASE)
_ESCAPED = re.compile(rf" *\[(?:{_WORDS})(?::[^\]\n]+)?\](?:[ \t]|$)", re.IGNORECASE)
_BOLD = r"(?:\*\*|__|_\*\*)"
_LOOSE = re.compile(
    rf"(?:\#{{1,6}}[ \t]+[*_]*(?P<heading>{_WORDS})[*_]*+[ \t]*+:?[*_]*+[ \t]*+$"
    rf"|{_BOLD}(?P<bold>{_WORDS})(?:[ \t]*\([^)\n]*\))?(?::{_BOLD}|(?:\*\*_|\*\*|__)(?::|[ \t]*$))_?"
    rf"|(?P<plain>{_WORDS}):(?=[ \t]|$)"
    rf"|\[(?P<tool>tool)[ _](?:call|result|output)\](?=[ \t]|$))",
    re.IGNORECASE,
)
_REMINDERS = ("system-reminder", "ide_opened_file", "ide_selection", "ide_diagnostics")
_TYPED = ("<bash-input>", "<user_shell_command>")
_PRINTED = re.compile(r"</?(?:bash|local-command)-(?:stdout|stderr)>")
_NOISE = re.compile(
    r"<(?:local-command-caveat|user_instructions|environment_context|permissions instructions|turn_aborted|skill)\b"
    r"|<INSTRUCTIONS>|Caveat: The messages below were generated|# AGENTS\.md instructions for "
)
_NOTICES = re.compile(
    r"<(?:task-notification|command-message|user-prompt-submit-hook)\b"
    r"|This session is being continued from a previous conversation"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"\w")
_BLANK_LEAD = re.compile(r"(?:[^\S\n]*\n)+")


@dataclass(frozen=True)
class Turn:
    """What one party said. ``note`` is text that nobody is named for; ``name`` is a person's or a tool's."""

    role: Role
    text: str
    name: str | None = None


@dataclass(frozen=True)
class Transcript:
    """One conversation. ``source`` names the file and place it came from, for people; it is never opened."""

    id: str
    turns: tuple[Turn, ...]
    source: str
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The turns in the house form; see :func:`render`."""
        return render(self.turns)

    @property
    def user_messages(self) -> int:
        """How many turns a person really wrote; what a tool put into a user's turn does not count."""
        return sum(turn.role == "user" and user_turn(turn.text).role == "user" for turn in self.turns)

    @property
    def content_hash(self) -> str:
        """Sixty-four hex digits over the text; equal texts have equal hashes wherever they came from."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def tidy(text: str) -> str:
    r"""A turn's text as it is kept: ``\n`` line ends, nothing after the last word, one line break at most in front.

    A leading line break stays because the house form sets long tool output below its head.
    """
    text = _SURROGATES.sub("\ufffd", text).replace("\r\n", "\n").rstrip()
    blank = _BLANK_LEAD.match(text)
    return "\n" + text[blank.end() :] if blank else text.lstrip()


def tidy_name(name: str | None) -> str | None:
    """A name that fits into a head: one line without brackets, at most sixty characters; None when nothing is left."""
    kept = " ".join(re.sub(r"[\[\]]", " ", _SURROGATES.sub("\ufffd", name or "")).split())[:NAME_CHARS].strip()
    return kept or None


def render(turns: Iterable[Turn]) -> str:
    """Turns as text, each on a new line behind ``[role]`` or ``[role: name]``; a note has no head.

    A line inside a turn that looks like a head is moved in by one space, so that :func:`parse_text` gives these turns.
    """
    return "\n".join(_rendered(turn) for turn in turns)


def _rendered(turn: Turn) -> str:
    head = "" if turn.role == "note" else f"[{turn.role}: {turn.name}]" if turn.name else f"[{turn.role}]"
    first, *rest = turn.text.split("\n")
    if not head:
        first = _moved_in(first)
    elif first:
        first = f" {first}"
    return "\n".join([head + first, *map(_moved_in, rest)])


def _moved_in(line: str) -> str:
    return f" {line}" if _ESCAPED.match(line) else line


def parse_text(text: str) -> tuple[Turn, ...]:
    """Turns of a plain text or Markdown.

    Heads are ``[user]`` and ``[user: Name]``; a text without any may use ``User:``, ``**User**:`` or ``## User``, with
    the other words of ``ALIASES`` likewise. A text in which neither a person nor an assistant has a head is one note.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    for head in (_HOUSE, _LOOSE):
        found = [(i, match) for i, line in enumerate(lines) if (match := head.match(line))]
        if any(_head(match)[0] in ("user", "assistant") for _, match in found):
            return _cut(lines, found, escaped=head is _HOUSE)
    note = tidy("\n".join(_moved_out(line) for line in lines))
    return (Turn("note", note),) if note.strip() else ()


def _cut(lines: Sequence[str], heads: Sequence[tuple[int, re.Match[str]]], *, escaped: bool) -> tuple[Turn, ...]:
    ends = [i for i, _ in heads[1:]] + [len(lines)]
    parts: list[tuple[Role, str | None, list[str]]] = [("note", None, list(lines[: heads[0][0]]))]
    for (start, match), end in zip(heads, ends, strict=True):
        role, name = _head(match)
        parts.append((role, name, [lines[start][match.end() :], *lines[start + 1 : end]]))
    turns = []
    for role, name, body in parts:
        if escaped:
            body = [_moved_out(line) if i or role == "note" else line for i, line in enumerate(body)]
        kept = tidy("\n".join(body))
        if kept.strip():
            turns.append(Turn(role, kept if escaped or role == "note" else kept.lstrip("\n"), name))
    return tuple(turns)


def _moved_out(line: str) -> str:
    return line[1:] if line[:1] == " " and _ESCAPED.match(line) else line


def _head(match: re.Match[str]) -> tuple[Role, str | None]:
    if match.re is _HOUSE:
        word, name = match[1].lower(), tidy_name(match[2])
        return ALIASES[word], name or ("sidechain" if word == "sidechain" else None)
    word = next(value for value in match.groupdict().values() if value)
    return ALIASES[word.lower()], None


def user_turn(text: str) -> Turn:
    """A turn of what stands in a user's message, where coding agents also put what no person wrote.

    Reminders inside are cut out. A slash command and a notice become ``system``, a shell command that was typed and
    what it printed become ``tool``; a text that is boilerplate altogether becomes an empty note.
    """
    text = _without_reminders(text).strip("\n")
    start = text.lstrip()
    if not start or _NOISE.match(start):
        return Turn("note", "")
    if start.startswith("[Request interrupted by user"):
        return Turn("system", "interrupted by the user")
    if start.startswith(("<command-name>", "<command-message>")) and (command := _inside(start, "<command-name>")):
        return Turn("system", tidy(f"{command} {_inside(start, '<command-args>') or ''}"))
    for tag in _TYPED:
        if start.startswith(tag) and (typed := _inside(start, tag)) is not None:
            return Turn("tool", tidy(f"$ {typed}"), "bash")
    if _PRINTED.match(start):
        printed = tidy(_PRINTED.sub("", start)).lstrip("\n")
        return Turn("tool", printed, "bash" if start.startswith("<bash") else "command")
    return Turn("system" if _NOTICES.match(start) else "user", tidy(text))


def _without_reminders(text: str) -> str:
    """A text without what editors put into it; a reminder that does not end stays."""
    for name in _REMINDERS:
        kept, at = [], 0
        while (start := text.find(f"<{name}", at)) >= 0:
            if _WORD.match(text, start + len(name) + 1):  # a longer name
                kept.append(text[at : start + 1])
                at = start + 1
                continue
            opened = text.find(">", start)
            closed = text.find(f"</{name}>", opened) if opened >= 0 else -1
            if closed < 0:
                break
            kept.append(text[at:start])
            at = closed + len(name) + 3
            rest = at
            while text[rest : rest + 1] in (" ", "\t"):
                rest += 1
            at = rest + 1 if text[rest : rest + 1] == "\n" else rest
        text = "".join([*kept, text[at:]])
    return text


def _inside(text: str, tag: str) -> str | None:
    """What stands between the first ``<tag>`` and its end, without white space around it."""
    _, opened, rest = text.partition(tag)
    inside, closed, _ = rest.partition(f"</{tag[1:]}")
    return inside.strip() if opened and closed else None


def with_ids(transcripts: Sequence[Transcript]) -> tuple[tuple[Transcript, ...], int]:
    """Give every transcript an id of its own and leave exact copies out; returns them and how many copies there were.

    An empty id becomes one made of the text. Different texts under one id all get part of their hash behind it, so that
    ids do not depend on the order of files.
    """
    kept: dict[tuple[str, str], Transcript] = {}
    texts: dict[str, int] = {}
    for transcript in transcripts:
        name = transcript.id or content_id({"transcript": transcript.text})
        key = (name, transcript.content_hash)
        if key not in kept:
            kept[key] = transcript
            texts[name] = texts.get(name, 0) + 1
    named = tuple(
        Transcript(name if texts[name] == 1 else f"{name}-{hash_[:8]}", t.turns, t.source, t.metadata)
        for (name, hash_), t in kept.items()
    )
    return named, len(transcripts) - len(named)


def select(
    transcripts: Sequence[Transcript], count: int | None = None, min_user_messages: int = 0, seed: int = 0
) -> tuple[Transcript, ...]:
    """Choose transcripts with at least ``min_user_messages``, and of those ``count``, or all when there are no more.

    The choice depends on texts and seed alone, neither on names nor on the order of files: taken are the smallest
    SHA-256 values of seed and text. The chosen stay in the order given.

    Raises:
        UsageError: If ``count`` is below 1 or ``min_user_messages`` below 0.
    """
    if count is not None and count < 1:
        raise UsageError(f"count: received {count}; allowed is 1 or more, or nothing for all of them")
    if min_user_messages < 0:
        raise UsageError(f"min_user_messages: received {min_user_messages}; allowed is 0 or more")
    fitting = [t for t in transcripts if t.user_messages >= min_user_messages]
    if count is None or count >= len(fitting):
        return tuple(fitting)
    ranks = [(hashlib.sha256(f"{seed}:{t.content_hash}".encode()).hexdigest(), t.id) for t in fitting]
    chosen = set(sorted(ranks)[:count])
    return tuple(t for t, rank in zip(fitting, ranks, strict=True) if rank in chosen)
