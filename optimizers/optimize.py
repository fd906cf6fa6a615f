"""The main job: baseline, search, one opening of the holdout, verdict."""

from __future__ import annotations

import datetime as dt
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from calls.account import Account, Halt, StopRequestedError
from calls.ledger import Ledger
from calls.lm import RoleLM, build_lm
from core.candidate import Candidate, ProgramPrompts
from core.errors import BudgetError, DataError
from core.evaluation import Evaluation, RowStatus
from core.optimization import Optimization, Plan, RunStart
from core.plain import digest, from_json, to_json
from core.progress import Progress
from core.verdict import Decision, Verdict
from gates.catalog import build_gate
from metrics.evaluate import Evaluator
from metrics.metric import ExampleBook, MetricError
from offline import VERSION as OFFLINE_VERSION
from optimizers.base import Journal, Optimizer, Search, SearchSize, rollouts
from optimizers.evidence import Examiner, recent_records
from optimizers.judge_check import FEWEST, check_judge
from optimizers.plan import judging_runs, plan_run, run_pilot
from optimizers.search import quiet, run_search
from optimizers.settings import check_settings
from programs.prompts import apply_prompts, diff_prompts, predictors, read_prompts, schema_hash, source_of
from tasks.task import ROLES, Task, bound_metric, check_caps, policy_of, student_evaluator
from tracking.events import EventKind
from tracking.provenance import Provenance, provenance_of
from tracking.run import Projection, Run, continuable, differences, new_run_id
from tracking.store import Store


@dataclass(frozen=True)
class Options:
    """What may vary between two runs of one task."""

    budget: str | int
    seed: int
    threads: int
    minibatch: int
    max_demos: int
    threshold: float


def options_of(task: Task) -> Options:
    """What the task file and the flags say about the search."""
    settings = task.config.optimizer
    return Options(
        budget=settings.budget,
        seed=settings.seed,
        threads=task.config.run.threads,
        minibatch=settings.minibatch,
        max_demos=settings.max_demos,
        threshold=task.config.metric.threshold,
    )


def shape_of(task: Task, options: Options) -> SearchSize:
    """The size of the search that these options ask for."""
    train, dev = len(task.splits.train), len(task.splits.dev)
    return SearchSize(
        train=train,
        dev=dev,
        predictors=len(predictors(task.program)),
        rollouts=rollouts(options.budget, train, dev),
        minibatch=min(options.minibatch, math.ceil(SHARE * train)),
        max_demos=options.max_demos,
        settings=task.config.optimizer.settings,
    )


SHARE = 2 / 3
"""Of the train rows in a minibatch at most: reflections that see all rows every time are all the same."""


@dataclass(frozen=True)
class Environment:
    """Where a run keeps its record and what the outside world sees of it.

    Attributes:
        store: The record of runs.
        ledger: The record of calls.
        command: What the person typed.
        code_version: Which code ran.
        projection: Told of every event.
        progress: Told how far the run is.
        new: Whether an unfinished run of the same identity is left alone.
        confirm: Asked before anything beyond the pilot is spent; False ends the run.
    """

    store: Store
    ledger: Ledger
    command: str
    code_version: str
    projection: Projection | None = None
    progress: Progress = field(default_factory=Progress)
    new: bool = False
    confirm: Callable[[Plan], bool] = lambda plan: True


@dataclass(frozen=True)
class _Lab:
    """The models and the evaluator of one run."""

    account: Account
    student: RoleLM
    reflector: RoleLM
    proposer: RoleLM
    evaluate: Evaluator


def _lab(task: Task, options: Options, account: Account) -> _Lab:
    lms = {role: build_lm(task.models[role], role, account) for role in ("student", "reflector", "proposer")}
    evaluator = replace(student_evaluator(task, account, lms["student"]), threads=options.threads)
    return _Lab(account, lms["student"], lms["reflector"], lms["proposer"], evaluator)


def _check_scored(baseline: Evaluation) -> None:
    """Refuse to search where every answer could be read and not a single one could be judged.

    Answers that cannot be read are another matter: a better prompt may mend them.

    Raises:
        MetricError: With the most frequent reason.
    """
    if baseline.rows and all(row.status is RowStatus.METRIC_ERROR for row in baseline.rows):
        errors = Counter(row.error or row.status.value for row in baseline.rows)
        reason, count = errors.most_common(1)[0]
        raise MetricError(
            f"none of {len(baseline.rows)} dev rows has a score; most frequent ({count}x): {reason}",
            hint="a search would compare nothing; see: python cli.py eval TASK",
        )


def _search(task: Task, options: Options, lab: _Lab, shape: SearchSize, journal: Journal) -> Search:
    return Search(
        program=apply_prompts(task.program, read_prompts(task.program)),
        train=ExampleBook(task.splits.train),
        dev=ExampleBook(task.splits.dev),
        metric=lab.evaluate.metric,
        student=lab.student,
        reflector=lab.reflector,
        proposer=lab.proposer,
        adapter=task.adapter,
        shape=shape,
        seed=options.seed,
        threads=options.threads,
        threshold=options.threshold,
        journal=journal,
        max_unreadable=task.config.run.max_unreadable,
    )


def _forecast(task: Task, optimizer: Optimizer, options: Options, lab: _Lab, progress: Progress) -> Plan:
    """The plan of a run, from a pilot."""
    shape = shape_of(task, options)
    nobody = Journal(lab.account.meter, tuple(row.id for row in task.splits.dev), lambda candidate: None)
    search = _search(task, options, lab, shape, nobody)
    with quiet():
        pilot = run_pilot(task, optimizer, search, lab.evaluate, progress)
    return plan_run(task, optimizer, shape, threads=options.threads, pilot=pilot)


def forecast(task: Task, optimizer: Optimizer, options: Options, account: Account, progress: Progress) -> Plan:
    """Say what a run would cost; what the pilot asks stays in the ledger, so that the run does not pay it again.

    Raises:
        ModelError: If a model is unreachable or refuses the key.
        BudgetError: If a cap is reached inside the pilot.
    """
    check_caps(task)
    try:
        return _forecast(task, optimizer, options, _lab(task, options, account), progress)
    except Halt as halt:
        raise halt.cause from None


def optimize(task: Task, optimizer: Optimizer, options: Options, environment: Environment) -> Optimization:
    """Search for better prompts and let the gate decide whether they are.

    The holdout is opened at most once, after the search is over, and only if the winner is not the seed. A run that
    was interrupted is continued if nothing that matters has changed since: the same steps are taken again, and every
    call that was answered is found in the ledger. A run whose budget ends, or that is asked to stop, returns its best
    candidate so far with an INCONCLUSIVE verdict, and can be continued as well.

    Raises:
        ModelError: If a model is unreachable, refuses the key or keeps failing; nothing is registered then.
        BudgetError: If the budget ended before the baseline was scored, or the forecast was not accepted.
        StoreError: If another process works on this very run.
        KeyboardInterrupt: On Ctrl-C; everything found so far is in the store.
    """
    started = time.perf_counter()
    if not task.splits.dev or not task.splits.holdout:
        raise DataError(f"{task.corpus.path}: nothing to prove a lift on: {'; '.join(task.splits.notes)}")
    check_caps(task)
    check_settings(optimizer, task.config.optimizer.settings)
    for role in ROLES:  # a missing key is told before anything is written
        build_lm(task.models[role], role, Account(environment.ledger))
    bound_metric(task, Account(environment.ledger))
    start, store, progress = _start(task, optimizer, options, environment), environment.store, environment.progress
    earlier = None if environment.new else continuable(store, start)
    if earlier is not None:
        start = store.started(earlier.run_id)
        environment.ledger.wait_for_others(earlier.run_id)
        progress.note(f"continuing run {earlier.run_id} ({store.state(earlier)}): what was answered is not paid again")
    else:
        _say_what_differs(store, start, progress)
    run = Run(store, start, environment.projection)
    account = Account(environment.ledger, run.id, task.name, policy_of(task))
    account.stop_requested = lambda: store.stop_requested(run.id)
    account.meter.listener = progress.call
    state = "failed"
    try:
        result = _Job(task, optimizer, options, environment, run, _lab(task, options, account), started).result()
        state = result.ended
        return result
    except Halt as halt:
        state = _failed(run, halt.cause)
        raise halt.cause from None
    except KeyboardInterrupt:
        state = "interrupted"
        raise
    except BaseException as error:
        state = _failed(run, error)
        raise
    finally:
        account.meter.listener = None
        account.close()
        run.finish(state)


def _failed(run: Run, error: BaseException) -> str:
    run.emit(EventKind.FAILED, {"error": type(error).__name__, "message": str(error)})
    return _state(error)


def _state(error: BaseException) -> str:
    if isinstance(error, StopRequestedError):
        return "stopped"
    return "exhausted" if isinstance(error, BudgetError) else "failed"


def _say_what_differs(store: Store, start: RunStart, progress: Progress) -> None:
    """An unfinished run of the same task that is not continued is mentioned, with the reason."""
    for earlier in store.unfinished(start.task)[:1]:
        if not store.alive(earlier):
            stored = from_json(RunStart, store.redact.json(to_json(start)))  # as it would be stored: without secrets
            changed = differences(store.started(earlier.run_id), stored)
            if changed:
                said = "; ".join(changed[:4])
                progress.note(
                    f"run {earlier.run_id} ({store.state(earlier)}) is another run and stays as it is: {said}"
                )


@dataclass
class _Job:
    """One run from baseline to verdict."""

    task: Task
    optimizer: Optimizer
    options: Options
    environment: Environment
    run: Run
    lab: _Lab
    started: float
    dev: Evaluation | None = None
    journal: Journal | None = None
    plan: Plan | None = None
    judge_note: str | None = None
    opened: bool = False

    def result(self) -> Optimization:
        """Do it; a budget that ends after the baseline gives a result all the same."""
        try:
            holdout, verdict = self._work()
            ended = "finished"
        except (Halt, BudgetError) as error:
            cause = error.cause if isinstance(error, Halt) else error
            if not isinstance(cause, BudgetError) or self.journal is None or not self.journal.candidates:
                raise
            holdout, ended = (None, None), _state(cause)
            where = "the gate had not decided yet" if self.opened else "the holdout was not opened"
            verdict = Verdict(Decision.INCONCLUSIVE, (cause.message, where))
        result = self._optimization(holdout, verdict, ended)
        self.run.emit(EventKind.PROVENANCE, self._provenance(result))
        self.run.emit(EventKind.FINISHED, result)
        return result

    def _provenance(self, result: Optimization) -> Provenance:
        """The sealed record of the outcome as it will be stored: without secrets."""
        payload = self.environment.store.redact.json(to_json(result))
        stored = from_json(Optimization, payload)
        used = [self.task.models[r].offline for r, u in result.usage.items() if u.calls + u.hits and r in ROLES]
        backend = "offline" if all(used) else "mixed" if any(used) else "real"
        return provenance_of(stored, payload, backend=backend, diff=diff_prompts(stored.baseline, stored.winner))

    def _work(self) -> tuple[tuple[Evaluation | None, Evaluation | None], Verdict]:
        task, lab, progress = self.task, self.lab, self.environment.progress
        shape = shape_of(task, self.options)
        seed = read_prompts(task.program)
        self.plan = self._forecast(shape)
        self.judge_note = self._check_judge(seed)
        progress.phase("baseline on dev", shape.dev * shape.predictors)
        self.dev = lab.evaluate(task.program, task.splits.dev, split="dev", program_hash=seed.hash)
        _check_scored(self.dev)
        self.journal = journal = Journal(
            lab.account.meter, tuple(row.id for row in task.splits.dev), self._on_candidate
        )
        journal.record("seed", seed, {r.row_id: r.score for r in self.dev.scored if r.score is not None})
        left = round(self.plan.roles["student"].calls.expected) - (shape.dev + judging_runs(task))
        progress.phase(f"search with {self.optimizer.name}", left)
        search = _search(task, self.options, lab, shape, journal)
        run_search(self.optimizer, search)
        return self._judge(journal.candidates[0], journal.best())

    def _forecast(self, shape: SearchSize) -> Plan:
        progress = self.environment.progress
        plan = _forecast(self.task, self.optimizer, self.options, self.lab, progress)
        progress.plan(plan)
        if not self.environment.store.has(self.run.id, EventKind.FORECAST):
            self.run.emit(EventKind.FORECAST, plan)
            if not self.environment.confirm(plan):
                raise BudgetError("the forecast was not accepted; nothing but the pilot was spent")
        return plan

    def _check_judge(self, seed: ProgramPrompts) -> str | None:
        task, evaluate = self.task, self.lab.evaluate
        if not task.judges:
            return None
        rows = task.splits.dev[: max(task.config.run.pilot, 2 * FEWEST)]
        return check_judge(task, evaluate.metric, evaluate(task.program, rows, split="dev", program_hash=seed.hash))

    def _on_candidate(self, candidate: Candidate) -> None:
        assert self.journal is not None
        self.run.candidate(candidate)
        self.environment.progress.candidate(candidate, self.journal.best())

    def _judge(self, seed: Candidate, winner: Candidate) -> tuple[tuple[Evaluation | None, Evaluation | None], Verdict]:
        """Open the holdout once and let the gate decide; a winner that is the seed is held without opening it."""
        task, store = self.task, self.environment.store
        gate = build_gate(task.config.gate, task.root)
        if winner.prompts.hash == seed.prompts.hash:
            return (None, None), gate.no_op()
        self.environment.progress.phase("holdout and gate", judging_runs(task) * len(seed.prompts.prompts), last=True)
        opening = store.open_holdout(task.name, task.splits.holdout_identity, self.run.id, winner.prompts.hash)
        self.opened = True
        gate_input = Examiner(task, self.lab.evaluate).gate_input(
            (seed.prompts, seed.dev_score),
            (winner.prompts, winner.dev_score),
            opening=opening,
            records=recent_records(store, task.name, without=self.run.id) if task.judges else (),
        )
        return (gate_input.champion, gate_input.challenger), gate.decide(gate_input)

    def _warnings(self, journal: Journal) -> tuple[str, ...]:
        found = list(self.task.splits.notes)
        if self.judge_note:
            found.append(self.judge_note)
        incomplete = sum(not candidate.complete for candidate in journal.candidates)
        if incomplete:
            found.append(f"{incomplete} of {len(journal.candidates)} candidates had dev rows without a score")
        if len(journal.candidates) == 1:
            found.append("the optimiser proposed nothing that it wanted to try on dev")
        found += journal.notes
        account = self.lab.account
        if account.failed_for_good:
            found.append(f"{account.failed_for_good} calls failed for good; last: {account.meter.last_error}")
        return tuple(found)

    def _optimization(
        self, holdout: tuple[Evaluation | None, Evaluation | None], verdict: Verdict, ended: str
    ) -> Optimization:
        assert self.journal is not None
        assert self.dev is not None
        assert self.plan is not None
        task, start, winner = self.task, self.run.start, self.journal.best()
        return Optimization(
            run_id=start.run_id,
            task=task.name,
            description=task.config.description,
            optimizer=self.optimizer.name,
            seed=self.options.seed,
            started_at=start.started_at,
            seconds=time.perf_counter() - self.started,
            params=start.params,
            splits=start.splits,
            plan=self.plan,
            baseline=self.journal.candidates[0].prompts,
            winner=winner.prompts,
            winner_index=winner.index,
            candidates=tuple(self.journal.candidates),
            dev_baseline=self.dev,
            holdout_baseline=holdout[0],
            holdout_candidate=holdout[1],
            verdict=verdict,
            usage=self.lab.account.spent(),
            schema_hash=schema_hash(task.program),
            categorical=task.categorical,
            offline=task.offline,
            warnings=self._warnings(self.journal),
            ended=ended,
        )


def _start(task: Task, optimizer: Optimizer, options: Options, environment: Environment) -> RunStart:
    params = {
        "task": task.name,
        "optimizer": optimizer.name,
        "budget": str(options.budget),
        "seed": str(options.seed),
        "student": task.models["student"].alias,
        "reflector": task.models["reflector"].alias,
        "proposer": task.models["proposer"].alias,
        "metric": task.metric.name,
        "adapter": task.config.adapter,
        "minibatch": str(options.minibatch),
        "max_demos": str(options.max_demos),
        "threads": str(options.threads),
        "n_train": str(len(task.splits.train)),
        "n_dev": str(len(task.splits.dev)),
        "n_holdout": str(len(task.splits.holdout)),
    }
    tags = {
        "stage": "optimize",
        "offline": str(task.offline).lower(),
        "program_hash": read_prompts(task.program).hash,
        "config_hash": task.config_hash,
        "code_version": environment.code_version,
        "schema_hash": schema_hash(task.program),
    }
    return RunStart(
        run_id=new_run_id(task.name),
        task=task.name,
        command=environment.command,
        started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        params=params,
        tags=tags,
        splits=task.splits.info,
        config=task.config.model_dump(mode="json"),
        identity=identity(task, optimizer),
    )


def identity(task: Task, optimizer: Optimizer) -> dict[str, str]:
    """What must be equal for an interrupted run to be continued; how fast it may go and what it may spend is not."""
    config = task.config.model_dump(mode="json", exclude={"run"})
    models = {
        role: f"{s.model} {s.api_base or ''} {s.temperature} {s.max_tokens} {dict(sorted(s.params.items()))}"
        for role, s in task.models.items()
    }
    parts = {
        "config": digest(config),
        "corpus": task.splits.info.fingerprint,
        "program": read_prompts(task.program).hash + schema_hash(task.program) + digest(source_of(task.program)),
        "optimizer": optimizer.name,
        "fresh": str(not task.config.run.cache),
        **{f"model {role}": text for role, text in models.items()},
        **{
            f"judge {index + 1}": f"{s.model} {s.api_base or ''} {s.temperature}" for index, s in enumerate(task.judges)
        },
    }
    if task.offline:
        parts["embedded model"] = OFFLINE_VERSION
    return parts
