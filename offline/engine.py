"""The embedded model as a DSPy engine: deterministic, thread-safe, a pure function of the request."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from dspy.lm15 import Message, Request, Response, Usage

from offline.diagnosis import root_cause, shared_cause, suggested
from offline.judge import prefer, score_pair
from offline.lessons import lessons
from offline.proposer import ROLES, propose
from offline.reading import Frame, Reading, read_request, system_text
from offline.reflector import KEPT_SIGNS, advise, counted, merge, reflect
from offline.rules import cautious
from offline.student import Skill, Student, write
from offline.writing import orders_of


def _version() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


VERSION = _version()
"""Twelve hex digits of the embedded model's own source: another version is another model."""
SKILLS = {
    "small": Skill(signs=40, demos=6, pairs=False, curiosity=0.08),
    "large": Skill(signs=60, demos=16, pairs=True, curiosity=0.4),
}
SIZES = tuple(SKILLS)
_SENTENCES = re.compile(r"at most (\d+) sentences")
_CHARACTERS = re.compile(r"at most \d+ characters")


class OfflineEngine:
    """The embedded stand-in in one of its sizes. It sees the prompt and nothing else.

    Raises:
        ValueError: If there is no such size.
    """

    def __init__(self, size: str = "small") -> None:
        if size not in SKILLS:
            raise ValueError(f"no size {size!r}; sizes: {', '.join(SIZES)}")
        self.size, self.skill, self.version = size, SKILLS[size], VERSION

    def complete(self, request: Request) -> Response:
        """Answer one request."""
        text = self._answer(read_request(request))
        asked = system_text(request) + "".join(m.text or "" for m in request.messages)
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant(text),
            finish_reason="stop",
            usage=Usage(input_tokens=len(asked) // 4, output_tokens=max(1, len(text) // 4)),
        )

    def _answer(self, reading: Reading) -> str:
        frame, given = reading.frame, dict(reading.inputs)
        if not frame.outputs:
            return given.get("input", "")[:200]
        role = frame.outputs[-1].name
        if role == "new_instruction" and "examples_with_feedback" in given:
            return write(frame, self._reflection(frame, given))
        if role == "module_advice" and "module_names" in given:
            said = "Contrasted with the better run, by what the row shows."
            return write(frame, {field.name: said for field in frame.outputs[:-1]} | {role: advise(given)})
        if role == "new_instruction" and "parents" in given:
            return write(frame, {role: merge(given.get("current_instruction", ""), _texts(given["parents"]))})
        if role == "criterion_scores" and "candidate_is" in given:
            return write(frame, {role: score_pair(given)})
        if role == "preferred" and "second_text" in given:
            return write(frame, prefer(given))
        if role == "root_cause" and "solved" in given:
            return write(frame, root_cause(given))
        if role == "shared_cause" and "causes" in given:
            return write(frame, {role: shared_cause(given)})
        if role == "playbook_entries" and "latest_session" in given:
            return write(frame, lessons(given, frame.instruction))
        if role == "suggested_guidelines" and "patterns" in given:
            return write(frame, {role: suggested(given)})
        if role == "shortened_instruction":
            return write(frame, {role: _shorten(given.get("instruction", ""), given.get("length_limit", ""))})
        if len(frame.outputs) == 1 and ROLES.get(role) in given:
            return write(frame, {role: propose(role, given, pairs=self.skill.pairs)})
        return write(frame, Student(self.skill, reading).answer())

    def _reflection(self, frame: Frame, given: dict[str, str]) -> dict[str, str]:
        """A new instruction; whatever else is asked beside it gets what the reflector has counted."""
        try:
            examples = json.loads(given["examples_with_feedback"])
        except json.JSONDecodeError:
            examples = []
        told = "\n".join(given.get(name, "") for name in ("length_limit", "additional_instructions", "constraints"))
        orders = orders_of(f"{frame.instruction}\n{told}")
        current = given.get("task_description", "") if orders.fresh else given.get("current_instruction", "")
        text = reflect(current, examples, keep=KEPT_SIGNS, pairs=True, output=None, orders=orders)
        sentences = _SENTENCES.search(told)
        if sentences:
            text = cautious(given.get("current_instruction", ""), text, int(sentences[1]))
        characters = _CHARACTERS.search(told)
        text = _shorten(text, characters[0]) if characters else text
        return {field.name: counted(examples) for field in frame.outputs[:-1]} | {frame.outputs[-1].name: text}

    def __deepcopy__(self, memo: dict[int, Any]) -> OfflineEngine:
        return self

    def dump_state(self) -> dict[str, Any]:
        """The size, which is all there is."""
        return {"size": self.size}

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> OfflineEngine:
        """The engine of a saved size."""
        return cls(state["size"])

    def close(self) -> None:
        """Nothing to close."""


def _texts(parents: str) -> list[str]:
    """The instructions among what is shown of several."""
    try:
        shown = json.loads(parents)
    except json.JSONDecodeError:
        return []
    return [str(each["instruction"]) for each in shown if isinstance(each, dict) and "instruction" in each]


def _shorten(text: str, limit: str) -> str:
    """Drop rules from the end until a text fits a limit stated in words, such as ``at most 120 characters``."""
    numbers = [int(word) for word in limit.split() if word.isdigit()]
    if not numbers or len(text) <= numbers[0]:
        return text
    lines = text.splitlines()
    while len(lines) > 1 and len("\n".join(lines)) > numbers[0]:
        lines.pop()
    return "\n".join(lines)[: numbers[0]]
