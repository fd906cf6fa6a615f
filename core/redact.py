"""Keeping secrets and unwanted text out of everything that is written down."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from core.errors import UsageError

SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
SHORTEST = 6
"""Shorter values are not masked: they would turn up in innocent text."""
MASK = "[redacted]"


@dataclass(frozen=True)
class Redactor:
    """Masks secrets by value and text by pattern.

    Attributes:
        secrets: The name by value of everything that must never be written; replaced by ``<NAME>``.
        patterns: Regular expressions; what they match is replaced by ``[redacted]``.
    """

    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    patterns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = [re.escape(value) for value in sorted(self.secrets, key=len, reverse=True)]
        escaped = [re.escape(json.dumps(value)[1:-1]) for value in self.secrets if json.dumps(value)[1:-1] != value]
        secret = re.compile("|".join([*escaped, *parts])) if parts else None
        object.__setattr__(self, "_secret", secret)
        object.__setattr__(self, "_pattern", [re.compile(p) for p in self.patterns])

    @classmethod
    def gather(
        cls, environment: Mapping[str, str], dotenv: Path | None = None, patterns: Sequence[str] = ()
    ) -> Redactor:
        """Collect what must stay secret: environment variables that sound like it, and all of a ``.env`` file.

        Raises:
            UsageError: If a pattern is not a regular expression.
        """
        secrets = {
            value: name
            for name, value in environment.items()
            if len(value) >= SHORTEST and any(word in name.upper() for word in SECRET_WORDS)
        }
        if dotenv is not None and dotenv.is_file():
            values = dotenv_values(dotenv)
            secrets |= {value: name for name, value in values.items() if value and len(value) >= SHORTEST}
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise UsageError(f"--redact: {pattern!r} is not a regular expression: {error}") from None
        return cls(secrets, tuple(patterns))

    def text(self, text: str) -> str:
        """The text without what must not be written."""
        secret: re.Pattern[str] | None = getattr(self, "_secret")  # noqa: B009 - set in __post_init__ of a frozen class
        if secret is not None:
            text = secret.sub(lambda found: f"<{self._name(found.group())}>", text)
        patterns: list[re.Pattern[str]] = getattr(self, "_pattern")  # noqa: B009
        for pattern in patterns:
            text = pattern.sub(MASK, text)
        return text

    def value(self, value: Any) -> Any:
        """The same for every string inside plain data; keys of mappings included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value

    def json(self, text: str) -> str:
        """The same for a JSON document; it stays valid JSON."""
        if self.text(text) == text:
            return text
        return json.dumps(self.value(json.loads(text)), ensure_ascii=False)

    def _name(self, found: str) -> str:
        return self.secrets.get(found) or next(
            (name for value, name in self.secrets.items() if json.dumps(value)[1:-1] == found), "secret"
        )


NOTHING = Redactor()
"""Masks nothing."""


def from_environment(root: Path, patterns: Iterable[str] = ()) -> Redactor:
    """The redactor of a workspace: this process's environment and the workspace's ``.env``."""
    return Redactor.gather(os.environ, root / ".env", tuple(patterns))
