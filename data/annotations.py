"""What people say about outputs: a score and a comment, with who said it and when; gold of its own kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import DataError, OutputError
from data.json_text import JsonError, load_json

NEEDED = ("id", "input", "reference", "output", "score", "comment", "annotator", "at", "prompt_hash")


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


def keep(path: Path, annotation: Annotation) -> None:
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
    """The annotations of a file's text, in their order.

    Raises:
        DataError: If a line is none; ``name`` is the file in the message.
    """
    found: list[Annotation] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = load_json(line, strict=True)
        except JsonError as error:
            raise DataError(f"{name}:{number}: {error.message}") from None
        missing = [key for key in NEEDED if not isinstance(values, dict) or key not in values]
        if missing:
            raise DataError(f"{name}:{number}: an annotation needs {', '.join(missing)}")
        score = values["score"]
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1:
            raise DataError(f"{name}:{number}: score {score!r}; allowed is 0 to 1")
        found.append(Annotation(**{key: values[key] for key in NEEDED}))
    return tuple(found)


def read_annotations(path: Path) -> tuple[Annotation, ...]:
    """The annotations of a file; none where there is no file.

    Raises:
        DataError: If the file cannot be read, or a line is no annotation.
    """
    try:
        return annotations_of(path.read_text("utf-8"), str(path))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
