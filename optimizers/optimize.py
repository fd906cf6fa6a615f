"""The main job: baseline, search, one opening of the holdout, verdict."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass

from core.errors import ProvenError
from core.lm import Halt, RoleLM, build_lm
from core.results import Candidate, Evaluation, Optimization, Plan, RunStart, Verdict
from core.run import Projection, Run, new_run_id
from core.store import Store
from gates.constant import best_constant, constant_evaluation
from gates.copying import corpus_texts
from gates.holdout import HoldoutGate
from metrics.evaluate import Evaluator
from metrics.metric import ExampleBook
from optimizers.base import Journal, Optimizer, Search, Shape, quiet, rollouts
from optimizers.plan import plan_run
from optimizers.progress import Progress
from programs.prompts import apply_prompts, predictors, read_prompts, schema_hash
from tasks.task import Task


@dataclass(frozen=True)
class Options:
    """What may vary between two runs of one task."""

    budget: str | int
    seed: int
    threads: int
    minibatch: int
    max_demos: int
    threshold: float


def shape_of(task: Task, options: Options) -> Shape:
    """The size of the search that these options ask for."""
    train, dev = len(task.splits.train), len(task.splits.dev)
    return Shape(
        train=train,
        dev=dev,
        predictors=len(predictors(task.program)),
        rollouts=rollouts(options.budget, train, dev),
        minibatch=min(options.minibatch, train),
        max_demos=options.max_demos,
    )


@dataclass(frozen=True)
class _Lab:
    """The models and the evaluator of one run."""

    student: RoleLM
    reflector: RoleLM
    proposer: RoleLM
    evaluate: Evaluator


def _lab(task: Task, options: Options) -> _Lab:
    lms = {role: build_lm(task.models[role], role, task.meter) for role in ("student", "reflector", "proposer")}
    evaluator = Evaluator(lms["student"], task.adapter, task.metric, options.threads, task.config.run.max_error_share)
    return _Lab(lms["student"], lms["reflector"], lms["proposer"], evaluator)


def optimize(
    task: Task,
    optimizer: Optimizer,
    options: Options,
    *,
    store: Store,
    command: str,
    code_version: str,
    projection: Projection | None = None,
    progress: Progress | None = None,
) -> Optimization:
    """Search for better prompts and let the gate decide whether they are.

    The holdout is opened at most once, after the search is over, and only if the winner is not the seed.

    Raises:
        ModelError: If a model is unreachable, refuses the key or keeps failing; nothing is registered then.
        KeyboardInterrupt: On Ctrl-C; candidates found so far are in the store.
    """
    progress = progress or Progress()
    started = time.perf_counter()
    lab = _lab(task, options)
    shape = shape_of(task, options)
    plan = plan_run(task, optimizer, shape, threads=options.threads)
    progress.plan(plan)
    start = _start(task, optimizer, options, plan, command, code_version)
    run = Run(store, start, projection)
    task.meter.listener = progress.call
    try:
        outcome = _run(task, optimizer, options, shape, plan, lab, run, progress)
    except Halt as halt:
        _failed(run, halt.cause)
        raise halt.cause from None
    except ProvenError as error:
        _failed(run, error)
        raise
    except KeyboardInterrupt:
        run.finish("interrupted")
        raise
    except BaseException as error:
        _failed(run, error)
        raise
    finally:
        task.meter.listener = None
    result = _optimization(task, optimizer, options, start, plan, outcome, time.perf_counter() - started)
    run.emit("finished", result)
    run.finish("finished")
    return result


def _failed(run: Run, error: BaseException) -> None:
    run.emit("failed", {"error": type(error).__name__, "message": str(error)})
    run.finish("failed")


@dataclass(frozen=True)
class _Outcome:
    candidates: tuple[Candidate, ...]
    winner: Candidate
    dev: Evaluation
    holdout_baseline: Evaluation | None
    holdout_candidate: Evaluation | None
    verdict: Verdict
    warnings: tuple[str, ...]


def _run(
    task: Task,
    optimizer: Optimizer,
    options: Options,
    shape: Shape,
    plan: Plan,
    lab: _Lab,
    run: Run,
    progress: Progress,
) -> _Outcome:
    seed_prompts = read_prompts(task.program)
    progress.phase("baseline on dev", shape.dev * shape.predictors)
    dev = lab.evaluate(task.program, task.splits.dev, split="dev", program_hash=seed_prompts.hash)

    journal: Journal

    def on_candidate(candidate: Candidate) -> None:
        run.emit("candidate", candidate)
        progress.candidate(candidate, journal.best())

    journal = Journal(task.meter, tuple(row.id for row in task.splits.dev), on_candidate)
    journal.record("seed", seed_prompts, {r.row_id: r.score for r in dev.scored if r.score is not None})

    progress.phase(f"search with {optimizer.name}", plan.calls["student"] - (shape.dev + 2 * len(task.splits.holdout)))
    search = Search(
        program=apply_prompts(task.program, seed_prompts),
        train=ExampleBook(task.splits.train),
        dev=ExampleBook(task.splits.dev),
        metric=task.metric,
        student=lab.student.halted(),
        reflector=lab.reflector.halted(),
        proposer=lab.proposer.halted(),
        adapter=task.adapter,
        shape=shape,
        seed=options.seed,
        threads=options.threads,
        threshold=options.threshold,
        journal=journal,
        settings=task.config.optimizer.settings,
    )
    with quiet():
        optimizer.run(search)
    winner = journal.best()
    warnings = _warnings(task, journal)
    holdout_baseline, holdout_candidate, verdict = _judge(task, lab, run, progress, journal.candidates[0], winner)
    return _Outcome(tuple(journal.candidates), winner, dev, holdout_baseline, holdout_candidate, verdict, warnings)


def _judge(
    task: Task, lab: _Lab, run: Run, progress: Progress, seed: Candidate, winner: Candidate
) -> tuple[Evaluation | None, Evaluation | None, Verdict]:
    """Open the holdout once and let the gate decide; a winner that is the seed is held without opening it."""
    gate = HoldoutGate.from_config(task.config.gate)
    if winner.prompts.hash == seed.prompts.hash:
        return None, None, gate.no_op()
    holdout = task.splits.holdout
    progress.phase("holdout, both prompts", 2 * len(holdout) * len(seed.prompts.prompts))
    opening = run.store.open_holdout(task.name, task.splits.info.holdout_fingerprint, run.id, winner.prompts.hash)
    evaluations = []
    for candidate in (seed, winner):
        program = apply_prompts(task.program, candidate.prompts)
        evaluations.append(lab.evaluate(program, holdout, split="holdout", program_hash=candidate.prompts.hash))
    splits = {"train": task.splits.train, "dev": task.splits.dev, "holdout": holdout}
    corpus = corpus_texts((r.id, name, r.inputs, r.gold) for name, rows in splits.items() for r in rows)
    answer = best_constant(task.metric, task.splits.train) if task.config.gate.beat_constant else None
    constant = constant_evaluation(task.metric, answer, holdout, "holdout") if answer else None
    verdict = gate.decide(
        evaluations[0], evaluations[1], seed.prompts, winner.prompts, corpus=corpus, constant=constant, opening=opening
    )
    return evaluations[0], evaluations[1], verdict


def _warnings(task: Task, journal: Journal) -> tuple[str, ...]:
    found = list(task.splits.notes)
    usage = task.meter.snapshot()
    incomplete = sum(not candidate.complete for candidate in journal.candidates)
    if incomplete:
        found.append(f"{incomplete} of {len(journal.candidates)} candidates had dev rows without a score")
    if len(journal.candidates) == 1:
        found.append("the optimiser proposed nothing that it wanted to try on dev")
    errors = sum(u.errors for u in usage.values())
    if errors:
        found.append(f"{errors} model calls failed; last: {task.meter.last_error}")
    return tuple(found)


def _start(task: Task, optimizer: Optimizer, options: Options, plan: Plan, command: str, code_version: str) -> RunStart:
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
        "code_version": code_version,
        "schema_hash": schema_hash(task.program),
    }
    return RunStart(
        run_id=new_run_id(task.name),
        task=task.name,
        command=command,
        started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        params=params,
        tags=tags,
        splits=task.splits.info,
        config=task.config.model_dump(mode="json"),
        plan=plan,
    )


def _optimization(
    task: Task,
    optimizer: Optimizer,
    options: Options,
    start: RunStart,
    plan: Plan,
    outcome: _Outcome,
    seconds: float,
) -> Optimization:
    return Optimization(
        run_id=start.run_id,
        task=task.name,
        description=task.config.description,
        optimizer=optimizer.name,
        seed=options.seed,
        started_at=start.started_at,
        seconds=seconds,
        params=start.params,
        splits=start.splits,
        plan=plan,
        baseline=outcome.candidates[0].prompts,
        winner=outcome.winner.prompts,
        winner_index=outcome.winner.index,
        candidates=outcome.candidates,
        dev_baseline=outcome.dev,
        holdout_baseline=outcome.holdout_baseline,
        holdout_candidate=outcome.holdout_candidate,
        verdict=outcome.verdict,
        usage=task.meter.snapshot(),
        schema_hash=schema_hash(task.program),
        categorical=task.categorical,
        offline=task.offline,
        warnings=outcome.warnings,
    )
