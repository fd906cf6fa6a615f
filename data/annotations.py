"""What people say about outputs: a score and a comment, with who said it and when; gold of its own kind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from core.errors import DataError, OutputError
from data.json_text import JsonError, load_json


@dataclass(frozen=True)
class Annotation:
    """One person's judgement of one output; the keys are those that ``judge-card --scores`` reads.

    Attributes:
        id: The row.
        input: The row's inputs.
        reference: The row's gold.
        output: What the program gave.
        score: From 0 to 1.
        comment: What the person had to say, or nothing.
        annotator: Who it was.
        at: When, ISO 8601 in UTC.
        prompt_hash: The prompt that gave the output.
    """

    id: str
    input: Mapping[str, Any]
    reference: Mapping[str, Any]
    output: Mapping[str, Any]
    score: float
    comment: str
    annotator: str
    at: str
    prompt_hash: str


FIRST, SECOND, TIE = "first", "second", "tie"


@dataclass(frozen=True)
class Preferred:
    """Which of two outputs of one row a person prefers; it stands in the same file as what was scored.

    Attributes:
        id: The row.
        input: The row's inputs.
        reference: The row's gold.
        first: What one prompt gave.
        second: What the other one gave.
        preferred: ``first``, ``second`` or ``tie``.
        comment: What the person had to say, or nothing.
        annotator: Who it was.
        at: When, ISO 8601 in UTC.
        prompt_hashes: The prompts that gave them.
    """

    id: str
    input: Mapping[str, Any]
    reference: Mapping[str, Any]
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    preferred: str
    comment: str
    annotator: str
    at: str
    prompt_hashes: Sequence[str]


def keep(path: Path, annotation: Annotation | Preferred) -> None:
    """Append one; what was said before stays as it is.

    Raises:
        OutputError: If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(annotation), ensure_ascii=False, default=str) + "\n")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def annotations_of(text: str, name: str) -> tuple[Annotation, ...]:
    """The scored outputs of a file's text, in their order. Errors as :func:`all_of`."""
    return tuple(each for each in all_of(text, name) if isinstance(each, Annotation))


def preferences_of(text: str, name: str) -> tuple[Preferred, ...]:
    """The preferences of a file's text, in their order. Errors as :func:`all_of`."""
    return tuple(each for each in all_of(text, name) if isinstance(each, Preferred))


def all_of(text: str, name: str) -> tuple[Annotation | Preferred, ...]:
    """Everything that people said in a file's text, in its order.

    Raises:
        DataError: If a line is no annotation; ``name`` is the file in the message.
    """
    found: list[Annotation | Preferred] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = load_json(line, strict=True)
        except JsonError as error:
            raise DataError(f"{name}:{number}: {error.message}") from None
        if isinstance(values, dict) and "preferred" in values:
            found.append(_preferred(values, f"{name}:{number}"))
            continue
        missing = [key for key in _names(Annotation) if not isinstance(values, dict) or key not in values]
        if missing:
            raise DataError(f"{name}:{number}: an annotation needs {', '.join(missing)}")
        score = values["score"]
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1:
            raise DataError(f"{name}:{number}: score {score!r}; allowed is 0 to 1")
        found.append(Annotation(**{key: values[key] for key in _names(Annotation)}))
    return tuple(found)


def _preferred(values: Mapping[str, Any], where: str) -> Preferred:
    missing = [key for key in _names(Preferred) if key not in values]
    if missing:
        raise DataError(f"{where}: a preference needs {', '.join(missing)}")
    if values["preferred"] not in (FIRST, SECOND, TIE):
        raise DataError(f"{where}: preferred {values['preferred']!r}; allowed: {FIRST}, {SECOND}, {TIE}")
    return Preferred(**{key: values[key] for key in _names(Preferred)})


def read_annotations(path: Path) -> tuple[Annotation | Preferred, ...]:
    """Everything that people said in a file; nothing where there is no file.

    Raises:
        DataError: If the file cannot be read, or a line is no annotation.
    """
    try:
        return all_of(path.read_text("utf-8"), str(path))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None


def _names(kind: type[Annotation | Preferred]) -> tuple[str, ...]:
    """What a line of this kind must have."""
    return tuple(field.name for field in fields(kind))
