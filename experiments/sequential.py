"""A sequential experiment from its two configurations to its recorded decision."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from core.errors import UsageError
from core.experiment import Arm, Experiment, Hindsight, PairResult
from core.optimization import Plan
from core.plain import digest, from_json, to_json
from core.workspace import Workspace
from experiments.config import ExperimentConfig
from experiments.hypotheses import FILE, note_outcome
from experiments.kept import SessionLog
from experiments.methods import METHODS, Design, Method, fixed_pairs
from experiments.opening import KIND, About, Opened, open_asking, open_record
from experiments.pairs import Place, Producer, Stream, Tally, play, stream_order
from experiments.pilot import planned
from experiments.producers import CommandSessions, ProgramSessions, places_of
from experiments.request import Request
from programs.prompts import read_prompts, source_of
from sessions.record import Session
from sessions.store import open_sessions
from stats import exact_sign_test, wilson
from tasks.open_run import RunOptions, open_store, open_task, redactor
from tasks.task import Task
from tracking.events import EventKind
from tracking.store import RunSummary, Store

Number = TypeVar("Number", int, float)


def run_experiment(
    place: Workspace,
    request: Request,
    options: RunOptions,
    *,
    dry_run: bool = False,
    caps: Mapping[str, Any] | None = None,
) -> Experiment | Plan:
    """Decide between two configurations with as few pairs of sessions as the method needs; the decision is recorded.

    The same request continues an interrupted experiment, and gives the recorded decision of one that is decided.

    Args:
        place: The workspace.
        request: What is asked.
        options: How the run is to behave.
        dry_run: Whether it ends with the forecast.
        caps: What the run may spend, as keys of a task file.

    Raises:
        UsageError: If the arms are the same, do not belong together, or the stream was decided, or begun, by another
            test: two tests on one stream keep no error rate.
        ModelError: If sessions fail pair after pair.
        BudgetError: If a cap is reached; the same command goes on.
    """
    method = METHODS.get(request.method).measuring(request.test.design.metric)
    tasks = _tasks(place, request, caps or {})
    order, names = _order(request, tasks)
    stream = _stream_id(request, tasks, names)
    section = request.test.design
    design = method.design(section, len(order))
    decided = _guarded(place, request, stream, method, design)
    if decided is not None:
        options.progress.note(f"decided before, by run {decided.run_id}; nothing was run")
        return decided
    about = _about(request, stream, method, design, tasks)
    opened = open_record(place, about, options) if tasks is None else open_asking(place, tasks, about, options)
    with opened as run:
        begun = time.perf_counter()
        kept = SessionLog(place.mlruns / "experiments" / f"{stream}.jsonl", redactor(place))
        control, test = _producers(request, tasks, run)
        retries = 0 if request.replay else request.test.retries
        pairs = Stream(stream, order, control, test, kept, retries, request.threads)
        if not request.replay:
            plan = planned(pairs, method, design, request, run)
            run.forecast(plan)
            if dry_run:
                run.record.ending = "stopped"
                return plan
        known = [from_json(PairResult, e.payload) for e in run.store.events(run.id, kind=EventKind.PAIR)]
        for result in known[-1:]:
            run.progress.note(f"{len(known)} pairs are recorded; the test stands at {_at(result)}")

        def tell(result: PairResult) -> None:
            run.record.emit(EventKind.PAIR, result)
            run.progress.pair(result)

        try:
            tally = play(pairs, method, design.start, known, tell)
        finally:
            if not request.replay:  # a replay's sessions are in a store already
                with open_sessions(place) as store:
                    store.append(kept.sessions)
        done = _outcome(request, (stream, method, design), tally, run, begun)
        if request.replay and method.measure.name == "success_rate":
            done = dataclasses.replace(done, hindsight=_hindsight(request, order))
        run.record.emit(EventKind.EXPERIMENT, done)
        if done.hypothesis is not None and not note_outcome(place.root, done):
            run.progress.note(f"hypothesis {done.hypothesis} is not in {FILE}; its outcome is in the run alone")
        return from_json(Experiment, run.store.events(run.id, kind=EventKind.EXPERIMENT)[-1].payload)


def experiments(store: Store) -> Iterator[tuple[RunSummary, tuple[PairResult, ...], Experiment | None]]:
    """Every experiment of a workspace, newest first: its pairs so far, and its outcome where it is decided."""
    for run in store.runs(kinds=(KIND,)):
        pairs = tuple(from_json(PairResult, event.payload) for event in store.events(run.run_id, kind=EventKind.PAIR))
        event = store.last(run.run_id, EventKind.EXPERIMENT)
        yield run, pairs, None if event is None else from_json(Experiment, event.payload)


# What belongs to the stream


def _tasks(place: Workspace, request: Request, caps: Mapping[str, Any]) -> tuple[Task, Task] | None:
    """The assembled task of each arm; None where no program is run."""
    if request.replay:
        return None
    kinds = [arm.producer.kind if arm.producer else None for arm in (request.control, request.test)]
    if None in kinds:
        raise UsageError(
            "an arm has no producer: nothing says where its sessions come from",
            hint="producer: {kind: program, task: NAME} or {kind: command, argv: [..], tasks: [..]}, or --replay FILE",
        )
    if kinds[0] != kinds[1]:
        raise UsageError(f"the arms have different producers: {kinds[0]} and {kinds[1]}", hint="use one for both")
    if request.control.model_copy(update={"experiment_id": "", "design": None}) == request.test.model_copy(
        update={"experiment_id": "", "design": None}
    ):
        raise UsageError("control and test are the same configuration: there is nothing to find out")
    if kinds[0] == "command":
        return None
    return _task(place, request.control, caps), _task(place, request.test, caps)


def _task(place: Workspace, arm: ExperimentConfig, caps: Mapping[str, Any]) -> Task:
    assert arm.producer is not None
    assert arm.producer.kind == "program"
    sets = [f"{key}={json.dumps(value)}" for key, value in arm.producer.sets.items()]
    sets += [f"models.student={arm.model_id}"] if arm.model_id else []
    return open_task(place, arm.producer.task, [*sets, *(f"{key}={value}" for key, value in caps.items())])


def _order(request: Request, tasks: tuple[Task, Task] | None) -> tuple[tuple[Place, ...], list[str]]:
    """The pairs in their order, and what the tasks are called.

    Raises:
        UsageError: If the arms have no task in common.
    """
    arms = [_places(request, index, tasks) for index in (0, 1)]
    common = [place for place in arms[0] if place in set(arms[1])]
    if not common:
        raise UsageError("the two arms have no task and trial in common, so there is no pair")
    return stream_order(common, request.test.seed), sorted({task for task, _ in common})


def _places(request: Request, index: int, tasks: tuple[Task, Task] | None) -> Sequence[Place]:
    if request.replay:
        return request.replay[index].places
    arm = (request.control, request.test)[index]
    assert arm.producer is not None
    if arm.producer.kind == "command":
        return CommandSessions(arm, arm.producer).places
    assert tasks is not None
    return places_of(arm.producer, tasks[index])


def _stream_id(request: Request, tasks: tuple[Task, Task] | None, names: Sequence[str]) -> str:
    """Names the stream: what the sessions depend on. The order of its pairs and the test are not among it."""
    programs = [
        [
            task.splits.info.fingerprint,
            read_prompts(task.program).hash,
            digest(source_of(task.program)),
            task.metric.name,
        ]
        for task in tasks or ()
    ]
    recorded = [request.source, *(arm.name for arm in request.replay or ())]
    return digest([request.control.config_hash, request.test.config_hash, recorded, list(names), programs])


def _guarded(place: Workspace, request: Request, stream: str, method: Method, design: Design) -> Experiment | None:
    """The recorded decision of this very test, if there is one.

    Raises:
        UsageError: If another test has seen pairs of this stream.
    """
    with contextlib.closing(open_store(place, redactor(place))) as store:
        for run, pairs, done in experiments(store):
            params = store.started(run.run_id).params
            if params.get("stream") != stream or not (pairs or done):
                continue
            asked = {"method": method.name, "design": to_json(design), "seed": str(request.test.seed)}
            asked["metric"] = method.measure.name
            known = {"metric": METHODS.get(params.get("method", "sprt")).measure.name, **params}
            changed = [f"{key}: {known.get(key)} -> {value}" for key, value in asked.items() if known.get(key) != value]
            if not changed and done is not None:
                return done
            if changed:
                said = f"decided it: {done.decision}" if done else f"has taken {len(pairs)} pairs of it"
                raise UsageError(
                    f"{request.test.experiment_id} against {request.control.experiment_id}: run {run.run_id} "
                    f"({params.get('method')}) {said}. Another test on the same stream of sessions would keep no error "
                    f"rate. What differs: {'; '.join(changed)}",
                    hint="go on with the recorded method and design, or give the test a new experiment_id, "
                    "which begins a new stream with sessions of its own",
                )
    return None


def _about(request: Request, stream: str, method: Method, design: Design, tasks: tuple[Task, Task] | None) -> About:
    told = {
        "stream": stream,
        "method": method.name,
        "design": to_json(design),
        "metric": method.measure.name,
        "seed": str(request.test.seed),
        "control": request.control.experiment_id,
        "test": request.test.experiment_id,
        **({"replay": request.source} if request.replay else {}),
        **({"hypothesis": request.test.hypothesis} if request.test.hypothesis else {}),
    }
    name = tasks[0].name if tasks else "experiments"
    return About(name, told, {key: told[key] for key in ("stream", "method", "design", "metric", "seed")})


def _producers(request: Request, tasks: tuple[Task, Task] | None, run: Opened) -> tuple[Producer, Producer]:
    if request.replay:
        return request.replay
    made: list[Producer] = []
    for index, arm in enumerate((request.control, request.test)):
        assert arm.producer is not None
        if arm.producer.kind == "command":
            made.append(CommandSessions(arm, arm.producer))
            continue
        assert tasks is not None
        assert run.asks is not None
        sessions = ProgramSessions.of(arm, tasks[index], run.asks.account)
        if arm.producer.rows == "all":
            run.asks.open_holdout(read_prompts(sessions.program).hash)
        made.append(sessions)
    return made[0], made[1]


# The outcome


def _outcome(request: Request, test: tuple[str, Method, Design], tally: Tally, run: Opened, begun: float) -> Experiment:
    stream, method, design = test
    state, fixed = tally.state, fixed_pairs(request.test.design)
    decision = state.decision.value if state.decision.final else "no decision"
    reason = state.reason
    if not state.decision.final:
        reason = f"the stream has ended. {reason}; NOT evidence of no effect"
    start = run.record.start
    notes = [] if method.measure.name == "success_rate" else [_compared(method)]
    if tally.left_out:
        notes.append(f"{tally.left_out} pairs were no evidence and were left out")
    return Experiment(
        run_id=run.id,
        stream=stream,
        method=method.name,
        design=json.loads(to_json(design)),
        decision=decision,
        reason=reason,
        control=_arm(request.control, tally.control, tally, request.replay[0].name if request.replay else ""),
        test=_arm(request.test, tally.test, tally, request.replay[1].name if request.replay else ""),
        pairs=state.n,
        left_out=tally.left_out,
        surplus=tally.surplus,
        fixed_n=fixed,
        saved=1 - state.n / fixed,
        started_at=start.started_at,
        seconds=time.perf_counter() - begun,
        seed=request.test.seed,
        replayed=request.replay is not None,
        hypothesis=request.test.hypothesis,
        offline=run.asks is not None and run.asks.task.offline,
        path=tuple(result.position for result in tally.results if result.difference is not None),
        notes=tuple(notes),
    )


def _compared(method: Method) -> str:
    said = f"what was compared: {method.measure.name}, {method.measure.summary}"
    return said if method.measure.counted else f"{said}; see that success has not been given up for it"


def _arm(config: ExperimentConfig, sessions: Sequence[Session], tally: Tally, name: str) -> Arm:
    """One arm over the pairs that entered the test."""
    counted = {name for r in tally.results if r.difference is not None for name in (r.control, r.test)}
    used = [s for s in sessions if s.id in counted]
    known = [s for s in used if s.success is not None]
    successes = sum(bool(s.success) for s in known)
    interval = wilson(successes, len(known)) if known else None
    return Arm(
        experiment_id=config.experiment_id,
        config_hash=config.config_hash,
        model=name or config.model_id or next((s.model for s in sessions), ""),
        guidelines=config.guidelines,
        sessions=len(used),
        successes=successes,
        rate=successes / len(known) if known else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        left_out=sum(not s.outcome.counts for s in sessions),
        tokens=_sum(s.tokens for s in sessions),
        cost_usd=_sum(s.cost_usd for s in sessions),
    )


def _sum(values: Iterable[Number | None]) -> Number | None:
    """The sum; None where any value is unknown."""
    total: Any = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _hindsight(request: Request, order: Sequence[tuple[str, int]]) -> Hindsight:
    """What all recorded pairs say by an exact sign test."""
    assert request.replay is not None
    control, test = request.replay
    pairs = [(control.by_place[place], test.by_place[place]) for place in order]
    counted = [(c, t) for c, t in pairs if c.outcome.counts and t.outcome.counts]
    wins = sum(bool(t.success) and not c.success for c, t in counted)
    losses = sum(bool(c.success) and not t.success for c, t in counted)
    p = exact_sign_test(wins, losses)
    decision = "accept" if p <= request.test.design.alpha else "reject"
    return Hindsight(len(counted), wins, losses, p, decision)


def _at(result: PairResult) -> str:
    position = "-" if result.position is None else f"{result.position:+.2f}"
    return f"{position} after {result.n} pairs"
