"""What every command needs: the workspace's store, its tracker, its models and an assembled task."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from dotenv import load_dotenv

from calls.account import Account
from calls.ledger import Ledger
from core.errors import StoreError, UsageError
from core.optimization import Range
from core.redact import Redactor, from_environment
from core.workspace import HOME, Workspace
from optimizers.settings import chosen_optimizer
from reports.progress import LiveProgress
from tasks.task import Task, assemble, policy_of, read_config
from tracking.events import Event, EventKind
from tracking.projection import Tracker
from tracking.run import new_run_id
from tracking.store import Store


class Finish(Protocol):
    """Print the outcome and end the process."""

    def __call__(self, body: dict[str, Any], text: str | None, *, as_json: bool, code: int = 0) -> NoReturn:
        """Print ``body`` for a program or ``text`` for a person; exit with ``code``."""
        ...


def as_sets(flags: Mapping[str, Any]) -> list[str]:
    """Flags that were given, as ``key=value`` overrides, read like any other."""
    return [f"{key}={value}" for key, value in flags.items() if value is not None]


def open_task(workspace: Workspace, name: str, sets: Sequence[str]) -> Task:
    """Load, assemble and check a task; keys come from the environment or the workspace's ``.env``."""
    load_dotenv(workspace.root / ".env", override=False)
    task = assemble(read_config(workspace, name, sets), workspace)
    chosen_optimizer(task)
    return task


def redactor(workspace: Workspace, task: Task | None = None) -> Redactor:
    """Masks the secrets of the environment and ``.env``, and the patterns of the task."""
    return from_environment(workspace.root, task.config.run.redact if task is not None else ())


def open_store(workspace: Workspace, task: Task | None = None) -> Store:
    """The workspace's own record."""
    return Store(workspace.mlruns / "proven.db", redactor(workspace, task))


@contextlib.contextmanager
def calls(workspace: Workspace, task: Task | None = None) -> Iterator[Ledger]:
    """The workspace's call ledger, closed at the end of the block."""
    ledger = Ledger(workspace.mlruns / "ledger.db", redactor(workspace, task))
    try:
        yield ledger
    finally:
        ledger.close()


@contextlib.contextmanager
def tracking(workspace: Workspace, store: Store) -> Iterator[Tracker]:
    """Project the store into MLflow while the block runs; what it could not take is said at the end."""
    tracker = Tracker(store, workspace.mlruns)
    try:
        yield tracker
    finally:
        tracker.close()
        for problem in tracker.problems:
            print(f"mlflow: {problem}; your results are safe, run `python cli.py sync` later", file=sys.stderr)


def provenance_path(workspace: Workspace, run_id: str) -> Path:
    """Where a run's provenance lies as a file, beside its report."""
    return workspace.mlruns / "reports" / f"{run_id}.provenance.json"


def read_provenance(store: Store, run_id: str) -> Event:
    """The event that holds a run's provenance.

    Raises:
        StoreError: If the run has none.
    """
    event = store.last(run_id, EventKind.PROVENANCE)
    if event is not None:
        return event
    raise StoreError(
        f"run {run_id} has no provenance record", hint="it did not end with an outcome, or an older version made it"
    )


def code_version() -> str:
    """Git commit of the project, or its version where there is no repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(HOME), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


@contextlib.contextmanager
def opened_account(ledger: Ledger, task: Task, purpose: str, progress: LiveProgress | None = None) -> Iterator[Account]:
    """An account for calls outside a run, named after the task and what they are for; closed at the end."""
    account = Account(ledger, new_run_id(f"{task.name}-{purpose}"), task.name, policy_of(task))
    if progress is not None:
        account.meter.listener = progress.call
    try:
        yield account
    finally:
        account.close()


def may_spend(task: Task, cost: Range | None, progress: LiveProgress, *, free: bool, hint: str) -> bool:
    """Whether a forecast may be spent: asks where it may exceed what a person spends without thinking.

    Args:
        task: Whose caps and whose ``confirm_above`` hold; with a cap on money nobody is asked.
        cost: The forecast; None is unknown, and nobody can be asked about that.
        progress: Taken off the screen while asking.
        free: Whether it is allowed already, or costs nothing.
        hint: What to type where nobody is there to answer.

    Raises:
        UsageError: If nobody is there to answer.
    """
    run = task.config.run
    if free or run.max_cost is not None or cost is None or cost.high <= run.confirm_above:
        return True
    question = f"this may cost ${cost.low:.2f} to ${cost.high:.2f}; go on?"
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is here to answer", hint=hint)
    with progress.paused():
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
