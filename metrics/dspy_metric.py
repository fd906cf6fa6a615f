"""A task's metric as DSPy calls it, in anybody's own script: ``dspy.Evaluate``, ``dspy.GEPA``, ``dspy.MIPROv2``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dspy

from calls.failures import Halt, describe_error
from calls.meter import Meter
from core.evaluation import Judgement
from core.plain import to_plain
from data.corpus import Row, content_id
from metrics.metric import Metric, MetricError, judged, produced
from metrics.own import PlainMetric

GIVE_GOLD = "give every example its gold fields: dspy.Example(text=..., team=...).with_inputs('text')"


class Score(dspy.Prediction):
    """Score and feedback, in the one form that all of DSPy takes.

    A number where one is wanted (``dspy.Evaluate``, MIPROv2), score with feedback for GEPA, and true from the task's
    ``metric.threshold`` on where a demo is accepted or not: any other ``dspy.Prediction`` is true whatever its score.
    """

    def __init__(self, judgement: Judgement, threshold: float) -> None:
        super().__init__(score=judgement.score, feedback=judgement.feedback)
        self._threshold = threshold

    def __bool__(self) -> bool:
        return self.score >= self._threshold


class DspyMetric:
    """A metric of ours, callable with DSPy's examples and predictions; nobody has to know the rows beforehand.

    What cannot be scored ends the run of whoever asked: DSPy counts an ``Exception`` in a metric as a score of zero.

    Args:
        metric: The metric, with its models where it asks any.
        inputs: The input fields that the task names; those that the example marks as inputs when empty.
        outputs: The output fields; every other field of the example when empty.
        threshold: From this score on a trace is good enough for a demo.
        compares_gold: Whether an example without gold has no score.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        threshold: float = 0.7,
        compares_gold: bool = True,
    ) -> None:
        self.metric, self.threshold, self.compares_gold = metric, threshold, compares_gold
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.__name__ = metric.name

    def __call__(
        self, example: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> Score:
        """Judge one prediction; ``trace`` and what follows is what DSPy hands over, and changes nothing.

        Raises:
            Halt: If the example has no gold, the prediction has none of the fields that are compared, or the metric
                fails. Not an ``Exception``, because every part of DSPy would make a zero of one.
        """
        row = self._row(example)
        with Meter.row(row.id):
            try:
                if isinstance(self.metric, PlainMetric):
                    return Score(self.metric.of_example(example, pred), self.threshold)
                return Score(judged(self.metric, row, self._answer(row, pred)), self.threshold)
            except Exception as error:
                said = f"{type(error).__name__}: {describe_error(error)}"
                raise _refused(self.metric, f"failed on example {row.id!r} ({_shown(row.inputs)}): {said}") from error

    def _row(self, example: Any) -> Row:
        fields = {name: to_plain(value) for name, value in dict(example).items()}
        marked = getattr(example, "_input_keys", None) or ()
        ins = [name for name in (self.inputs or marked) if name in fields]
        wanted = self.outputs or [name for name in fields if name not in ins]
        inputs = {name: fields[name] for name in ins}
        gold = {name: fields[name] for name in wanted if name in fields}
        if self.compares_gold and not gold:
            has = ", ".join(fields) or "nothing"
            compared = f"it compares {', '.join(self.outputs)}" if self.outputs else "none of them is gold"
            raise _refused(self.metric, f"the example has no gold: it has {has}, and {compared}", GIVE_GOLD)
        return Row(example.__dict__.get("_row_id") or content_id(inputs), inputs, gold)

    def _answer(self, row: Row, pred: Any) -> dict[str, Any]:
        answer = produced(pred)
        if self.compares_gold and not set(answer) & set(row.gold):
            raise _refused(
                self.metric,
                f"the prediction has {', '.join(answer) or 'nothing'}, and none of what is compared: "
                f"{', '.join(row.gold)}",
                "name the program's outputs as the task does",
            )
        return answer


def _refused(metric: Metric, message: str, hint: str | None = None) -> Halt:
    return Halt(MetricError(f"metric {metric.name!r}: {message}", hint=hint))


def _shown(inputs: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name}={value!r}" for name, value in inputs.items())
    return text if len(text) <= 120 else f"{text[:120]}..."
