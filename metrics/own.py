"""A person's own metric: a plain DSPy metric or one of ours, as a function, a class or an instance."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import dspy

from calls.failures import describe_error
from core.catalog import did_you_mean
from core.evaluation import Judgement
from core.own_code import mistake, own_code
from data.corpus import Row
from metrics.evaluators import Evaluators
from metrics.metric import Metric, NoScoreError, TakesModels, judged, to_example

PLAIN = "f(example, pred, trace=None) or f(example, pred, trace, pred_name, pred_trace)"
ALLOWED = "a number in [0, 1], True or False, or dspy.Prediction(score=..., feedback=...)"


@dataclass(frozen=True)
class PlainMetric:
    """A plain DSPy metric, ``f(example, pred, trace=None)`` or GEPA's form with five arguments.

    It always judges and never bootstraps: ``trace`` is None, so that a metric which answers with a truth value while
    demos are gathered gives its score all the same. With models of its own, the first is the one that DSPy asks by
    default inside of it.

    Args:
        function: The metric.
        name: What reports call it.
        arguments: How many positional arguments it has to be called with, at least two.
    """

    function: Callable[..., Any]
    name: str
    arguments: int = 2
    lms: tuple[dspy.LM, ...] = ()

    def bound(self, lms: Sequence[dspy.LM]) -> PlainMetric:
        """The metric with its models."""
        return replace(self, lms=tuple(lms))

    def judge(self, row: Row, prediction: Any) -> Judgement:
        """Judge one prediction.

        Raises:
            NoScoreError: If what the metric returns is no score in [0, 1].
        """
        pred = dspy.Prediction(**prediction) if isinstance(prediction, Mapping) else prediction
        return self.of_example(to_example(row), pred)

    def of_example(self, example: dspy.Example, prediction: Any) -> Judgement:
        """Judge as DSPy does; the errors are those of :meth:`judge`."""
        rest = [None] * (self.arguments - 2)
        with dspy.context(lm=self.lms[0]) if self.lms else nullcontext():
            return as_judgement(self.function(example, prediction, *rest))


def as_judgement(found: Any) -> Judgement:
    """What a plain metric returned, as a judgement; nothing is clipped.

    Raises:
        NoScoreError: If it is no score in [0, 1].
    """
    if isinstance(found, Judgement):
        return found
    score, feedback = found, ""
    if isinstance(found, (dspy.Prediction, Mapping)):
        if "score" not in found:
            raise NoScoreError(f"returned {found!r}, which has no score; allowed: {ALLOWED}")
        score, feedback = found["score"], found.get("feedback") or ""
    if not isinstance(score, numbers.Real):
        raise NoScoreError(f"returned {_shown(score)}; allowed: {ALLOWED}")
    value = float(score)
    if not math.isfinite(value) or not 0.0 <= value <= 1.0:
        raise NoScoreError(f"returned {value!r}, which is outside [0, 1]; allowed: {ALLOWED}")
    return Judgement(value, feedback=str(feedback))


def try_on(metric: Metric, row: Row, outputs: Sequence[str]) -> None:
    """See on one row that a metric gives a score: its gold is the answer, or its first input where it has none.

    Where the answer is made up, only what is returned counts: a metric may refuse such an answer.

    Raises:
        ConfigError: If it raises, or returns what is no score.
    """
    answer = dict(row.gold) or dict.fromkeys(outputs, next(iter(row.inputs.values())))
    try:
        judged(metric, row, answer)
    except Exception as error:
        if row.gold or isinstance(error, NoScoreError):
            what = "its gold as the answer" if row.gold else "its input as the answer"
            said = describe_error(error) if isinstance(error, NoScoreError) else f"{type(error).__name__}: {error}"
            raise mistake("metric.name", f"{metric.name}, tried on row {row.id!r} with {what}: {said}") from error


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:80]} (a {type(value).__name__})" if value is not None else text


def own_metric(path: str, settings: Mapping[str, Any], *, takes_models: bool, root: Path) -> Metric:
    """Make the metric that ``module:Name`` stands for: an instance, a class made with its settings, or a function.

    A list of functions is a list of evaluators (:mod:`metrics.evaluators`).

    Raises:
        ConfigError: If it cannot be loaded or made, is no metric, or is given settings or models that it cannot take.
    """
    found: Any = own_code(path, "metric.name", root)
    if isinstance(found, type):
        found = _made(found, path, settings)
    elif settings:
        raise mistake("metric.settings", f"{path} is no class, so nothing is made with settings")
    if _several(found):
        return Evaluators(tuple(found), path)
    if callable(getattr(found, "judge", None)):
        if takes_models and not isinstance(found, TakesModels):
            raise mistake("metric.models", f"{path} takes no models; give it bound(self, lms), which returns a metric")
        return found if isinstance(getattr(found, "name", None), str) else _Named(found, path)
    if not callable(found):
        kind = type(found).__name__
        raise mistake(
            "metric.name",
            f"{path} is a {kind}; a metric is {PLAIN}, a list of evaluators, or has judge(row, prediction)",
        )
    return PlainMetric(found, path, _arguments(found, path))


def _several(found: Any) -> bool:
    return isinstance(found, list) and bool(found) and all(map(callable, cast(list[Any], found)))


@dataclass(frozen=True)
class _Named:
    """A metric of ours that does not say what it is called."""

    metric: Any
    name: str

    def bound(self, lms: Sequence[dspy.LM]) -> _Named:
        """The metric with its models."""
        return replace(self, metric=self.metric.bound(lms))

    def judge(self, row: Row, prediction: Any) -> Judgement:
        """What the metric says."""
        return self.metric.judge(row, prediction)


def _made(kind: type, path: str, settings: Mapping[str, Any]) -> Any:
    try:
        known = [*inspect.signature(kind).parameters]
    except (ValueError, TypeError):
        known = []
    hint = next((h for name in settings if name not in known and (h := did_you_mean(name, known))), None)
    try:
        return kind(**settings)
    except Exception as error:
        said = f"{type(error).__name__}: {describe_error(error)}"
        raise mistake("metric.settings", f"{path} cannot be made with {dict(settings)}: {said}", hint) from error


def _arguments(function: Callable[..., Any], path: str) -> int:
    """How many positional arguments a plain metric needs."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return 2
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    any_number = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    needed = sum(p.default is p.empty for p in positional)
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if needed > 5 or named or (len(positional) < 2 and not any_number):
        raise mistake(
            "metric.name",
            f"{path}{inspect.signature(function)} is no metric; a metric is {PLAIN}",
        )
    return max(2, needed)
