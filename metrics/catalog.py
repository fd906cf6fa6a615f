"""The metrics and the kinds of judges that a task file may name, each with what it may say; knows no DSPy itself."""

# pyright: reportIncompatibleVariableOverride=false
# Sections are frozen, so that a subclass may narrow the type of a key.

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import Field

from core.catalog import Catalog
from core.own_code import OWN_CODE, mistake
from core.section import ChosenBy, Section
from metrics.field_agreement import FieldAgreement, FieldRule
from metrics.fields import FieldSpec
from metrics.rubric import JudgeSpec, PreferenceSpec, RubricSpec

if TYPE_CHECKING:
    import dspy

    from metrics.metric import Metric, TakesModels

OWN = "module:Name"
"""The member that stands for a person's own metric."""


@dataclass(frozen=True)
class JudgeKind:
    """A kind of judge; ``build`` makes it from its section, without its models."""

    name: str
    summary: str
    section: type[JudgeSpec]
    build: Callable[[Any, dspy.Adapter, bool], TakesModels]


def _rubric(spec: RubricSpec, adapter: dspy.Adapter, reveal_gold: bool) -> TakesModels:
    from metrics.judges import PairJudge, RubricMetric

    return RubricMetric(PairJudge(spec.criteria), adapter, spec.repeats, reveal_gold)


def _preference(spec: PreferenceSpec, adapter: dspy.Adapter, reveal_gold: bool) -> TakesModels:
    from metrics.judges import PreferenceJudge, PreferenceMetric

    return PreferenceMetric(PreferenceJudge(spec.criteria), adapter)


JUDGE_KINDS: Catalog[JudgeKind] = Catalog(
    "judge kind",
    (
        JudgeKind("rubric", "scores every criterion from 0 to 100", RubricSpec, _rubric),
        JudgeKind("preference", "prefers the output or the reference", PreferenceSpec, _preference),
    ),
)
AnyJudge = Annotated[JudgeSpec, ChosenBy("kind", JUDGE_KINDS, "rubric")]


class MetricSpec(Section):
    """What every metric may say."""

    name: str
    threshold: float = Field(
        default=0.7, ge=0, le=1, description="From this score on a trace is good enough for a demo."
    )

    @property
    def quotes_gold(self) -> bool:
        """Whether feedback may quote gold values."""
        return True


class _QuotesGold(MetricSpec):
    """What metrics say that compare with gold."""

    reveal_gold: bool = Field(default=True, description="Whether feedback may quote gold values.")

    @property
    def quotes_gold(self) -> bool:
        """As the file says."""
        return self.reveal_gold


class FieldAgreementSpec(_QuotesGold):
    """Agreement with gold, field by field."""

    name: Literal["field_agreement"] = "field_agreement"


class JudgeMetricSpec(_QuotesGold):
    """The judge of the ``judge`` section."""

    name: Literal["judge"]


class OwnMetricSpec(MetricSpec):
    """A metric of one's own: a function, a class or an instance."""

    name: str = Field(pattern=f"^{OWN_CODE}$", description="module:Name of your own metric.")
    settings: dict[str, Any] = Field(default_factory=dict, description="What a class is made with.")
    models: tuple[str, ...] = Field(default=(), description="Models that it asks; the run pays for them.")


class JudgedTask(Protocol):
    """What a metric is made of: the parts of a task file that say something about judging."""

    @property
    def outputs(self) -> Mapping[str, FieldSpec]:
        """The output fields."""
        ...

    @property
    def judge(self) -> JudgeSpec | None:
        """The judge, where the file has one."""
        ...

    @property
    def metric(self) -> MetricSpec:
        """The metric."""
        ...

    @property
    def reference(self) -> Any:
        """Who writes references: ``model``."""
        ...

    @property
    def models(self) -> Any:
        """The models by role: ``reflector``."""
        ...


@dataclass(frozen=True)
class MetricKind:
    """A metric that a task file may name.

    Attributes:
        name: What people type.
        summary: What it measures.
        section: What a task file may say about it.
        build: Makes it from its section, the task, the adapter and the workspace's folder, without its models.
        models: The names of the models that it asks.
        compares_gold: Whether a row without gold has no score.
    """

    name: str
    summary: str
    section: type[MetricSpec]
    build: Callable[[Any, JudgedTask, dspy.Adapter, Path], Metric]
    models: Callable[[Any, JudgedTask], tuple[str, ...]] = lambda spec, task: ()
    compares_gold: bool = True


def gold_agreement(outputs: Mapping[str, FieldSpec], *, reveal_gold: bool = True) -> FieldAgreement:
    """Agreement with gold over output fields, whatever metric a task is tuned by.

    Raises:
        ValueError: If there is no field.
    """
    rules = tuple(FieldRule(name, spec.comparison(), spec.weight) for name, spec in outputs.items())
    return FieldAgreement(rules, reveal_gold=reveal_gold)


def judge_metric(task: JudgedTask, adapter: dspy.Adapter) -> TakesModels:
    """The judge of a task file, without its models.

    Raises:
        ConfigError: If the task has no criteria.
    """
    spec = task.judge
    if spec is None or not spec.criteria:
        raise mistake("judge.criteria", "the task has no rubric; name at least one criterion")
    return JUDGE_KINDS.get(spec.kind).build(spec, adapter, task.metric.quotes_gold)


def judge_models(task: JudgedTask) -> tuple[str, ...]:
    """The judge's models: its own, or the reference's, or the reflector, and then the panel."""
    spec = task.judge
    first = (spec.model if spec is not None else None) or task.reference.model or task.models.reflector
    return (first, *(spec.panel if spec is not None else ()))


def _agreement(spec: FieldAgreementSpec, task: JudgedTask, adapter: dspy.Adapter, root: Path) -> Metric:
    return gold_agreement(task.outputs, reveal_gold=spec.reveal_gold)


def _judge(spec: JudgeMetricSpec, task: JudgedTask, adapter: dspy.Adapter, root: Path) -> Metric:
    return judge_metric(task, adapter)


def _own(spec: OwnMetricSpec, task: JudgedTask, adapter: dspy.Adapter, root: Path) -> Metric:
    from metrics.own import own_metric

    return own_metric(spec.name, spec.settings, takes_models=bool(spec.models), root=root)


METRICS: Catalog[MetricKind] = Catalog(
    "metric",
    (
        MetricKind("field_agreement", "agreement with gold, field by field", FieldAgreementSpec, _agreement),
        MetricKind(
            "judge", "a judge by language model", JudgeMetricSpec, _judge, lambda spec, task: judge_models(task)
        ),
        MetricKind(
            OWN, "a metric of your own", OwnMetricSpec, _own, lambda spec, task: spec.models, compares_gold=False
        ),
    ),
)


def metric_kind(name: str) -> MetricKind:
    """The member that a metric's name in a task file means.

    Raises:
        UsageError: If there is none.
    """
    return METRICS.get(_member(name))


def _member(name: str) -> str:
    return OWN if ":" in name else name


AnyMetric = Annotated[MetricSpec, ChosenBy("name", METRICS, "field_agreement", _member)]
