"""A task's metric for a person's own script, with the account and the record that its models need."""

from __future__ import annotations

import contextlib
import weakref
from types import TracebackType
from typing import Any, Self

from calls.account import Account
from calls.failures import Halt
from core.errors import UsageError
from core.workspace import Workspace
from metrics.dspy_metric import Score
from tasks.open_run import RunOptions, open_run
from tasks.purpose import Purpose
from tasks.task import Task, dspy_metric


class OpenMetric:
    """A metric that ``dspy.Evaluate``, GEPA and MIPROv2 can call, from its making until it is closed.

    A judge's calls go through the workspace's ledger, so that no judgement is paid twice, and are recorded as a run of
    kind ``metric``. It is closed at the end of a ``with`` block, by :meth:`close`, or when the script ends. A metric
    that asks no model has nothing to record, and leaves no run.

    Args:
        task: Whose metric it is.
        place: Where the record is kept.
        options: How the run behaves.

    Raises:
        ModelError: If a judge's key is not in the environment.
    """

    def __init__(self, task: Task, place: Workspace, options: RunOptions) -> None:
        with contextlib.ExitStack() as opened:
            account: Account | None = None
            if task.judges:
                purpose = Purpose("metric", specs=task.judges)
                account = opened.enter_context(open_run(place, task, purpose, options)).account
            self._metric = dspy_metric(task, account)
            self.close = weakref.finalize(self, opened.pop_all().close)
        self.__name__ = self._metric.__name__

    def __call__(
        self, example: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> Score:
        """Judge one prediction: a number, with ``score`` and ``feedback``, that is true from the threshold on.

        Raises:
            Halt: If there is no score: no gold, no answer, a failing judge. DSPy would make a zero of an ``Exception``.
        """
        if not self.close.alive:
            raise Halt(UsageError(f"metric {self.__name__!r} is closed", hint="make another: proven.metric(...)"))
        return self._metric(example, pred, trace, pred_name, pred_trace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
