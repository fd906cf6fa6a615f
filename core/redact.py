"""Keeping secrets and unwanted text out of everything that is written down."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import yaml
from dotenv import dotenv_values

from core.errors import UsageError
from core.patterns import pattern_problem, replaced
from core.workspace import Workspace

SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
SHORTEST = 6
"""Shorter values are not masked: they would turn up in innocent text."""
MASK = "[redacted]"
CREDENTIAL_WORDS = (*SECRET_WORDS, "AUTHORIZATION", "COOKIE")
_KEY_SHAPED = re.compile(
    r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{12,}"  # OpenAI, Anthropic, Stripe and many others
    r"|\bAIza[A-Za-z0-9_-]{30,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"  # Google, Amazon
    r"|\b(?:gh[opsu]|hf|gsk|xai|xox[abp])[-_][A-Za-z0-9_-]{16,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # a JSON web token
    r"|(?<=\bBearer )[^\s\"',}]{8,}",
    re.IGNORECASE,
)


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

    @classmethod
    def gather(
        cls, environment: Mapping[str, str], dotenv: Path | None = None, patterns: Sequence[str] = ()
    ) -> Redactor:
        """Collect what must stay secret: environment variables that sound like it, and all of a ``.env`` file.

        Raises:
            UsageError: If a pattern is not a regular expression, or one that would hang.
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
            problem = pattern_problem(pattern)
            if problem:
                raise UsageError(f"--redact: {pattern!r} {problem}")
        return cls(secrets, tuple(patterns))

    def text(self, text: str) -> str:
        """The text without what must not be written.

        Raises:
            SlowPatternError: If a pattern takes too long on it; then the text may be written nowhere.
        """
        secret: re.Pattern[str] | None = getattr(self, "_secret")  # noqa: B009 - set in __post_init__ of a frozen class
        if secret is not None:
            text = secret.sub(lambda found: f"<{self._name(found.group())}>", text)
        for pattern in self.patterns:
            text = replaced(pattern, MASK, text)
        return text

    def error(self, text: str) -> str:
        """The same for what a provider said of a failure, and without whatever has the shape of a key.

        Providers repeat headers and keys in their errors, also keys that this process does not know as such.
        """
        return _KEY_SHAPED.sub(MASK, self.text(text))

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
    """The redactor of a workspace: the environment, the workspace's ``.env`` and what its models are reached with."""
    base = Redactor.gather(os.environ, root / ".env", tuple(patterns))
    known = {**dotenv_values(root / ".env"), **os.environ} if (root / ".env").is_file() else os.environ
    try:
        models = yaml.safe_load(Workspace(root).models.read_text("utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        models = None  # told by whoever needs the file
    entries = models.get("models") if isinstance(models, dict) else None
    found: dict[str, str] = {}
    for alias, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict):
            found |= _credentials(str(alias), entry, known)
    secrets = {value: name for value, name in found.items() if len(value) >= SHORTEST}
    return Redactor({**secrets, **base.secrets}, base.patterns)


def _credentials(alias: str, entry: Mapping[str, Any], environment: Mapping[str, str | None]) -> dict[str, str]:
    """What a model is reached with, by its value: the key it names, whatever that is called, and what its entry holds.

    A password belongs into no address and no header of a file; where there is one all the same, it goes no further.
    """
    found: dict[str, str] = {}
    variable = entry.get("api_key_env")
    if isinstance(variable, str) and environment.get(variable):
        found[str(environment[variable])] = variable
    try:
        address = urlsplit(str(entry.get("api_base") or ""))
    except ValueError:
        address = urlsplit("")
    user, at, _ = address.netloc.rpartition("@")
    if at:
        basic = base64.b64encode(unquote(user).encode()).decode()
        found |= dict.fromkeys((user, unquote(user), basic), f"{alias}:api_base")
        password = user.partition(":")[2]
        found |= dict.fromkeys((password, unquote(password)), f"{alias}:api_base")
    for name, value in parse_qsl(address.query):
        found |= dict.fromkeys((value, quote(value)), f"{alias}:api_base:{name}")
    headers = entry.get("extra_headers")
    found |= dict.fromkeys(_strings(headers), f"{alias}:extra_headers")
    found |= dict.fromkeys(_named_credentials(entry.get("params")), f"{alias}:params")
    return found


def _named_credentials(value: Any) -> Iterator[str]:
    """Every string under a name that sounds like a credential, or in headers."""
    if not isinstance(value, Mapping):
        return
    for name, item in value.items():
        words = str(name).upper().replace("-", "_")
        counts = any(word in words for word in ("MAX_TOKEN", "TOKENS"))  # how many, not which
        if words in ("HEADERS", "EXTRA_HEADERS") or (any(w in words for w in CREDENTIAL_WORDS) and not counts):
            yield from _strings(item)
        else:
            yield from _named_credentials(item)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        scheme, space, rest = value.partition(" ")
        if space and scheme.lower() in ("bearer", "basic", "token"):
            yield rest
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
