"""What the steps of a matrix hand to each other: one JSON line per row, output and score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from core.errors import UsageError
from core.evaluation import RowStatus, Usage
from core.plain import canonical, digest, from_json, to_json
from core.workspace import Workspace

Line = TypeVar("Line")


@dataclass(frozen=True)
class CorpusLine:
    """A row of the matrix with its reference. ``metadata`` says where both came from."""

    id: str
    input: Mapping[str, Any]
    reference_output: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class OutputLine:
    """What one prompt on one model gave for one row.

    ``worth`` is what it costs when nothing is in the ledger yet; ``made_from`` is a hash of all that it depends on.
    """

    prompt: str
    model: str
    prompt_hash: str
    row_id: str
    status: RowStatus
    prediction: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: str | None = None
    worth: Usage = field(default_factory=Usage)
    latency: float = 0.0
    made_from: str = ""


@dataclass(frozen=True)
class ScoreLine:
    """What the judge said of one output; without a score where the judgement failed.

    ``judged_from`` is a hash of all that it depends on.
    """

    prompt: str
    model: str
    row_id: str
    status: RowStatus
    score: float | None = None
    criteria: Mapping[str, float] = field(default_factory=dict[str, float])
    feedback: str = ""
    companions: Mapping[str, float] = field(default_factory=dict[str, float])
    error: str | None = None
    judged_from: str = ""


@dataclass(frozen=True)
class Folder:
    """Where the steps of one task's matrix keep their lines."""

    path: Path
    mask: Callable[[str], str]

    @classmethod
    def of(cls, workspace: Workspace, task: str, mask: Callable[[str], str]) -> Folder:
        """The folder of a task in a workspace; everything written there goes through ``mask``."""
        return cls(workspace.mlruns / "matrix" / task, mask)

    def read(self, name: str, kind: type[Line], step: str) -> list[Line]:
        """The lines of a file.

        Raises:
            UsageError: If the step that writes it was not taken, or the file is not what that step writes.
        """
        path = self.path / name
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            raise UsageError(f"there is no {path}", hint=f"first: python cli.py {step} {self.path.name}") from None
        lines = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                lines.append(from_json(kind, line))
            except pydantic.ValidationError as error:
                said = error.errors()[0]["msg"]
                raise UsageError(
                    f"{path}:{number}: not a line of `{step}`: {said}", hint=f"python cli.py {step} {self.path.name}"
                ) from None
        return lines

    def text(self, lines: Iterable[Any]) -> str:
        """Lines as they are stored."""
        return "".join(self.mask(to_json(line)) + "\n" for line in lines)

    def mark(self, *values: Any) -> str:
        """Hash of values as they would be stored, so that it is the same before and after secrets are masked."""
        return digest(self.mask(canonical(values)))
