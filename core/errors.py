"""Everything that can go wrong and be helped, as a tree with one exit code per branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ProvenError(Exception):
    """Base of every error this project raises on purpose.

    Args:
        message: What was received, where, and what is allowed.
        hint: What the person can do next; printed on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class UsageError(ProvenError):
    """A command was called with words it does not take."""

    exit_code = 64


class DataError(ProvenError):
    """A corpus cannot be used as it is; the message carries ``file:line``."""

    exit_code = 65


class StoreError(ProvenError):
    """The project's own store holds no such thing, or cannot be read."""

    exit_code = 66


class ModelError(ProvenError):
    """A language model is unreachable, refuses the key, or keeps failing."""

    exit_code = 69


class OutputError(ProvenError):
    """A result cannot be written where it was asked for."""

    exit_code = 73


class BudgetError(ProvenError):
    """A budget ran out before a verdict could be reached."""

    exit_code = 75


class GateRefusalError(ProvenError):
    """An export was asked for without an accepting verdict."""

    exit_code = 77


@dataclass(frozen=True)
class Problem:
    """One mistake in a configuration, precise enough to be mended without a search."""

    file: str
    line: int | None
    key: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text


class ConfigError(ProvenError):
    """A configuration is wrong; ``problems`` holds every mistake found, not only the first."""

    exit_code = 78

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 mistake" if count == 1 else f"{count} mistakes"
        super().__init__("\n".join([f"{head} in the configuration:", *(f"  {p}" for p in self.problems)]), hint=hint)
