"""Reading a rendered DSPy prompt back: fields, types, instruction, demos and the inputs to answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, cast

from dspy.lm15 import Request

_FIELD = re.compile(r"^\d+\. `(\w+)` \((.*?)\):[ ]?(.*)$")
_HEADER = re.compile(r"^\[\[ ## (\w+) ## \]\]$", re.M)
_NOTE = re.compile(r"JSON schema: (\{.*\})\s*$")
_OBJECTIVE = "In adhering to this structure, your objective is:"
_RESPOND = re.compile(r"\n\nRespond with (?:the corresponding output fields|a JSON object in the following order)")


@dataclass(frozen=True)
class FieldInfo:
    """One field of a signature as the prompt describes it."""

    name: str
    type: str
    description: str
    schema: str = ""


@dataclass(frozen=True)
class Frame:
    """What a system message says: fields in and out, the instruction, the answer format."""

    inputs: tuple[FieldInfo, ...]
    outputs: tuple[FieldInfo, ...]
    instruction: str
    json: bool


Demo = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]
"""A demo's inputs and outputs, each as (field name, text)."""


@dataclass(frozen=True)
class Reading:
    """A whole prompt: its frame, the demos (inputs and outputs as text), the inputs to answer, and a seed."""

    frame: Frame
    demos: tuple[Demo, ...]
    inputs: tuple[tuple[str, str], ...]
    seed: int = 0


def system_text(request: Request) -> str:
    """The system message as one text."""
    system = request.system
    if system is None or isinstance(system, str):
        return system or ""
    return "".join(getattr(part, "text", "") for part in system)


@lru_cache(maxsize=256)
def read_frame(system: str) -> Frame:
    """Read a system message; one that is not DSPy's gives a frame without fields."""
    head, _, objective = system.partition(_OBJECTIVE)
    fields_part, _, structure = head.partition("All interactions will be structured")
    ins, _, outs = fields_part.partition("Your output fields are:")
    schemas = _schemas(structure)
    lines = [line.strip() for line in objective.splitlines()]
    return Frame(
        _fields(ins, {}),
        _fields(outs, schemas),
        "\n".join(lines).strip() if objective else system.strip(),
        "Outputs will be a JSON object" in structure,
    )


def _fields(block: str, schemas: dict[str, str]) -> tuple[FieldInfo, ...]:
    found: list[FieldInfo] = []
    for line in block.splitlines():
        match = _FIELD.match(line)
        if match:
            name, kind, description = match.groups()
            found.append(FieldInfo(name, kind, description, schemas.get(name, "")))
        elif found and line.strip():
            last = found[-1]
            found[-1] = FieldInfo(last.name, last.type, f"{last.description}\n{line.strip()}".strip(), last.schema)
    return tuple(found)


def _schemas(structure: str) -> dict[str, str]:
    """JSON schema by field name, from the notes in either adapter's structure section."""
    found = {}
    body = structure[structure.find("\n{\n") :] if "Outputs will be a JSON object" in structure else ""
    if body.strip():
        try:
            for name, note in json.loads(body.strip()).items():
                match = _NOTE.search(note)
                if match:
                    found[name] = match.group(1)
        except json.JSONDecodeError:
            pass
    pieces = _HEADER.split(structure)
    for name, note in zip(pieces[1::2], pieces[2::2], strict=False):
        match = _NOTE.search(note.strip())
        if match:
            found[name] = match.group(1)
    return found


def sections(text: str) -> tuple[tuple[str, str], ...]:
    """The ``[[ ## name ## ]]`` blocks of a message, in order."""
    pieces = _HEADER.split(text)
    return tuple(
        (name, body.strip("\n")) for name, body in zip(pieces[1::2], pieces[2::2], strict=False) if name != "completed"
    )


def read_request(request: Request) -> Reading:
    """Read a whole request."""
    frame = read_frame(system_text(request))
    messages = [(m.role, m.text or "") for m in request.messages]
    demos = []
    for (role, text), (next_role, answer) in pairwise(messages):
        if role == "user" and next_role == "assistant":
            demos.append((sections(text), _answer(answer)))
    last = messages[-1][1] if messages else ""
    asked = _RESPOND.split(last)[0]
    inputs = sections(asked) or (("input", asked),)
    asked_for = tuple((name, body.strip()) for name, body in inputs)
    return Reading(frame, tuple(demos), asked_for, request.config.seed or 0)


def _answer(text: str) -> tuple[tuple[str, str], ...]:
    if text.lstrip().startswith("{"):
        try:
            values: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError:
            return ()
        return tuple((k, v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)) for k, v in values.items())
    return tuple((name, body.strip()) for name, body in sections(text))


def object_in(text: str) -> dict[str, Any]:
    """The JSON object that a prompt shows; empty where it shows none."""
    found = _json_in(text)
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def texts_in(text: str) -> list[str]:
    """The list of texts that a prompt shows as JSON; empty where it shows none."""
    found = _json_in(text)
    return [str(one) for one in cast(list[Any], found)] if isinstance(found, list) else []


def _json_in(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
