"""The ways to a model: in this process, or through the courier to a provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from calls.courier import Courier, line_to
from calls.ledger import Ledger
from calls.meter import current_repeat
from calls.models import ModelSpec
from calls.records import CallSite, Completion, Request
from calls.wire import Wire


@dataclass(frozen=True)
class Response:
    """What an attempt gave: the answer, or the ledger's own when somebody else had asked meanwhile."""

    answer: Completion
    hit: bool
    run_id: str


class Transport(Protocol):
    """A way to a model: makes one attempt and keeps the answer in the ledger."""

    def attempt(self, key: str, site: CallSite, request: Request) -> Response:
        """Send the request once.

        Raises:
            dspy.LMError: What came instead of an answer.
        """
        ...


class LocalTransport:
    """A model in this process, whose answers cost nothing real: the embedded one."""

    def __init__(self, ledger: Ledger, spec: ModelSpec, wire: Wire) -> None:
        self.ledger, self.spec, self.wire = ledger, spec, wire

    def attempt(self, key: str, site: CallSite, request: Request) -> Response:
        """Ask the model and note the answer. The embedded one has no chance of its own: a repeat is its seed."""
        repeat = current_repeat()
        asked = Request(request.messages, {"seed": repeat, **request.params}) if repeat else request
        answer = self.wire.send(asked)
        return Response(self.ledger.keep(key, site, self.spec, request, answer), hit=False, run_id=site.run_id)


class CourierTransport:
    """A provider, reached through the courier; ``check`` ends the wait for an answer by what it raises."""

    def __init__(
        self, courier: Callable[[], Courier], check: Callable[[], None], spec: ModelSpec, key: str | None
    ) -> None:
        self._courier, self._check, self._line = courier, check, line_to(spec, key)

    def attempt(self, key: str, site: CallSite, request: Request) -> Response:
        """Have the courier send the request."""
        delivery = self._courier().carry(key, site, self._line, request, self._check)
        return Response(delivery.answer, delivery.hit, delivery.run_id)
