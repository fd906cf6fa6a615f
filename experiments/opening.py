"""The open run of an experiment: through the task's account where a program is asked, a plain record otherwise."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from calls.models import ModelSpec
from core.optimization import Plan, RunStart, SplitInfo
from core.progress import Progress
from core.workspace import Workspace
from tasks.open_run import OpenRun, RunOptions, open_run, open_store, redactor
from tasks.purpose import Purpose
from tasks.task import Task
from tracking.events import EventKind
from tracking.projection import following
from tracking.run import Run, Silent, code_version, continuable, new_run_id
from tracking.store import Store

KIND = "experiment"


@dataclass(frozen=True)
class Opened:
    """An experiment at work: its record, and its task's models where it asks any."""

    record: Run
    store: Store
    progress: Progress
    forecast: Callable[[Plan], None]
    asks: OpenRun | None = None

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.id


@dataclass(frozen=True)
class About:
    """What a run of an experiment says of itself, and what makes it this one and no other."""

    name: str
    params: Mapping[str, str]
    identity: Mapping[str, str]


@contextlib.contextmanager
def open_asking(place: Workspace, tasks: tuple[Task, Task], about: About, options: RunOptions) -> Iterator[Opened]:
    """Open a run whose sessions ask models: caps, ledger and confirmation as everywhere.

    Raises:
        ModelError, BudgetError, UsageError, StoreError: As :func:`tasks.open_run.open_run` does.
    """
    control, test = tasks
    specs = tuple({spec.alias: spec for spec in (*_asked(control), *_asked(test))}.values())
    purpose = Purpose(KIND, about.params, about.identity, specs)
    with open_run(place, control, purpose, options) as run:
        yield Opened(run.record, run.store, run.progress, run.forecast, run)


def _asked(task: Task) -> tuple[ModelSpec, ...]:
    return (task.models["student"], *task.judges)


@contextlib.contextmanager
def open_record(place: Workspace, about: About, options: RunOptions) -> Iterator[Opened]:
    """Open a run that asks no model of ours; an interrupted one that does the same is continued.

    Raises:
        StoreError: If another process works on it.
    """
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(open_store(place, redactor(place))))
        start = _start(about, options)
        earlier = None if options.new else continuable(store, start)
        if earlier is not None:
            options.progress.note(f"continuing run {earlier.run_id} ({store.state(earlier)})")
            start = store.started(earlier.run_id)
        tracker = stack.enter_context(following(store, place.mlruns)) if options.track else Silent()
        record = Run(store, start, tracker)
        try:
            yield Opened(record, store, options.progress, lambda plan: _forecast(record, options.progress, plan))
        except KeyboardInterrupt:
            record.ending = "interrupted"
            raise
        except BaseException as error:
            record.failed(error, "failed")
            raise
        finally:
            record.finish()


def _forecast(record: Run, progress: Progress, plan: Plan) -> None:
    progress.plan(plan)
    if not record.store.has(record.id, EventKind.FORECAST):
        record.emit(EventKind.FORECAST, plan)


def _start(about: About, options: RunOptions) -> RunStart:
    return RunStart(
        run_id=new_run_id(f"{about.name}-{KIND}"),
        task=about.name,
        command=options.command,
        started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        params={"task": about.name, "kind": KIND, **about.params},
        tags={"stage": KIND, "code_version": code_version()},
        splits=SplitInfo(0, 0, 0, "", ""),
        config={},
        identity={"kind": KIND, **about.identity},
        kind=KIND,
    )
