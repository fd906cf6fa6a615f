"""What a command hands back; the door prints it and ends the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.blocks import Report


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        body: For programs: what ``--json`` prints, as one object.
        text: For people; printed after the page.
        page: For people: a report, printed as a terminal shows it best.
        code: The process's exit code.
    """

    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    text: str | None = None
    page: Report | None = None
    code: int = 0
