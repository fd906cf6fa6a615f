"""The one open run: every command that asks a model opens, continues, closes and records its work here."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from dotenv import load_dotenv

from calls.account import Account, Policy
from calls.failures import Halt, StopRequestedError
from calls.ledger import Ledger
from calls.limits import Caps
from calls.lm import RoleLM, build_lm
from calls.models import ModelSpec, held_back
from core.errors import BudgetError, UsageError
from core.optimization import Plan, RunStart
from core.plain import from_json, to_json
from core.progress import Progress
from core.redact import Redactor, from_environment
from core.workspace import Workspace
from metrics.evaluate import Evaluator
from programs import build_program
from tasks.config import own_code_of
from tasks.purpose import Purpose, start_of
from tasks.task import ROLES, Outline, Task, assemble, bound_metric, outline, read_config, student_evaluator
from tracking.events import EventKind
from tracking.projection import Tracker, following
from tracking.run import Run, Silent, continuable, differences, untold
from tracking.store import Store


@dataclass(frozen=True)
class RunOptions:
    """How a person wants a run to behave; none of it changes the result.

    Attributes:
        command: What was typed, for the record.
        yes: Whether a forecast above ``run.confirm_above`` is accepted unasked.
        new: Whether an unfinished run that does the same is left alone instead of continued.
        debug: Whether the optimisers' own logs may reach the screen.
        progress: Told how far the run is.
        track: Whether MLflow is told while it runs; otherwise `sync`, or the next command, brings it up to date.
    """

    command: str = "python"
    yes: bool = False
    new: bool = False
    debug: bool = False
    progress: Progress = field(default_factory=Progress)
    track: bool = True


@dataclass(frozen=True)
class OpenRun:
    """A run at work: its task, its models through one account, and its record."""

    task: Task
    place: Workspace
    record: Run
    store: Store
    ledger: Ledger
    account: Account
    tracker: Tracker | Silent
    options: RunOptions
    specs: tuple[ModelSpec, ...]
    """The models that it may ask."""

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.id

    @property
    def progress(self) -> Progress:
        """Whoever watches."""
        return self.options.progress

    @cached_property
    def lms(self) -> Mapping[str, RoleLM]:
        """The task's model of every role."""
        return {role: build_lm(self.task.models[role], role, self.account) for role in ROLES}

    @cached_property
    def evaluate(self) -> Evaluator:
        """How the task's rows are run by its student and judged by its metric."""
        return student_evaluator(self.task, self.account, self.lms["student"])

    def priced(self, plan: Plan) -> Plan:
        """The forecast, which says whether its money is anybody's."""
        return replace(plan, nominal=all(spec.offline for spec in self.specs))

    def forecast(self, plan: Plan) -> None:
        """Say and store what is going to be spent, and ask where that may be more than a person spends unthinkingly.

        A continued run that was accepted before is not asked about again.

        Raises:
            BudgetError: If the person says no; nothing but the pilot was spent.
            UsageError: If nobody is there to answer.
        """
        plan = self.priced(plan)
        self.progress.plan(plan)
        if self.store.has(self.id, EventKind.FORECAST):
            return
        self.record.emit(EventKind.FORECAST, plan)
        if not self._may_spend(plan):
            raise BudgetError("the forecast was not accepted; nothing but the pilot was spent")

    def _may_spend(self, plan: Plan) -> bool:
        run, cost = self.task.config.run, plan.cost_usd
        if self.options.yes or run.max_cost is not None or cost is None or cost.high <= run.confirm_above:
            return True
        if all(spec.offline for spec in self.specs):
            return True
        question = f"this may cost ${cost.low:.2f} to ${cost.high:.2f}; go on?"
        return agreed(question, self.progress, "add -y, or --max-cost DOLLARS, or --set run.confirm_above=DOLLARS")

    def upcoming_opening(self, candidate: str | None = None, owner: str | None = None) -> int | None:
        """The number that the next opening of the holdout will have; None where this prompt's was made before.

        Args:
            candidate: Hash of the prompt that is to be judged; None while it is not known yet.
            owner: The run whose prompt it is, when not this one.
        """
        return self.store.upcoming_opening(self.task.splits.holdout_identity, owner or self.id, candidate)

    def warn_of_opening(self, candidate: str, owner: str | None = None) -> None:
        """Say at which level the holdout will be judged, if it is about to be opened again."""
        warning = opening_warning(self.task, self.upcoming_opening(candidate, owner))
        if warning is not None:
            self.progress.note(warning)

    def open_holdout(self, candidate: str, owner: str | None = None) -> int:
        """Record that the holdout is opened for a prompt; how often it has been, this time included.

        Args:
            candidate: Hash of the prompt that is to be judged.
            owner: The run whose prompt it is, when not this one: asking again about one prompt is one opening.
        """
        identity = self.task.splits.holdout_identity
        return self.store.open_holdout(self.task.name, identity, owner or self.id, candidate)


@contextlib.contextmanager
def open_run(place: Workspace, task: Task, purpose: Purpose, options: RunOptions | None = None) -> Iterator[OpenRun]:
    """Open the store, the ledger, the account and MLflow for one run, and close them in order.

    A run that was interrupted is continued if it is the same work: the same steps are taken again, and every call that
    was answered is found in the ledger. However the block ends, the run has a named ending in its record.

    Raises:
        ModelError: If a model is unreachable, refuses the key or keeps failing.
        BudgetError: If a cap was reached, or somebody asked the run to stop.
        UsageError: If a cap on money cannot be kept.
        StoreError: If another process works on this very run.
        KeyboardInterrupt: On Ctrl-C; everything found so far is in the store.
    """
    options = options or RunOptions()
    check_caps(task, purpose.specs)
    redact = redactor(place, task)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(open_store(place, redact)))
        ledger = stack.enter_context(contextlib.closing(Ledger(place.mlruns / "ledger.db", redact)))
        _check_keys(task, purpose, ledger)
        start = start_of(task, purpose, options.command)
        if not options.new:
            start = _continued(store, ledger, start, options.progress)
        tracker = stack.enter_context(following(store, place.mlruns)) if options.track else Silent()
        record = Run(store, start, tracker)
        account = Account(ledger, record.id, task.name, policy_of(task, purpose))
        account.stop_requested = lambda: store.stop_requested(record.id)
        account.meter.listener = options.progress.call
        for line in held_back(purpose.specs or task.specs, task.config.run.threads):
            options.progress.note(line)
        try:
            yield OpenRun(task, place, record, store, ledger, account, tracker, options, purpose.specs or task.specs)
        except Halt as halt:
            record.failed(halt.cause, ending_of(halt.cause))
            raise halt.cause from None
        except KeyboardInterrupt:
            record.ending = "interrupted"
            account.interrupt()  # threads that wait for an answer would hold up the end
            raise
        except BaseException as error:
            record.failed(error, ending_of(error))
            raise
        finally:
            account.meter.listener = None
            account.close()
            record.finish()


def agreed(question: str, progress: Progress, hint: str) -> bool:
    """Whether a person says yes.

    Args:
        question: What is asked.
        progress: The display, which keeps quiet meanwhile.
        hint: How to go on where nobody is there to answer.

    Raises:
        UsageError: If nobody is.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is here to answer", hint=hint)
    with progress.paused():
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def opening_warning(task: Task, opening: int | None) -> str | None:
    """What to say before a holdout is opened for the second time or later; None before the first."""
    if opening is None or opening == 1:
        return None
    gate = task.config.gate
    return (
        f"this will be opening {opening} of this holdout, judged at level {gate.level(opening):.2g} instead of "
        f"{gate.alpha:g}; holdout rows that are new start the count over"
    )


def ending_of(error: BaseException) -> str:
    """How a run ends by this: ``stopped`` by somebody, ``exhausted`` by a cap, else ``failed``."""
    if isinstance(error, StopRequestedError):
        return "stopped"
    return "exhausted" if isinstance(error, BudgetError) else "failed"


def _check_keys(task: Task, purpose: Purpose, ledger: Ledger) -> None:
    """See that every key is in the environment, before anything is written."""
    if purpose.specs is not None:  # a matrix: whose models fail alone
        return
    for role in ROLES:
        build_lm(task.models[role], role, Account(ledger))
    bound_metric(task, Account(ledger))


def _continued(store: Store, ledger: Ledger, start: RunStart, progress: Progress) -> RunStart:
    """The start of the unfinished run that does the same, or of a finished one that nobody was told of.

    The given one where there is neither.
    """
    silent = untold(store, start)
    if silent is not None:
        progress.note(f"run {silent.run_id} had finished and was ended before it said so; --new starts another one")
        return store.started(silent.run_id)
    earlier = continuable(store, start)
    if earlier is not None:
        ledger.wait_for_others(earlier.run_id)
        progress.note(f"continuing run {earlier.run_id} ({store.state(earlier)}): what was answered is not paid again")
        return store.started(earlier.run_id)
    for other in store.unfinished(start.task, start.kind)[:1]:
        if not store.alive(other):
            stored = from_json(RunStart, store.redact.json(to_json(start)))  # as it would be stored: without secrets
            changed = differences(store.started(other.run_id), stored)
            if changed:
                said = "; ".join(changed[:4])
                progress.note(f"run {other.run_id} ({store.state(other)}) is another run and stays as it is: {said}")
    return start


def check_caps(task: Task, specs: tuple[ModelSpec, ...] | None = None) -> None:
    """Refuse a cap on money that could not be kept.

    Args:
        task: The task with its caps.
        specs: The models that may be asked; those of the task unless given.

    Raises:
        UsageError: If a price is unknown.
    """
    unknown = sorted({spec.alias for spec in (task.specs if specs is None else specs) if not spec.priced})
    if task.config.run.max_cost is not None and unknown:
        raise UsageError(
            f"--max-cost cannot be kept: the price of {', '.join(unknown)} is unknown",
            hint="put input_price and output_price into configs/models.yaml, or cap --max-calls or --max-tokens",
        )


def policy_of(task: Task, purpose: Purpose) -> Policy:
    """What the task file and the flags allow a run to spend."""
    run = task.config.run
    caps = Caps(run.max_cost, run.max_calls, run.max_tokens, run.max_minutes)
    return Policy(caps, not run.cache, run.fresh_roles, run.max_error_share, purpose.isolate)


def open_task(place: Workspace, name: str, overrides: Sequence[str]) -> Task:
    """Load and assemble a task; keys come from the environment or the workspace's ``.env``.

    Raises:
        ConfigError: With every mistake in the task file.
        DataError: If the corpus cannot be used.
    """
    load_dotenv(place.root / ".env", override=False)
    return assemble(read_config(place, name, overrides), place)


def outline_task(place: Workspace, name: str, overrides: Sequence[str]) -> Outline:
    """Load a task without running the code that its file names; errors as :func:`open_task`."""
    config = read_config(place, name, overrides)
    if "program" not in own_code_of(config):
        build_program(config, place.root)
    return outline(config, place)


def redactor(place: Workspace, task: Task | None = None) -> Redactor:
    """Masks the secrets of the environment and ``.env``, and the patterns of the task."""
    return from_environment(place.root, task.config.run.redact if task is not None else ())


def open_store(place: Workspace, redact: Redactor | None = None) -> Store:
    """The workspace's own record."""
    return Store(place.mlruns / "proven.db", redact or redactor(place))
