"""The main job: baseline, search, one opening of the holdout, verdict."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from calls.failures import Halt
from core.candidate import Candidate, ProgramPrompts
from core.errors import BudgetError, DataError
from core.evaluation import Evaluation, RowStatus
from core.optimization import BASELINES, LeftOut, Optimization, Plan
from core.plain import digest, from_json, to_json
from core.verdict import Decision, Verdict
from gates.catalog import build_gate
from metrics.metric import ExampleBook, MetricError
from optimizers.base import Journal, Optimizer, Search, SearchSize, rollouts
from optimizers.evidence import decide
from optimizers.judge_check import FEWEST, check_judge
from optimizers.leave_one_out import kinds_of, left_out, without
from optimizers.own import own_source
from optimizers.plan import PlannedSearch, judging_runs, lift_forecasts, plan_run, run_pilot, verdicts_of
from optimizers.search import quiet, run_search
from optimizers.settings import chosen_optimizers, limits_of, named_text, settings_of, texts_named
from optimizers.stored_baseline import dev_evaluator
from programs.prompts import apply_prompts, diff_prompts, predictors, read_prompts, schema_hash
from tasks.open_run import OpenRun, ending_of
from tasks.purpose import Purpose
from tasks.task import ROLES, Task
from tracking.events import EventKind
from tracking.provenance import Provenance, provenance_of

SHARE = 2 / 3
"""Of the train rows in a minibatch at most: reflections that see all rows every time are all the same."""


def purpose_of(task: Task, *, dry: bool = False) -> Purpose:
    """What a search of this task is for, as its run says it; a dry run only forecasts.

    Raises:
        UsageError: If there is no such optimiser.
        ConfigError: If it does not take the task's settings.
    """
    settings = task.config.optimizer
    optimizers = chosen_optimizers(task)
    named = zip(settings.names, optimizers, strict=True)
    code = {f"code of {name}": digest(own_source(optimizer)) for name, optimizer in named if ":" in name}
    kind = "forecast" if dry else "distill" if task.config.distillation is not None else "optimize"
    params = {
        "optimizer": settings.name,
        "budget": str(settings.budget),
        "seed": str(settings.seed),
        "minibatch": str(settings.minibatch),
        "max_demos": str(settings.max_demos),
        "baseline": task.baseline,
    }
    return Purpose(kind, params, {"optimizer": settings.name, **code, **texts_named(task, optimizers)})


def search_size(task: Task, optimizer: Optimizer) -> SearchSize:
    """The size of the search that the task asks an optimiser for; of several, each has the whole budget."""
    settings, train, dev = task.config.optimizer, len(task.splits.train), len(task.splits.dev)
    return SearchSize(
        train=train,
        dev=dev,
        predictors=len(predictors(task.program)),
        rollouts=rollouts(settings.budget, train, dev),
        minibatch=min(settings.minibatch, math.ceil(SHARE * train)),
        max_demos=settings.max_demos,
        settings=settings_of(settings, optimizer),
    )


def planned_searches(task: Task) -> tuple[PlannedSearch, ...]:
    """The searches of a task before any pilot, in their order."""
    return tuple(PlannedSearch(optimizer, search_size(task, optimizer)) for optimizer in chosen_optimizers(task))


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


def search_of(run: OpenRun, shape: SearchSize, journal: Journal) -> Search:
    """What an optimiser may use in this run."""
    task = run.task
    return Search(
        program=apply_prompts(task.program, read_prompts(task.program)),
        train=ExampleBook(task.splits.train),
        dev=ExampleBook(task.splits.dev),
        metric=run.evaluate.metric,
        student=run.lms["student"],
        reflector=run.lms["reflector"],
        proposer=run.lms["proposer"],
        adapter=task.adapter,
        shape=shape,
        seed=task.config.optimizer.seed,
        threads=task.config.run.threads,
        threshold=task.config.metric.threshold,
        journal=journal,
        max_unreadable=task.config.run.max_unreadable,
        about=task.config.description or task.name,
        limits=limits_of(task),
        digest=task.config.optimizer.metadata_digest,
        folder=run.place.mlruns / "searches" / run.id,
        text_of=lambda name: named_text(run.store, task.root, name),
    )


def forecast(run: OpenRun) -> Plan:
    """Say what a search would cost; what the pilot asks stays in the ledger, so that the search does not pay it again.

    Raises:
        ModelError: If a model is unreachable or refuses the key.
        BudgetError: If a cap is reached inside the pilot.
    """
    task = run.task
    nobody = Journal(run.account.meter, tuple(row.id for row in task.splits.dev), lambda candidate: None)

    def tried(planned: PlannedSearch) -> PlannedSearch:
        search = search_of(run, planned.shape, nobody)
        return replace(planned, pilot=run_pilot(task, planned.optimizer, search, evaluate, run.progress))

    evaluate = dev_evaluator(run)
    with quiet(debug=run.options.debug):
        searches = [tried(planned) for planned in planned_searches(task)]
    kinds = kinds_of(task)
    searches += [part for each in searches for kind in kinds if (part := without(task, each, kind)) is not None]
    return plan_run(task, searches, threads=task.config.run.threads, opening=run.upcoming_opening())


def optimize(run: OpenRun) -> Optimization:
    """Search for better prompts and let the gate decide whether they are.

    The holdout is opened at most once, after the search is over, and only if the winner is not the seed. A run whose
    budget ends, or that is asked to stop, returns its best candidate so far with an INCONCLUSIVE verdict, and can be
    continued. A run that was killed after its verdict returns that verdict: nothing is decided twice.

    Raises:
        DataError: If there are no rows to prove a lift on.
        ModelError: If a model is unreachable, refuses the key or keeps failing; nothing is registered then.
        BudgetError: If the budget ended before the baseline was scored, or the forecast was not accepted.
    """
    task = run.task
    if not task.splits.dev or not task.splits.holdout:
        raise DataError(f"{task.corpus.path}: nothing to prove a lift on: {'; '.join(task.splits.notes)}")
    decided = run.store.last(run.id, EventKind.FINISHED)
    if decided is not None:
        outcome = from_json(Optimization, decided.payload)
        if outcome.ended == "finished":
            return outcome
    return _Job(run, time.perf_counter()).result()


@dataclass
class _Job:
    """One search from baseline to verdict."""

    run: OpenRun
    started: float
    dev: Evaluation | None = None
    journal: Journal | None = None
    plan: Plan | None = None
    judge_note: str | None = None
    opened: bool = False
    left_out: tuple[LeftOut, ...] = ()

    @property
    def task(self) -> Task:
        return self.run.task

    def result(self) -> Optimization:
        """Do it; a budget that ends after the baseline gives a result all the same."""
        try:
            holdout, verdict = self._work()
        except (Halt, BudgetError) as error:
            cause = error.cause if isinstance(error, Halt) else error
            if not isinstance(cause, BudgetError) or self.journal is None or not self.journal.candidates:
                raise
            self.run.record.ending = ending_of(cause)
            holdout = (None, None)
            where = "the gate had not decided yet" if self.opened else "the holdout was not opened"
            verdict = Verdict(Decision.INCONCLUSIVE, (cause.message, where))
        result = self._optimization(holdout, verdict, self.run.record.ending)
        self.run.record.emit(EventKind.PROVENANCE, self._provenance(result))
        self.run.record.emit(EventKind.FINISHED, result)
        return result

    def _provenance(self, result: Optimization) -> Provenance:
        """The sealed record of the outcome as it will be stored: without secrets."""
        payload = self.run.store.redact.json(to_json(result))
        stored = from_json(Optimization, payload)
        used = [self.task.models[r].offline for r, u in result.usage.items() if u.calls + u.hits and r in ROLES]
        backend = "offline" if all(used) else "mixed" if any(used) else "real"
        return provenance_of(stored, payload, backend=backend, diff=diff_prompts(stored.baseline, stored.winner))

    def _work(self) -> tuple[tuple[Evaluation | None, Evaluation | None], Verdict]:
        task, run, progress = self.task, self.run, self.run.progress
        seed, dev = read_prompts(task.program), task.splits.dev
        self.plan = run.priced(forecast(run))
        run.forecast(self.plan)
        self.judge_note = self._check_judge(seed)
        progress.note(f"to be beaten: {BASELINES[task.baseline]}, {seed.hash}")
        progress.phase("baseline on dev", len(dev) * len(seed.prompts))
        self.dev = dev_evaluator(run)(task.program, task.splits.dev, split="dev", program_hash=seed.hash)
        _check_scored(self.dev)
        self._outlook("after the baseline")
        self.journal = journal = Journal(
            run.account.meter, tuple(row.id for row in task.splits.dev), self._on_candidate
        )
        journal.on_refused = lambda reason: progress.note(f"a proposal was refused before a row was run: {reason}")
        journal.record("seed", seed, {r.row_id: r.score for r in self.dev.scored if r.score is not None})
        left = round(self.plan.roles["student"].calls.expected) - (len(dev) + judging_runs(task))
        searches = planned_searches(task)
        for planned in searches:
            name = planned.optimizer.name
            journal.optimizer = name if len(searches) > 1 else ""
            progress.phase(f"search with {name}", left // len(searches))
            run_search(planned.optimizer, search_of(run, planned.shape, journal), debug=run.options.debug)
        judged = self._judge(journal.candidates[0], journal.best())
        self._leave_out(searches)
        return judged

    def _leave_out(self, searches: Sequence[PlannedSearch]) -> None:
        """Search again without each kind of rows; a budget that ends here takes nothing away from the verdict."""
        assert self.dev is not None
        assert self.journal is not None
        try:
            self.left_out = left_out(self.run, self.dev, searches, search_of)
        except (Halt, BudgetError) as error:
            cause = error.cause if isinstance(error, Halt) else error
            if not isinstance(cause, BudgetError):
                raise
            self.journal.notes.append(f"the search was not repeated without each kind of rows: {cause.message}")

    def _check_judge(self, seed: ProgramPrompts) -> str | None:
        task = self.task
        if not task.judges:
            return None
        rows, evaluate = task.splits.dev[: max(task.config.run.pilot, 2 * FEWEST)], dev_evaluator(self.run)
        return check_judge(
            task, self.run.evaluate.metric, evaluate(task.program, rows, split="dev", program_hash=seed.hash)
        )

    def _on_candidate(self, candidate: Candidate) -> None:
        assert self.journal is not None
        best = self.journal.best()
        self.run.record.candidate(candidate)
        self.run.progress.candidate(candidate, best)
        if candidate.index and best.index == candidate.index:
            self._outlook(f"with candidate {candidate.index}", candidate.dev_scores)

    def _outlook(self, when: str, best: Mapping[str, float] | None = None) -> None:
        """Tell whoever watches what the holdout is going to say, by the dev rows that are known."""
        assert self.dev is not None
        known = {r.row_id: r.score for r in self.dev.scored if r.score is not None}
        rows = [row for row in known if best is None or row in best]
        seed, found = [known[row] for row in rows], [best[row] for row in rows] if best is not None else []
        verdicts = verdicts_of(self.task, seed, found, opening=self.run.upcoming_opening() or 1)
        self.run.progress.outlook(lift_forecasts(verdicts) if verdicts else (), when)

    def _judge(self, seed: Candidate, winner: Candidate) -> tuple[tuple[Evaluation | None, Evaluation | None], Verdict]:
        """Open the holdout once and let the gate decide; a winner that is the seed is held without opening it."""
        if winner.prompts.hash == seed.prompts.hash:
            return (None, None), build_gate(self.task.config.gate, self.task.root).no_op()
        self.opened = True
        evidence, verdict = decide(self.run, (seed.prompts, seed.dev_score), (winner.prompts, winner.claim))
        return (evidence.champion, evidence.challenger), verdict

    def _warnings(self, journal: Journal) -> tuple[str, ...]:
        found = list(self.task.splits.notes)
        if self.judge_note:
            found.append(self.judge_note)
        incomplete = sum(not candidate.complete for candidate in journal.candidates)
        if incomplete:
            found.append(f"{incomplete} of {len(journal.candidates)} candidates had dev rows without a score")
        names = [optimizer.name for optimizer in chosen_optimizers(self.task)]
        idle = [name for name in names if not any(c.optimizer in ("", name) for c in journal.candidates[1:])]
        found += [f"{name} proposed nothing new that it wanted to try on dev" for name in idle]
        found += journal.notes
        found += [f"{count} proposals refused before a row was run: {why}" for why, count in journal.refused.items()]
        account = self.run.account
        if account.failed_for_good:
            found.append(f"{account.failed_for_good} calls failed for good; last: {account.meter.last_error}")
        return tuple(found)

    def _optimization(
        self, holdout: tuple[Evaluation | None, Evaluation | None], verdict: Verdict, ended: str
    ) -> Optimization:
        assert self.journal is not None
        assert self.dev is not None
        assert self.plan is not None
        task, start, winner = self.task, self.run.record.start, self.journal.best()
        return Optimization(
            run_id=start.run_id,
            task=task.name,
            description=task.config.description,
            optimizer=task.config.optimizer.name,
            seed=task.config.optimizer.seed,
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
            usage=self.run.account.spent(),
            schema_hash=schema_hash(task.program),
            categorical=task.categorical,
            offline=task.offline,
            warnings=self._warnings(self.journal),
            refused=dict(self.journal.refused),
            left_out=self.left_out,
            ended=ended,
        )
