"""Language models by role: from an alias in ``configs/models.yaml`` to a metered ``dspy.LM``."""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dspy
import yaml

from core.catalog import did_you_mean
from core.errors import ConfigError, ModelError, Problem, ProvenError, UsageError
from core.results import Usage

OFFLINE_PREFIX = "offline/"

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


class Halt(BaseException):
    """Ends a run from inside an optimiser; not an ``Exception``, so that no optimiser swallows it as a score of zero.

    ``cause`` is the error that the run ends with.
    """

    def __init__(self, cause: ProvenError) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True)
class ModelSpec:
    """One line of ``configs/models.yaml``.

    Prices are US dollars per million tokens; None is an unknown price. ``latency`` is a typical answer time in
    seconds, used by forecasts until something better is measured.
    """

    alias: str
    model: str
    api_base: str | None = None
    api_key_env: str | None = None
    input_price: float | None = None
    output_price: float | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    latency: float = 2.0
    timeout: float = 60.0

    @property
    def offline(self) -> bool:
        """Whether this is the embedded stand-in, which is not a language model."""
        return self.model.startswith(OFFLINE_PREFIX)

    def price(self, input_tokens: float, output_tokens: float) -> float | None:
        """Money for so many tokens, None when a price is unknown."""
        if self.input_price is None or self.output_price is None:
            return None
        return (input_tokens * self.input_price + output_tokens * self.output_price) / 1e6


_SPEC_KEYS = {name for name in ModelSpec.__dataclass_fields__ if name != "alias"}


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
    problems, specs = [], {}
    for alias, entry in entries.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("model"), str):
            problems.append(Problem(str(path), None, f"models.{alias}", "needs a key 'model' with a model string"))
            continue
        unknown = sorted(set(entry) - _SPEC_KEYS)
        problems += [
            Problem(str(path), None, f"models.{alias}.{key}", "unknown key", did_you_mean(key, sorted(_SPEC_KEYS)))
            for key in unknown
        ]
        specs[str(alias)] = ModelSpec(str(alias), **{k: v for k, v in entry.items() if k in _SPEC_KEYS})
    if problems:
        raise ConfigError(problems)
    return specs


def find_model(name: str, models: Mapping[str, ModelSpec]) -> ModelSpec:
    """Resolve an alias, or take a full ``provider/model`` string as it is.

    Raises:
        UsageError: If it is neither; the message lists the aliases.
    """
    if name in models:
        return models[name]
    if "/" in name and not name.startswith(OFFLINE_PREFIX):
        return ModelSpec(alias=name, model=name, api_key_env=PROVIDER_KEYS.get(name.split("/", 1)[0]))
    raise UsageError(
        f"unknown model {name!r}; aliases: {', '.join(models)}; or a full 'provider/model' string",
        hint=did_you_mean(name, list(models)),
    )


_row_usage: contextvars.ContextVar[list[Usage] | None] = contextvars.ContextVar("row_usage", default=None)


@dataclass
class Meter:
    """Counts what every role spends. Thread-safe; one per run."""

    by_role: dict[str, Usage] = field(default_factory=dict)
    last_error: str | None = None
    listener: Callable[[str], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, role: str, usage: Usage) -> None:
        """Add one call's usage to a role and to the row that is being evaluated, if any."""
        with self._lock:
            self.by_role[role] = self.by_role.get(role, Usage()) + usage
        row = _row_usage.get()
        if row is not None:
            row.append(usage)
        listener = self.listener
        if usage.calls and listener is not None:
            listener(role)

    def fail(self, role: str, error: Exception, seconds: float) -> None:
        """Count a call that failed after its retries."""
        self.last_error = describe_error(error)
        self.add(role, Usage(calls=1, errors=1, seconds=seconds))

    def snapshot(self) -> dict[str, Usage]:
        """Usage by role so far."""
        with self._lock:
            return dict(self.by_role)

    @staticmethod
    @contextlib.contextmanager
    def row() -> Iterator[list[Usage]]:
        """Collect the usage of the calls made inside the block, in this thread."""
        collected: list[Usage] = []
        token = _row_usage.set(collected)
        try:
            yield collected
        finally:
            _row_usage.reset(token)


class RoleLM(dspy.LM):
    """A ``dspy.LM`` that knows its role, meters every call and keeps no history.

    With ``halting`` set, a call that fails after its retries ends the run by :class:`Halt`: inside an optimiser no
    failure may become a score.
    """

    role: str
    spec: ModelSpec
    meter: Meter
    halting: bool

    def __init__(self, spec: ModelSpec, role: str, meter: Meter, **kwargs: Any) -> None:
        super().__init__(spec.model, cache=False, **kwargs)
        self.spec, self.role, self.meter, self.halting = spec, role, meter, False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make one metered call."""
        started = time.perf_counter()
        try:
            return super().__call__(*args, **kwargs)
        except dspy.LMError as error:
            self.meter.fail(self.role, error, time.perf_counter() - started)
            if self.halting:
                raise Halt(model_error(self.spec, error)) from error
            raise
        finally:
            self._seconds(time.perf_counter() - started)

    def _seconds(self, seconds: float) -> None:
        self.meter.add(self.role, Usage(seconds=seconds))

    def update_history(self, entry: dict[str, Any]) -> None:
        """Meter the call instead of keeping the whole prompt in three histories."""
        usage = entry.get("usage") or {}
        tokens_in, tokens_out = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        cost = self.spec.price(tokens_in, tokens_out)
        if cost is None:
            cost = entry.get("cost")
        self.meter.add(self.role, Usage(1, tokens_in, tokens_out, cost))

    def halted(self) -> RoleLM:
        """A copy whose failures end the run; for use inside optimisers."""
        twin = self.copy()
        twin.halting = True
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> RoleLM:
        return self


def build_lm(spec: ModelSpec, role: str, meter: Meter, *, env: Mapping[str, str] | None = None) -> RoleLM:
    """Make the model of one role.

    Raises:
        ModelError: If the provider's key is not in the environment.
        UsageError: If the embedded model has no such size.
    """
    env = os.environ if env is None else env
    options: dict[str, Any] = {"num_retries": 3}
    if spec.temperature is not None:
        options["temperature"] = spec.temperature
    if spec.max_tokens is not None:
        options["max_tokens"] = spec.max_tokens
    if spec.offline:
        return RoleLM(spec, role, meter, engine=_offline_engine(spec), **options)
    options["timeout"] = spec.timeout
    if spec.api_base:
        options["api_base"] = spec.api_base
    if spec.api_key_env:
        key = env.get(spec.api_key_env)
        if not key:
            raise ModelError(
                f"{role}: {spec.alias!r} needs an API key, and {spec.api_key_env} is not set",
                hint=f"export {spec.api_key_env}=..., or put the line {spec.api_key_env}=... into .env",
            )
        options["api_key"] = key
    elif spec.api_base:
        options["api_key"] = "none"
    try:
        return RoleLM(spec, role, meter, **options)
    except (ValueError, dspy.LMError) as error:
        raise ModelError(f"{role}: model {spec.model!r} cannot be set up: {describe_error(error)}") from None


def _offline_engine(spec: ModelSpec) -> Any:
    from offline import SIZES, OfflineEngine

    size = spec.model.removeprefix(OFFLINE_PREFIX)
    if size not in SIZES:
        raise UsageError(f"the embedded model has no size {size!r}; sizes: {', '.join(SIZES)}")
    return OfflineEngine(size)


def describe_error(error: BaseException) -> str:
    """One line about an error, without any key a provider may have echoed."""
    first = str(error).strip().splitlines()
    text = first[0] if first else type(error).__name__
    for name, value in os.environ.items():
        if len(value) >= 8 and any(word in name.upper() for word in ("KEY", "TOKEN", "SECRET", "PASSWORD")):
            text = text.replace(value, f"<{name}>")
    return text[:500]


def model_error(spec: ModelSpec, error: BaseException) -> ModelError:
    """What a person should read when a model's calls keep failing."""
    text = describe_error(error)
    where = f" at {spec.api_base}" if spec.api_base else ""
    if isinstance(error, dspy.LMAuthError):
        hint = f"check {spec.api_key_env or 'the API key'}"
    elif isinstance(error, dspy.LMUnsupportedModelError):
        hint = "check the model name in configs/models.yaml"
    elif isinstance(error, (dspy.LMTransportError, dspy.LMTimeoutError)):
        hint = "check the network and api_base; a local server must be running"
    elif isinstance(error, dspy.LMRateLimitError):
        hint = "lower --threads, or wait until the provider's limit resets"
    else:
        hint = "try again later, or choose another model"
    return ModelError(f"{spec.alias}{where} failed: {type(error).__name__}: {text}", hint=hint)
