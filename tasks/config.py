"""What a task file may say: a closed schema with defaults, so that a small file is enough."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FieldType = Literal["text", "categorical", "boolean", "number", "date", "array", "records"]
ComparatorName = Literal[
    "exact", "categorical", "boolean", "number", "date", "set_jaccard", "set_f1", "text", "records"
]
NAME = r"^[a-z][a-z0-9_-]*$"


class Section(BaseModel):
    """Base of every section: unknown keys are mistakes, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSpec(Section):
    """One input or output field: what the model is told about it, and how it is compared."""

    type: FieldType = "text"
    description: str = ""
    labels: tuple[str, ...] | None = Field(default=None, description="Allowed values of a categorical field.")
    item_labels: tuple[str, ...] | None = Field(default=None, description="Allowed elements of an array.")
    fields: dict[str, FieldSpec] | None = Field(default=None, description="Fields of each record, for type records.")
    weight: float = Field(default=1.0, gt=0, description="How much the field counts in the mean.")
    tolerance: float | None = Field(default=None, ge=0, description="Allowed absolute difference of a number.")
    comparator: ComparatorName | None = Field(default=None, description="How it is compared; follows from the type.")

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if self.type == "records" and not self.fields:
            raise ValueError("a field of type records needs 'fields'")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("labels are repeated")
        return self


class CorpusSection(Section):
    """Where the gold rows are."""

    path: str
    max_row_bytes: int = Field(default=5_000_000, gt=0)


class Fractions(Section):
    """Shares of train and dev; the rest is holdout."""

    train: float = Field(default=0.4, gt=0, lt=1)
    dev: float = Field(default=0.2, gt=0, lt=1)

    @model_validator(mode="after")
    def _leaves_a_holdout(self) -> Self:
        if self.train + self.dev >= 1:
            raise ValueError(f"train + dev = {self.train + self.dev:g} leaves no holdout; their sum must be below 1")
        return self


class SplitSection(Section):
    """How rows become train, dev and holdout."""

    salt: str = "1"
    tags: Literal["use", "ignore"] = Field(default="use", description="Whether a row's own split field counts.")
    fractions: Fractions = Fractions()
    counts: dict[Literal["train", "dev", "holdout"], int] | None = None
    stride: int | None = Field(
        default=None, ge=2, description="Every N-th untagged row, the first included, is holdout."
    )
    stratify_by: str | None = None
    leaks: Literal["error", "drop"] = Field(default="error", description="What to do with duplicates in two splits.")

    @field_validator("salt", mode="before")
    @classmethod
    def _salt_is_text(cls, salt: Any) -> Any:
        return str(salt) if isinstance(salt, int) and not isinstance(salt, bool) else salt

    @field_validator("counts")
    @classmethod
    def _all_three(cls, counts: dict[str, int] | None) -> dict[str, int] | None:
        if counts is not None and (set(counts) != {"train", "dev", "holdout"} or min(counts.values()) < 1):
            raise ValueError("counts needs train, dev and holdout, each at least 1")
        return counts


class MetricSection(Section):
    """How a prediction is judged."""

    name: str = Field(default="field_agreement", description="field_agreement, or module:Name of your own.")
    threshold: float = Field(
        default=0.7, ge=0, le=1, description="From this score on a trace is good enough for a demo."
    )
    reveal_gold: bool = Field(default=True, description="Whether feedback may quote gold values.")


class ModelsSection(Section):
    """Which model plays which role: an alias of models.yaml, or provider/model."""

    student: str = "offline/small"
    reflector: str = "offline/large"
    proposer: str | None = Field(default=None, description="Writes MIPROv2's instructions; the reflector by default.")


class OptimizerSection(Section):
    """How the prompt is improved."""

    name: str = "gepa"
    budget: Literal["light", "medium", "heavy"] | int = Field(
        default="light", description="Or a number of program rollouts."
    )
    seed: int = Field(default=0, ge=0)
    minibatch: int = Field(default=20, ge=1, description="Rows per reflection.")
    max_demos: int = Field(default=4, ge=0)
    settings: dict[str, Any] = Field(default_factory=dict)

    @field_validator("budget")
    @classmethod
    def _positive(cls, budget: str | int) -> str | int:
        if isinstance(budget, int) and budget < 1:
            raise ValueError("a budget is at least 1 rollout")
        return budget


class GuardSpec(Section):
    """A field that must not get worse by more than ``tolerance``."""

    field: str
    tolerance: float = Field(default=0.05, ge=0, le=1)


class GateSection(Section):
    """When a prompt may be promoted."""

    margin: float = Field(default=0.0, ge=-1, lt=1, description="The lift that must be exceeded.")
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    min_rows: int = Field(default=20, ge=5)
    repeats: int = Field(default=1, ge=1, description="Times that each holdout row is really run, per prompt.")
    beat_constant: bool = Field(default=True, description="Whether it must beat the best constant answer.")
    guards: tuple[GuardSpec, ...] = ()


class RunSection(Section):
    """How a run behaves."""

    threads: int = Field(default=4, ge=1, le=256, description="Calls in flight.")
    max_error_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of calls that may fail for good before the run stops."
    )
    max_cost: float | None = Field(default=None, gt=0, description="US dollars, over all roles together.")
    max_calls: int | None = Field(default=None, ge=1, description="Requests, over all roles together.")
    max_tokens: int | None = Field(default=None, ge=1, description="Input and output tokens together.")
    max_minutes: float | None = Field(default=None, gt=0)
    confirm_above: float = Field(default=5.0, ge=0, description="Forecast dollars above which a run asks first.")
    pilot: int = Field(default=6, ge=0, description="Dev rows run to forecast cost; kept, so nothing is wasted.")
    cache: bool = Field(default=True, description="Whether answers that other runs paid for are used.")
    fresh_roles: tuple[Literal["student", "reflector", "proposer", "teacher"], ...] = Field(
        default=(), description="Roles that never use answers of other runs."
    )
    redact: tuple[str, ...] = Field(default=(), description="Regular expressions masked before anything is stored.")

    @field_validator("redact")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return patterns


class DistillationSection(Section):
    """That the gold rows are a teacher's verdicts; the report then says what the student keeps and saves."""

    transfer: tuple[str, ...] = Field(
        default=(), description="Further models that the winner's prompt is tried with on the holdout rows."
    )


class TaskConfig(Section):
    """A whole task file."""

    task: str = Field(pattern=NAME)
    description: str = ""
    program: str = Field(default="analyst", description="A program of the catalog, or module:Name of your own.")
    instruction: str | None = Field(default=None, description="The seed instruction.")
    adapter: Literal["chat", "json"] = "chat"
    inputs: dict[str, FieldSpec] = Field(default_factory=dict)
    outputs: dict[str, FieldSpec] = Field(default_factory=dict)
    corpus: CorpusSection
    split: SplitSection = SplitSection()
    metric: MetricSection = MetricSection()
    models: ModelsSection = ModelsSection()
    optimizer: OptimizerSection = OptimizerSection()
    gate: GateSection = GateSection()
    run: RunSection = RunSection()
    distillation: DistillationSection | None = None

    @model_validator(mode="after")
    def _has_outputs(self) -> Self:
        if not self.outputs and self.metric.name == "field_agreement":
            raise ValueError("outputs: name at least one output field")
        bad = [n for n in (*self.inputs, *self.outputs) if not re.fullmatch(r"[A-Za-z_]\w*", n)]
        if bad:
            raise ValueError(f"field names must be identifiers, received {', '.join(map(repr, bad))}")
        both = sorted(set(self.inputs) & set(self.outputs))
        if both:
            raise ValueError(f"{', '.join(both)} is both an input and an output")
        return self


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
