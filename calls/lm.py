"""Language models by role, as DSPy sees them; every call goes through the run's account."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import dspy

from calls.account import Account
from calls.failures import describe_error
from calls.models import ModelSpec
from calls.transports import CourierTransport, LocalTransport, Transport
from calls.wire import Wire, make_request, offline_engine
from core.errors import ModelError


class RoleLM(dspy.LM):
    """A ``dspy.LM`` that knows its role and asks through an :class:`~calls.account.Account`. It keeps no history.

    Args:
        spec: The model.
        role: student, reflector, proposer, judge, teacher ...
        account: The run's account.
        line: How an attempt reaches the model.
    """

    def __init__(self, spec: ModelSpec, role: str, account: Account, line: Transport, **kwargs: Any) -> None:
        if spec.offline:
            # Asked for what it can do, an engine answers for itself. Without one DSPy would load litellm to ask it:
            # 2 s and 110 MB for a model that has no provider.
            kwargs["engine"] = offline_engine(spec)
        super().__init__(spec.model, cache=False, num_retries=0, **kwargs)
        self.spec, self.role, self.account, self.line = spec, role, account, line

    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        """Answer from the ledger or from the model."""
        request = make_request(self, prompt, messages, kwargs)
        repeat = {**self.kwargs, **kwargs}.get("rollout_id")
        return self.account.call(self.line, self.spec, self.role, request, "" if repeat is None else str(repeat))

    def __deepcopy__(self, memo: dict[int, Any]) -> RoleLM:
        return self


def api_key(spec: ModelSpec, role: str, env: Mapping[str, str]) -> str | None:
    """The key of a model from the environment; None where it needs none.

    Raises:
        ModelError: If it needs one and it is not there.
    """
    if not spec.api_key_env:
        return "none" if spec.api_base else None
    key = env.get(spec.api_key_env)
    if not key:
        raise ModelError(
            f"{role}: {spec.alias!r} needs an API key, and {spec.api_key_env} is not set",
            hint=f"export {spec.api_key_env}=..., or put the line {spec.api_key_env}=... into .env",
        )
    return key


def build_lm(spec: ModelSpec, role: str, account: Account, *, env: Mapping[str, str] | None = None) -> RoleLM:
    """Make the model of one role.

    Raises:
        ModelError: If the provider's key is not in the environment.
        UsageError: If the embedded model has no such size.
    """
    options: dict[str, Any] = dict(spec.params)
    if spec.temperature is not None:
        options["temperature"] = spec.temperature
    if spec.max_tokens is not None:
        options["max_tokens"] = spec.max_tokens
    if spec.offline:
        line: Transport = LocalTransport(account.ledger, spec, Wire(spec))
    else:
        key = api_key(spec, role, os.environ if env is None else env)
        line = CourierTransport(account.courier, account.check, spec, key)
    try:
        return RoleLM(spec, role, account, line, **options)
    except (ValueError, dspy.LMError) as error:
        raise ModelError(f"{role}: model {spec.model!r} cannot be set up: {describe_error(error)}") from None
