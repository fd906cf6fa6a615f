"""Evaluating one program on rows: every row ends with a score or with the reason why it has none."""

from __future__ import annotations

import contextvars
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from statistics import fmean as mean

import dspy

from calls.failures import Halt, describe_error
from calls.lm import RoleLM
from calls.meter import Meter, RowUsage
from core.errors import ModelError
from core.evaluation import Evaluation, Judgement, RowResult, RowStatus, total
from data.corpus import Row
from metrics.metric import Metric, judged, produced

FEW_ROWS = 20
"""Among so few rows the share that may fail is taken of this number: a few may be unlucky."""
OnRow = Callable[[RowResult, int, int], None]


class EvaluationInterrupted(KeyboardInterrupt):
    """Ctrl-C during an evaluation; ``evaluation`` keeps every row that was finished."""

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__("interrupted")
        self.evaluation = evaluation


@dataclass(frozen=True)
class Evaluator:
    """How to evaluate: with which model, adapter, metric and number of threads.

    As long as the model has not answered once, the first row goes alone: when it is unreachable or refuses the key,
    that one row says so.
    ``max_error_share`` is the share of rows that may fail by the model's fault; above it, or when no row was answered,
    the evaluation stops with a :class:`ModelError` that names the dominant error. With ``repeats`` every row
    is really run so many times, and its score is the mean over them.
    """

    lm: RoleLM
    adapter: dspy.ChatAdapter
    metric: Metric
    threads: int = 8
    max_error_share: float = 0.1
    repeats: int = 1

    def __call__(
        self,
        program: dspy.Module,
        rows: Sequence[Row],
        *,
        split: str,
        program_hash: str = "",
        on_row: OnRow | None = None,
    ) -> Evaluation:
        """Run the program on every row and judge what comes out.

        Returns:
            An evaluation in row order; results do not depend on the number of threads.

        Raises:
            ModelError: If too many rows fail by the model's fault, or the model is down or refuses the key.
            BudgetError: If the run's budget is used up.
            EvaluationInterrupted: On Ctrl-C; finished rows are kept.
        """
        stop = threading.Event()
        results: dict[str, RowResult] = {}

        def work(row: Row) -> RowResult:
            return _skipped(row) if stop.is_set() else self.row(program, row)

        def done(result: RowResult) -> None:
            results[result.row_id] = result
            if on_row is not None and result.status is not RowStatus.SKIPPED:
                on_row(result, len(results), len(rows))
            self.check_failing(results.values(), len(rows))

        pool = ThreadPoolExecutor(max_workers=max(1, self.threads), thread_name_prefix="evaluate")
        try:
            alone = 0 if self.lm.account.has_answered(self.lm.spec) else 1
            for row in rows[:alone]:
                done(self.row(program, row))
            futures: list[Future[RowResult]] = [
                pool.submit(contextvars.copy_context().run, work, row) for row in rows[alone:]
            ]
            for future in as_completed(futures):
                done(future.result())
        except Halt as halt:
            raise halt.cause from None
        except KeyboardInterrupt:
            stop.set()
            self.lm.account.interrupt()  # else rows that wait for an answer would hold up the end
            pool.shutdown(wait=True, cancel_futures=True)
            finished = tuple(results.get(row.id, _skipped(row)) for row in rows)
            raise EvaluationInterrupted(Evaluation(split, program_hash, finished)) from None
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return Evaluation(split, program_hash, tuple(results[row.id] for row in rows))

    def row(self, program: dspy.Module, row: Row) -> RowResult:
        """Run and judge one row, ``repeats`` times; its score is the mean, unless one of the times failed."""
        times = [self._once(program, row, repeat) for repeat in range(self.repeats)]
        first = next((time for time in times if time.status is not RowStatus.OK), times[0])
        judgements = [time.judgement for time in times if time.judgement is not None]
        scored = first.judgement is not None
        return RowResult(
            row_id=row.id,
            status=first.status,
            score=mean(j.score for j in judgements) if scored else None,
            fields=_field_means(judgements) if scored else {},
            feedback=first.judgement.feedback if first.judgement else "",
            inputs=dict(row.inputs),
            gold=dict(row.gold),
            prediction=first.answer.values,
            error=first.error,
            usage=total(time.answer.tally.usage for time in times),
            worth=total(time.answer.tally.worth for time in times),
            judging=total(time.judging.worth for time in times),
            latency=mean(time.answer.tally.seconds for time in times),
            companions=first.judgement.companions if first.judgement else {},
        )

    def _once(self, program: dspy.Module, row: Row, repeat: int) -> _Time:
        answer = run_row(program, row, self.lm, self.adapter, repeat)
        if answer.status is not RowStatus.OK:
            return _Time(answer, answer.status, None, answer.error, RowUsage())
        status, judgement, error, tally = judge_row(self.metric, row, answer.values, repeat)
        return _Time(answer, status, judgement, error, tally)

    def check_failing(self, results: Collection[RowResult], planned: int) -> None:
        """Raise once too many rows failed; a few rows at the start are allowed to be unlucky.

        Raises:
            ModelError: With the most frequent error.
        """
        errors = [r.error or "" for r in results if r.status is RowStatus.LM_ERROR]
        hopeless = len(errors) == planned
        if hopeless or len(errors) > self.max_error_share * max(len(results), FEW_ROWS):
            dominant, count = Counter(errors).most_common(1)[0]
            raise ModelError(
                f"{len(errors)} of {len(results)} rows failed by the model's fault; stopped. "
                f"Most frequent ({count}x): {dominant}"
            )


def _field_means(judgements: Sequence[Judgement]) -> dict[str, float]:
    """Mean per field over the judgements that have it; an evaluator may abstain on one answer and not on another."""
    names = dict.fromkeys(name for judgement in judgements for name in judgement.fields)
    return {name: mean(j.fields[name] for j in judgements if name in j.fields) for name in names}


@dataclass(frozen=True)
class Answered:
    """What a program gave for one row, before anybody judges it."""

    status: RowStatus
    values: dict[str, object]
    error: str | None
    tally: RowUsage


def run_row(program: dspy.Module, row: Row, lm: dspy.LM, adapter: dspy.Adapter, repeat: int = 0) -> Answered:
    """Run a program on one row; whatever goes wrong is the answer's status and error.

    Raises:
        Halt: When the run must end.
    """
    values, error = {}, None
    with Meter.row(row.id, repeat) as tally, dspy.context(lm=lm, adapter=adapter, trace=[], max_trace_size=0):
        try:
            values = produced(program(**row.inputs))
            status = RowStatus.OK
        except dspy.AdapterParseError as failure:
            status, error = RowStatus.PARSE_ERROR, describe_error(failure)
        except dspy.LMError as failure:
            status, error = RowStatus.LM_ERROR, f"{type(failure).__name__}: {describe_error(failure)}"
        except Exception as failure:  # noqa: BLE001 - a program is anybody's code; what it raised is stored
            status, error = RowStatus.METRIC_ERROR, f"program: {describe_error(failure)}"
    return Answered(status, values, error, tally)


def judge_row(
    metric: Metric, row: Row, values: Mapping[str, object], repeat: int = 0
) -> tuple[RowStatus, Judgement | None, str | None, RowUsage]:
    """Judge one answer; a judgement that fails is no score.

    Raises:
        Halt: When the run must end.
    """
    with Meter.row(row.id, repeat) as tally:
        try:
            return RowStatus.OK, judged(metric, row, values), None, tally
        except dspy.LMError as failure:
            status, error = RowStatus.LM_ERROR, f"{type(failure).__name__}: {describe_error(failure)}"
        except Exception as failure:  # noqa: BLE001 - a metric is anybody's code; what it raised is stored
            status, error = RowStatus.METRIC_ERROR, describe_error(failure)
    return status, None, f"metric {metric.name}: {error}", tally


@dataclass(frozen=True)
class _Time:
    """One of the times that a row was run."""

    answer: Answered
    status: RowStatus
    judgement: Judgement | None
    error: str | None
    judging: RowUsage


def _skipped(row: Row) -> RowResult:
    return RowResult(row.id, RowStatus.SKIPPED, inputs=dict(row.inputs), gold=dict(row.gold))
