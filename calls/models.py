"""Model aliases: what ``configs/models.yaml`` says about a model, checked."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from calls.records import OFFLINE_PREFIX
from core.catalog import did_you_mean
from core.errors import ConfigError, Problem, UsageError

SERVER, SERVER_KEY = "LLM_BASE_URL", "LLM_API_KEY"
"""Environment variables that name a server for models without an alias, and its key."""

#: Which environment variable holds the key of a provider that a model string names directly.
PROVIDER_KEYS: Mapping[str, str] = {
    "anthropic": "ANTHROPIC_API_KEY",
    "openai": "OPENAI_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "xai": "XAI_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "groq": "GROQ_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "azure": "AZURE_API_KEY",
    "cohere": "COHERE_API_KEY",
    "together_ai": "TOGETHERAI_API_KEY",
}


@dataclass(frozen=True)
class ModelSpec:
    """One line of ``configs/models.yaml``.

    Attributes:
        alias: What people type.
        model: DSPy's ``provider/model`` string.
        api_base: Address of a server that speaks the provider's protocol; part of the ledger's key.
        api_key_env: The environment variable that holds the key. Keys themselves are never written here.
        input_price: US dollars per million input tokens; None is an unknown price, which is not zero.
        output_price: The same for output tokens.
        cached_price: The same for input tokens that the provider read from its own cache; the input price when None.
        temperature: Sent when given; the provider's default otherwise.
        max_tokens: Longest answer; sent when given.
        params: Further request parameters, such as ``reasoning_effort``.
        latency: Typical seconds per answer, used by forecasts until a pilot has measured it.
        timeout: Seconds that one attempt may take, from the first byte out to the last byte in.
        max_answer_mb: Largest answer that is read, in megabytes.
        deadline: Seconds that one call may take with all its retries.
        attempts: Most requests that one call may send.
        max_concurrency: Most requests in flight, whatever number of threads a run asks for.
        requests_per_minute: The provider's limit, where you know it.
        tokens_per_minute: The same for input and output tokens together.
        engine: DSPy's engine: its native client, LiteLLM, or whichever fits.
    """

    alias: str
    model: str
    api_base: str | None = None
    api_key_env: str | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    params: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    latency: float = 2.0
    timeout: float = 60.0
    max_answer_mb: float = 64.0
    deadline: float = 300.0
    attempts: int = 8
    max_concurrency: int = 256
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    engine: Literal["auto", "lm15", "litellm"] = "auto"

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def offline(self) -> bool:
        """Whether this is the embedded stand-in, which is not a language model."""
        return self.model.startswith(OFFLINE_PREFIX)

    @property
    def priced(self) -> bool:
        """Whether both prices are known."""
        return self.input_price is not None and self.output_price is not None

    def price(self, input_tokens: float, output_tokens: float, cached_tokens: float = 0.0) -> float | None:
        """Money for so many tokens, ``cached_tokens`` being part of the input; None when a price is unknown."""
        if self.input_price is None or self.output_price is None:
            return None
        cached_price = self.input_price if self.cached_price is None else self.cached_price
        fresh = input_tokens - cached_tokens
        return (fresh * self.input_price + cached_tokens * cached_price + output_tokens * self.output_price) / 1e6


EMBEDDED: Mapping[str, ModelSpec] = {
    spec.alias: spec
    for spec in (
        ModelSpec("offline/small", "offline/small", input_price=0.10, output_price=0.40, latency=0.003),
        ModelSpec("offline/large", "offline/large", input_price=1.00, output_price=4.00, latency=0.006),
    )
}
"""The embedded models: there whatever a models.yaml says, because roles that a task leaves open are theirs."""
_SPEC = TypeAdapter(ModelSpec)
_SPEC_KEYS = sorted({f.name for f in dataclasses.fields(ModelSpec)} - {"alias"})
_POSITIVE = (
    "timeout",
    "max_answer_mb",
    "deadline",
    "attempts",
    "max_concurrency",
    "requests_per_minute",
    "tokens_per_minute",
)
_NOT_NEGATIVE = ("input_price", "output_price", "cached_price", "latency")


def load_models(path: Path) -> dict[str, ModelSpec]:
    """Read model aliases from a YAML file.

    Raises:
        ConfigError: With every mistake in the file.
    """
    try:
        raw = yaml.safe_load(path.read_text("utf-8")) or {}
    except FileNotFoundError:
        raise ConfigError([Problem(str(path), None, "", "there is no such file")]) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError([Problem(str(path), None, "", f"not valid YAML: {error}")]) from None
    entries = raw.get("models", {}) if isinstance(raw, dict) else {}
    problems: list[Problem] = []
    specs: dict[str, ModelSpec] = {}
    for alias, entry in entries.items():
        found = _problems(str(path), str(alias), entry)
        problems += found
        if not found:
            specs[str(alias)] = _SPEC.validate_python({**entry, "alias": str(alias)})
    if problems:
        raise ConfigError(problems)
    return specs


def _problems(file: str, alias: str, entry: object) -> list[Problem]:
    key = f"models.{alias}"
    if not isinstance(entry, dict):
        return [Problem(file, None, key, "needs a key 'model' with a model string")]
    try:
        spec = _SPEC.validate_python({**entry, "alias": alias})
    except ValidationError as error:
        return [_problem(file, key, detail) for detail in error.errors()]
    found = [
        Problem(file, None, f"{key}.{name}", f"received {getattr(spec, name)}; must be above 0")
        for name in _POSITIVE
        if getattr(spec, name) is not None and getattr(spec, name) <= 0
    ]
    return found + [
        Problem(file, None, f"{key}.{name}", f"received {getattr(spec, name)}; must not be below 0")
        for name in _NOT_NEGATIVE
        if getattr(spec, name) is not None and getattr(spec, name) < 0
    ]


def _problem(file: str, key: str, detail: Any) -> Problem:
    name = str(detail["loc"][0]) if detail["loc"] else ""
    if detail["type"] == "unexpected_keyword_argument":
        return Problem(file, None, f"{key}.{name}", "unknown key", did_you_mean(name, _SPEC_KEYS))
    if name == "model":
        return Problem(file, None, key, "needs a key 'model' with a model string")
    return Problem(file, None, f"{key}.{name}", f"received {detail['input']!r}; {detail['msg']}")


def find_model(name: str, models: Mapping[str, ModelSpec], environment: Mapping[str, str] = os.environ) -> ModelSpec:
    """Resolve an alias, or take a full ``provider/model`` string as it is.

    Where ``LLM_BASE_URL`` is set, every name that is no alias is a model of that OpenAI-compatible server, by whatever
    name the server has for it, with the key in ``LLM_API_KEY`` where there is one.

    Raises:
        UsageError: If it is none of these; the message lists the aliases.
    """
    if name in models:
        return models[name]
    if name in EMBEDDED:
        return EMBEDDED[name]
    if (server := environment.get(SERVER)) and not name.startswith(OFFLINE_PREFIX):
        key = SERVER_KEY if environment.get(SERVER_KEY) else None
        return ModelSpec(alias=name, model=f"openai/{name}", api_base=server, api_key_env=key)
    if "/" in name and not name.startswith(OFFLINE_PREFIX):
        return ModelSpec(alias=name, model=name, api_key_env=PROVIDER_KEYS.get(name.split("/", 1)[0]))
    raise UsageError(
        f"unknown model {name!r}; aliases: {', '.join(models)}; or a full 'provider/model' string",
        hint=did_you_mean(name, list(models)) or f"or set {SERVER} to the address of a server that has it",
    )


def held_back(specs: Iterable[ModelSpec], threads: int) -> tuple[str, ...]:
    """What to tell a person who asks for more calls at a time than a model's own entry allows."""
    narrow = {spec.alias: spec.max_concurrency for spec in specs if spec.max_concurrency < threads}
    return tuple(
        f"{alias} takes {most} calls at a time (max_concurrency in models.yaml), not the {threads} that were asked for"
        for alias, most in sorted(narrow.items())
    )
