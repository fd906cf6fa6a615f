"""What a task file may say: a closed schema with defaults, so that a small file is enough."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal, Self, cast

from pydantic import Field, field_validator, model_validator

from core.digest import DigestSection
from core.limits import LimitsSection
from core.own_code import OWN_CODE
from core.patterns import usable
from core.section import Section
from data.source import CorpusSection
from data.splits import SplitSection
from gates.catalog import GateSection
from metrics.catalog import AnyJudge, AnyMetric, FieldAgreementSpec
from metrics.fields import AnyField, InputSpec
from tasks.files import NAME
from tasks.stages import STAGES


class ReferenceSection(Section):
    """Who writes the references where the corpus has none, and which cell the others are compared with."""

    model: str | None = Field(default=None, description="The judge's model, or the reflector, by default.")
    prompt: str = Field(default="default", description="A name of `prompts`.")


class MatrixSection(Section):
    """How a matrix compares its cells."""

    margin: float = Field(default=0.05, gt=0, lt=1, description="How much worse is still good enough.")
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    baseline: str | None = Field(default=None, description="Model of the reference cell; the reference model else.")


class ModelsSection(Section):
    """Which model plays which role: an alias of models.yaml, or provider/model."""

    student: str = "offline/small"
    reflector: str = "offline/large"
    proposer: str | None = Field(default=None, description="Writes MIPROv2's instructions; the reflector by default.")
    candidates: tuple[str, ...] = Field(default=(), description="Models of the matrix; the student when empty.")

    @model_validator(mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        """A plain list names the models of the matrix."""
        return cast(Any, {"candidates": value}) if isinstance(value, (list, tuple)) else value


class OptimizerSection(Section):
    """How the prompt is improved."""

    name: str = Field(
        default="gepa", description="One, or several after each other, as in gepa,mipro; module:Name is one's own."
    )
    budget: Literal["light", "medium", "heavy"] | int = Field(
        default="light", description="Or a number of program rollouts; of several optimisers each has it."
    )
    seed: int = Field(default=0, ge=0)
    minibatch: int = Field(default=20, ge=1, description="Rows per reflection.")
    max_demos: int = Field(default=4, ge=0)
    limits: LimitsSection = LimitsSection()
    metadata_digest: DigestSection = Field(
        default=DigestSection(), description="How much of rows and their feedback whoever proposes is shown."
    )
    leave_one_out: str | None = Field(
        default=None,
        description="An input: the search is repeated without the rows of each of its values, to see whether what it "
        "finds helps on them.",
    )
    baseline_experiment: str | None = Field(
        default=None,
        description="A run, by its id in MLflow or its own, whose scores of the baseline on dev are fetched.",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="The optimiser's own keys; with several, under each one's name."
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The optimisers, in the order in which they search."""
        return tuple(self.name.split(","))

    @field_validator("name")
    @classmethod
    def _listed(cls, name: str) -> str:
        parts = [part.strip() for part in name.split(",")]
        if not all(parts) or len(set(parts)) < len(parts):
            raise ValueError("a name, or several different ones separated by commas")
        return ",".join(parts)

    @field_validator("budget")
    @classmethod
    def _positive(cls, budget: str | int) -> str | int:
        if isinstance(budget, int) and budget < 1:
            raise ValueError("a budget is at least 1 rollout")
        return budget


class RunSection(Section):
    """How a run behaves."""

    threads: int = Field(default=4, ge=1, le=256, description="Calls in flight.")
    max_error_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of calls that may fail for good before the run stops."
    )
    max_unreadable: int = Field(
        default=5, ge=1, description="Unreadable answers in a row of the reflector or proposer before the run stops."
    )
    max_cost: float | None = Field(default=None, gt=0, description="US dollars, over all roles together.")
    max_calls: int | None = Field(default=None, ge=1, description="Requests, over all roles together.")
    max_tokens: int | None = Field(default=None, ge=1, description="Input and output tokens together.")
    max_minutes: float | None = Field(default=None, gt=0)
    confirm_above: float = Field(default=5.0, ge=0, description="Forecast dollars above which a run asks first.")
    pilot: int = Field(default=10, ge=0, description="Dev rows run to forecast cost; kept, so nothing is wasted.")
    cache: bool = Field(default=True, description="Whether answers that other runs paid for are used.")
    fresh_roles: tuple[Literal["student", "reflector", "proposer", "judge", "reference", "teacher"], ...] = Field(
        default=(), description="Roles that never use answers of other runs."
    )
    redact: tuple[str, ...] = Field(default=(), description="Regular expressions masked before anything is stored.")

    @field_validator("redact")
    @classmethod
    def _usable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(usable, patterns))


class TrackingSection(Section):
    """What MLflow is told beside numbers and prompts; our own record always has everything."""

    rows: Literal["holdout", "none"] = Field(
        default="holdout",
        description="Rows of the holdout and of matrix cells as traces, or none, so that no text of a row gets there.",
    )
    max_rows: int = Field(default=500, ge=1, description="Rows of one run at most.")


class DistillationSection(Section):
    """That the gold rows are a teacher's verdicts; the report then says what the student keeps and saves."""

    transfer: tuple[str, ...] = Field(
        default=(), description="Further models that the winner's prompt is tried with on the holdout rows."
    )


def _strongest(given: Mapping[str, Any]) -> dict[str, Any]:
    """The reflector of a file that names its models in a plain list: the reference's model, or the judge's."""
    for name in ("reference", "judge"):
        section = given.get(name)
        if isinstance(section, dict) and (model := cast(dict[str, Any], section).get("model")):
            return {"reflector": model}
    return {}


class TaskConfig(Section):
    """A whole task file."""

    task: str = Field(pattern=NAME)
    description: str = ""
    program: str = Field(default="analyst", description="A program of the catalog, or module:Name of your own.")
    instruction: str | None = Field(default=None, description="The seed instruction.")
    adapter: Literal["chat", "json"] = "chat"
    inputs: dict[str, InputSpec] = Field(default_factory=dict)
    outputs: dict[str, AnyField] = Field(default_factory=dict)
    corpus: CorpusSection
    split: SplitSection = SplitSection()
    metric: AnyMetric = FieldAgreementSpec()
    models: ModelsSection = ModelsSection()
    prompts: dict[str, str | dict[str, str] | None] = Field(
        default_factory=lambda: {"default": None},
        description="Prompts of the matrix; null is the production prompt. Of a program with several predictors, "
        "instructions by predictor; those that are not named keep the production prompt's.",
    )
    production: str | None = Field(
        default=None,
        description="Where the production prompt is: champion, mlflow:NAME@ALIAS, a text file, or module:NAME. "
        "By default the champion, or the seed where there is none.",
    )
    reference: ReferenceSection = ReferenceSection()
    judge: AnyJudge | None = None
    matrix: MatrixSection = MatrixSection()
    optimizer: OptimizerSection = OptimizerSection()
    gate: GateSection = GateSection()
    run: RunSection = RunSection()
    tracking: TrackingSection = TrackingSection()
    distillation: DistillationSection | None = None

    @model_validator(mode="before")
    @classmethod
    def _what_follows(cls, value: Any) -> Any:
        """Fill in what a short file leaves open: program, input and metric follow from what it does say."""
        if not isinstance(value, dict):
            return value
        given = cast(dict[str, Any], value)
        judge, corpus, metric = given.get("judge"), given.get("corpus"), given.get("metric", {})
        judged = isinstance(judge, dict) and bool(cast(dict[str, Any], judge).get("criteria"))
        sourced = isinstance(corpus, dict) and "source" in corpus
        follows: dict[str, Any] = {}
        if not given.get("outputs") and "program" not in given:
            staged = given.get("task") in STAGES and not given.get("instruction")
            follows |= {"program": given["task"]} if staged else {"program": "llm_task"} if judged else {}
        if sourced and not given.get("inputs"):
            follows["inputs"] = {"transcript": {"type": "text"}}
        if judged and (sourced or not given.get("outputs")) and isinstance(metric, dict) and "name" not in metric:
            follows["metric"] = {**cast(dict[str, Any], metric), "name": "judge"}
        if isinstance(models := given.get("models"), (list, tuple)) and models:
            follows["models"] = {"candidates": models, "student": models[0], **_strongest(given)}
        return {**given, **follows}

    @model_validator(mode="after")
    def _has_outputs(self) -> Self:
        if not self.outputs and self.metric.name == "field_agreement":
            raise ValueError("outputs: name at least one output field, or a judge with criteria")
        if self.metric.name == "judge" and (self.judge is None or not self.judge.criteria):
            raise ValueError("metric.name: judge needs a judge section with criteria")
        if self.reference.prompt not in self.prompts:
            raise ValueError(f"reference.prompt: {self.reference.prompt!r} is not one of prompts: {[*self.prompts]}")
        if self.optimizer.leave_one_out not in (None, *self.inputs):
            named, known = self.optimizer.leave_one_out, ", ".join(self.inputs)
            raise ValueError(f"optimizer.leave_one_out: {named!r} is no input; inputs: {known}")
        bad = [n for n in (*self.inputs, *self.outputs) if not re.fullmatch(r"[A-Za-z_]\w*", n)]
        if bad:
            raise ValueError(f"field names must be identifiers, received {', '.join(map(repr, bad))}")
        both = sorted(set(self.inputs) & set(self.outputs))
        if both:
            raise ValueError(f"{', '.join(both)} is both an input and an output")
        return self

    @model_validator(mode="after")
    def _fits_its_source(self) -> Self:
        if self.corpus.source is None:
            return self
        if self.metric.name == "field_agreement":
            raise ValueError(
                "corpus.source: transcripts have no gold, which metric field_agreement compares with; "
                "name a metric of your own (metric.name: module:Name), or gold rows (corpus.path)"
            )
        named = self.corpus.field
        if named is None and len(self.inputs) != 1:
            raise ValueError(f"corpus.field: name the input that a transcript fills; inputs: {', '.join(self.inputs)}")
        unfilled = sorted(set(self.inputs) - {named}) if named else []
        if unfilled or (named and named not in self.inputs):
            raise ValueError(
                f"corpus.field: {named!r} must be the only input, because a transcript fills no other; "
                f"inputs: {', '.join(self.inputs) or 'none'}"
            )
        return self


def own_code_of(config: TaskConfig) -> dict[str, str]:
    """What a task file names as ``module:Name``, by key: a person's own code, which runs when the task is assembled."""
    said = {"program": config.program, "metric.name": config.metric.name, "production": config.production or ""}
    own = [name for name in config.optimizer.names if ":" in name]
    found = {key: name for key, name in said.items() if re.fullmatch(OWN_CODE, name)}
    return found | ({"optimizer.name": ", ".join(own)} if own else {})


def config_hash(config: TaskConfig) -> str:
    """Sixteen hex digits over everything a task file says, defaults included."""
    body = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def task_schema() -> dict[str, Any]:
    """JSON Schema of a task file, for editors; ``parent`` and ``DROP`` belong to files, not to the loaded task."""
    schema = TaskConfig.model_json_schema()
    schema["title"] = "Task"
    schema["properties"]["parent"] = {"type": "string", "description": "A task this file overrides parts of."}
    schema["required"] = []
    return schema
