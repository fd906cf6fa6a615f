"""What a metric is, and its two faces for DSPy's optimisers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import dspy

from calls.failures import Halt, describe_error
from calls.meter import name_row
from core.errors import ProvenError
from core.evaluation import Judgement
from core.plain import canonical, to_plain
from data.corpus import Row


class Metric(Protocol):
    """Judges one prediction against one row; the only definition of quality a task has."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def judge(self, row: Row, prediction: Any) -> Judgement:
        """Return score, per-field scores and feedback; raise when the prediction cannot be judged."""
        ...


@runtime_checkable
class TakesModels(Metric, Protocol):
    """A metric that asks language models; the run gives them to it, so that their calls are counted and capped."""

    def bound(self, lms: Sequence[dspy.LM]) -> Metric:
        """The metric with its models."""
        ...


class NoScoreError(ValueError):
    """What a metric returned is no score in [0, 1]."""


def judged(metric: Metric, row: Row, prediction: Any) -> Judgement:
    """Judge one prediction, and see that what comes back is a judgement.

    Raises:
        NoScoreError: If it is something else.
        Exception: What the metric raises.
    """
    found: Any = metric.judge(row, prediction)
    if not isinstance(found, Judgement):
        raise NoScoreError(f"judge() returned {found!r}; it must return a Judgement (core.evaluation)")
    return found


class MetricError(ProvenError):
    """A metric raised while an optimiser was running; the run ends, because a failure is not a score."""

    exit_code = 70


class RowExample(dspy.Example):
    """An example that says which row it is when a program is about to run on it, so that calls can be accounted."""

    def inputs(self) -> Any:
        """The input fields; every DSPy evaluation asks for them in the thread that then runs the program."""
        name_row(self.__dict__.get("_row_id", ""))
        return super().inputs()


def to_example(row: Row) -> dspy.Example:
    """A row as DSPy sees it: inputs and gold fields, and nothing else that a proposer could read."""
    example = RowExample(**row.inputs, **row.gold).with_inputs(*row.inputs)
    example.__dict__["_row_id"] = row.id
    return example


class ExampleBook:
    """Rows as examples, and the way back from an example to its row."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)
        self.examples = [to_example(row) for row in rows]
        self._by_identity = {id(example): row for example, row in zip(self.examples, self.rows, strict=True)}
        self._by_inputs = {canonical(dict(row.inputs)): row for row in reversed(self.rows)}

    def __add__(self, other: ExampleBook) -> ExampleBook:
        """Both books' rows, keeping the identity of their examples."""
        joined = ExampleBook(())
        joined.rows = self.rows + other.rows
        joined.examples = self.examples + other.examples
        joined._by_identity = {**self._by_identity, **other._by_identity}
        joined._by_inputs = {**self._by_inputs, **other._by_inputs}
        return joined

    def row(self, example: dspy.Example) -> Row:
        """The row of an example; a copy of an example is found by its inputs.

        Raises:
            KeyError: If the example is not of this book.
        """
        found = self._by_identity.get(id(example))
        if found is not None:
            return found
        return self._by_inputs[canonical(to_plain(dict(example.inputs())))]


def produced(prediction: Any) -> dict[str, Any]:
    """The output fields of a prediction as plain data."""
    return {name: to_plain(value) for name, value in prediction.items()} if prediction is not None else {}


class JudgementError(ProvenError):
    """A judge gave no usable score; the row stays without one."""

    exit_code = 70


class Unscored:
    """Answers that could not be judged, by row. An optimiser needs some number for them; our own record has none."""

    def __init__(self) -> None:
        self._answers: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def add(self, row_id: str, values: str) -> None:
        """Note an answer, given as canonical text."""
        with self._lock:
            self._answers.add((row_id, values))

    def has(self, row_id: str, prediction: Any) -> bool:
        """Whether this answer to this row could not be judged."""
        return bool(self._answers) and (row_id, canonical(produced(prediction))) in self._answers


class _Judge:
    """Judges once per (row, prediction): GEPA asks a metric twice for the same answer."""

    def __init__(self, metric: Metric, book: ExampleBook, unscored: Unscored) -> None:
        self.metric, self.book, self.unscored = metric, book, unscored
        self._memo: dict[tuple[str, str], Judgement] = {}
        self._lock = threading.Lock()

    def __call__(self, example: dspy.Example, prediction: Any) -> Judgement:
        row, values = self.book.row(example), produced(prediction)
        key = (row.id, canonical(values))
        with self._lock:
            if key in self._memo:
                return self._memo[key]
        try:
            judgement = judged(self.metric, row, values)
        except (JudgementError, dspy.LMError) as error:
            self.unscored.add(*key)
            return Judgement(0.0, feedback=f"This answer could not be judged: {describe_error(error)}")
        except Exception as error:
            raise Halt(
                MetricError(
                    f"metric {self.metric.name!r} failed on row {row.id!r}: {describe_error(error)}",
                    hint="a metric must return a score in [0, 1] for every prediction of the declared types",
                )
            ) from error
        with self._lock:
            self._memo[key] = judgement
        return judgement


def gepa_metric(metric: Metric, book: ExampleBook, unscored: Unscored) -> Callable[..., Any]:
    """The metric as GEPA wants it: score and feedback, callable with two to five arguments."""
    judge = _Judge(metric, book, unscored)

    def scored(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
        judgement = judge(gold, pred)
        return dspy.Prediction(score=judgement.score, feedback=judgement.feedback)

    return scored


def float_metric(metric: Metric, book: ExampleBook, unscored: Unscored) -> Callable[..., float]:
    """The metric as a plain float, for optimisers that take any truthy value for a success."""
    judge = _Judge(metric, book, unscored)

    def scored(gold: Any, pred: Any, trace: Any = None) -> float:
        return judge(gold, pred).score

    return scored
