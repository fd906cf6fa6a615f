"""Calls that give no answer: which may be tried again, after how long, and what a person is told."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import dspy

from calls.models import ModelSpec
from calls.wire import EmptyAnswerError
from core.errors import BudgetError, ModelError, ProvenError

FIRST_BACKOFF, LONGEST_BACKOFF = 0.25, 30.0

FATAL = (dspy.LMAuthError, dspy.LMBillingError, dspy.LMUnsupportedModelError, dspy.LMConfigurationError)
"""Every other call would meet these as well."""
PERMANENT = (*FATAL, dspy.LMInvalidRequestError, dspy.LMUnsupportedFeatureError)
"""Asking again would give the same."""

_USER_INFO = re.compile("(?<=//)[^/@]*@")
"""Name and password in an address."""


class Halt(BaseException):
    """Ends a run from inside an optimiser; not an ``Exception``, so that no optimiser swallows it as a score of zero.

    ``cause`` is the error that the run ends with.
    """

    def __init__(self, cause: ProvenError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class StopRequestedError(BudgetError):
    """Somebody asked the run to stop before it had a verdict."""


class ModelDownError(dspy.LMError):
    """This model will not answer any more; others may."""


def is_overload(error: dspy.LMError) -> bool:
    """Whether a provider asks for fewer requests."""
    return isinstance(error, dspy.LMRateLimitError) or error.status in (429, 503, 529)


def backoff(error: dspy.LMError, attempt: int, jitter: random.Random) -> float:
    """Seconds to wait: what the provider asks for, capped, else doubling; both with jitter."""
    asked = error.retry_after
    if asked is not None and 0 <= asked < float("inf"):
        return min(float(asked), LONGEST_BACKOFF) * (1 + 0.25 * jitter.random())
    return min(FIRST_BACKOFF * 2 ** (attempt - 1), LONGEST_BACKOFF) * (0.5 + jitter.random())


def describe_error(error: BaseException, mask: Callable[[str], str] = str) -> str:
    """One line about an error; ``mask`` takes out what must not be written."""
    first = str(error).strip().splitlines()
    return mask(first[0] if first else type(error).__name__)[:500]


def model_error(spec: ModelSpec, error: BaseException, text: str | None = None) -> ModelError:
    """What a person should read when a model's calls keep failing."""
    text = describe_error(error) if text is None else text
    where = f" at {spec.api_base}" if spec.api_base else ""
    user = _USER_INFO.search(spec.api_base or "")
    if user is not None:
        where, text = where.replace(user.group(), ""), text.replace(user.group(), "")
    if isinstance(error, dspy.LMAuthError):
        hint = f"check {spec.api_key_env or 'the API key'}"
    elif isinstance(error, dspy.LMUnsupportedModelError):
        hint = "check the model name in configs/models.yaml"
    elif isinstance(error, (dspy.LMTransportError, dspy.LMTimeoutError)):
        hint = "check the network and api_base; a local server must be running"
    elif isinstance(error, dspy.LMRateLimitError):
        hint = "set max_concurrency or requests_per_minute in configs/models.yaml, or wait for the provider's limit"
    elif isinstance(error, EmptyAnswerError):
        hint = "the provider answers without text; check the model and max_tokens"
    else:
        hint = "try again later, or choose another model; `python cli.py doctor` tells more"
    return ModelError(f"{spec.alias}{where} failed: {type(error).__name__}: {text}", hint=hint)
