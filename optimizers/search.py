"""One search: the optimiser runs quietly, and answers that it cannot read are counted."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import dspy

from calls.failures import describe_error
from calls.lm import RoleLM
from core.errors import ModelError
from optimizers.base import Optimizer, Search

LOGGERS = ("dspy", "gepa", "optuna", "LiteLLM", "litellm")
SHOWN = 120
"""Characters of an unreadable answer that are shown."""


@contextlib.contextmanager
def quiet(*, debug: bool = False) -> Iterator[None]:
    """Keep the optimisers' own logs, bars and prints off our screen; with ``debug`` nothing is kept off.

    Errors are counted by the meter. A display that is to stay alive inside has to hold its stream: ``sys.stderr`` is
    another one here.
    """
    if debug:
        yield
        return
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with (
            open(os.devnull, "w", encoding="utf-8") as sink,
            contextlib.redirect_stdout(sink),
            contextlib.redirect_stderr(sink),
        ):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def run_search(optimizer: Optimizer, search: Search, *, debug: bool = False) -> None:
    """Let the optimiser search; unreadable answers of the roles that write prompts are told in the journal's notes.

    Raises:
        ModelError: If such a role was never readable and nothing was found, or not readable several times in a row
            (as :class:`Halt`, from inside).
    """
    watch = UnreadableWatch(search)
    with (
        quiet(debug=debug),
        dspy.context(lm=search.student, adapter=search.adapter, callbacks=[watch]),
    ):
        try:
            optimizer.run(search)
        except dspy.AdapterParseError as error:
            raise watch.unread_error() or ModelError(
                f"{optimizer.name} met an answer that it cannot read: {describe_error(error)}",
                hint="choose another model for models.reflector and models.proposer",
            ) from error
    watch.conclude()


class UnreadableWatch(dspy.utils.callback.BaseCallback):
    """Counts the answers of the roles that write prompts which could not be read.

    An unreadable answer of the student or a judge is its row's outcome and is dealt with there. A reflector's is
    dropped by the optimisers without a word: a search that gets no other looks like one without ideas.
    """

    def __init__(self, search: Search) -> None:
        self.search, self.known = search, len(search.journal.candidates)
        self.read, self.unread, self.streak = Counter[str](), Counter[str](), Counter[str]()
        self.first: dict[str, tuple[RoleLM, str]] = {}
        self._texts: dict[str, str] = {}
        self._lock = threading.Lock()

    def on_adapter_parse_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Remember the answer that is being read."""
        self._texts[call_id] = str(inputs.get("completion", ""))

    def on_adapter_parse_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
        """Count it; too many in a row end the run."""
        text, lm = self._texts.pop(call_id, ""), dspy.settings.lm
        if not isinstance(lm, RoleLM) or lm.role not in (self.search.reflector.role, self.search.proposer.role):
            return
        with self._lock:
            if exception is None:
                self.read[lm.role] += 1
                self.streak[lm.role] = 0
                return
            self.unread[lm.role] += 1
            self.streak[lm.role] += 1
            self.first.setdefault(lm.role, (lm, text))
            too_many = self.streak[lm.role] >= self.search.max_unreadable
        if too_many:
            raise lm.account.halted(self._error(lm.role, f"{self.streak[lm.role]} times in a row"))

    def unread_error(self) -> ModelError | None:
        """The error to end with when the optimiser itself gave up on an answer; None if all could be read."""
        return next((self._error(role, _times(count)) for role, count in self.unread.items()), None)

    def conclude(self) -> None:
        """Note what could not be read.

        Raises:
            ModelError: If nothing of a role was ever readable, and the search has found nothing.
        """
        for role, count in self.unread.items():
            if not self.read[role] and len(self.search.journal.candidates) <= max(1, self.known):
                raise self._error(role, f"{_times(count)}, whenever it was asked,")
            asked = count + self.read[role]
            self.search.journal.notes.append(
                f"{count} of {asked} answers of the {role} could not be read; the first: {self._shown(role)}"
            )

    def _error(self, role: str, times: str) -> ModelError:
        alias = self.first[role][0].spec.alias
        return ModelError(
            f"the {role} {alias} answered {times} what cannot be read; the first: {self._shown(role)}",
            hint=f"choose another model (models.{role}), give it more room (max_tokens in configs/models.yaml), "
            "or let it try longer (run.max_unreadable in the task file)",
        )

    def _shown(self, role: str) -> str:
        lm, text = self.first[role]
        line = " ".join(lm.account.ledger.redact.text(text).split())
        return repr(line[:SHOWN] + ("..." if len(line) > SHOWN else ""))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
