"""What is asked of a model and what comes back, as plain records; they know no library and load in no time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

OFFLINE_PREFIX = "offline/"
"""How models of the embedded engine are called."""


@dataclass(frozen=True)
class Request:
    """What one call asks: the rendered messages and the parameters that shape the answer."""

    messages: Sequence[Mapping[str, Any]]
    params: Mapping[str, Any]

    @property
    def system(self) -> str:
        """The system message, which holds the prompt that is being tuned."""
        return "\n".join(str(m.get("content", "")) for m in self.messages if m.get("role") == "system")

    @property
    def chars(self) -> int:
        """Length of all messages, in characters."""
        return sum(len(str(m.get("content", ""))) for m in self.messages)


@dataclass(frozen=True)
class Completion:
    """What came back. ``cost_usd`` is None when no price is known."""

    outputs: list[Any]
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class CallSite:
    """Who asks: for accounting, not part of the key."""

    run_id: str
    task: str
    role: str
    row_id: str = ""


@dataclass(frozen=True)
class Entry:
    """An answered call as the ledger remembers it."""

    answer: Completion
    run_id: str


@dataclass(frozen=True)
class Claim:
    """What became of the wish to make a call: it is ours to make, somebody else is making it, or it was answered."""

    kind: Literal["ours", "busy", "answered"]
    id: int = 0
    entry: Entry | None = None


def storable(value: Any) -> Any:
    """Plain data whose every string can be written as UTF-8.

    A model may cut a character in two and answer with half of a surrogate pair, which no file and no database takes.
    The half becomes U+FFFD, here and not where it is stored, so that the program sees what the ledger will give it
    when the run is continued.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, Mapping):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(item) for item in value]
    return value
