"""The assembled task: everything a run needs, built once from a task file, downward, and frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

from calls.account import Account
from calls.lm import RoleLM, build_lm
from calls.models import ModelSpec, find_model, load_models
from calls.wire import with_known_price
from core.candidate import ProgramPrompts
from core.errors import ConfigError, DataError
from core.workspace import HOME, Workspace
from data.corpus import Corpus
from data.source import read_rows
from data.splits import Splits, make_splits
from gates.catalog import gate_problems
from gates.gate import TaskFacts
from metrics.catalog import OWN, FieldAgreementSpec, JudgeMetricSpec, judge_models, metric_kind
from metrics.dspy_metric import DspyMetric
from metrics.evaluate import Evaluator
from metrics.metric import Metric, TakesModels
from metrics.own import try_on
from metrics.rubric import RubricSpec
from programs import build_program
from programs.prompts import apply_prompts, make_adapter, predictors
from tasks.config import TaskConfig, config_hash
from tasks.gold import gold_problems
from tasks.loading import load_task

ROLES = ("student", "reflector", "proposer")


@dataclass(frozen=True)
class Task:
    """A named goal, ready to run."""

    config: TaskConfig
    config_hash: str
    corpus: Corpus
    splits: Splits
    program: dspy.Module
    metric: Metric
    adapter: dspy.ChatAdapter
    models: Mapping[str, ModelSpec]
    judges: tuple[ModelSpec, ...] = ()
    """Models of the judge, when the metric is one."""

    @property
    def specs(self) -> tuple[ModelSpec, ...]:
        """Every model that a run may ask."""
        return (*self.models.values(), *self.judges)

    root: Path = HOME
    """The workspace that relative paths of the task are relative to."""
    baseline: str = "seed"
    """What its program's prompts are, and so what a search has to beat: a key of ``core.optimization.BASELINES``."""

    @property
    def name(self) -> str:
        """The task's name."""
        return self.config.task

    @property
    def offline(self) -> bool:
        """Whether any role is played by the embedded stand-in."""
        return any(spec.offline for spec in self.specs)

    @property
    def offline_only(self) -> bool:
        """Whether every role is played by the embedded stand-in, so that money is nominal."""
        return all(spec.offline for spec in self.specs)

    @property
    def categorical(self) -> dict[str, tuple[str, ...]]:
        """Output fields with a closed set of labels, truth values included."""
        return {name: spec.values for name, spec in self.config.outputs.items() if spec.values is not None}

    def starting_from(self, prompts: ProgramPrompts, baseline: str) -> Task:
        """The same task with other prompts to start from; ``baseline`` says what they are."""
        return dataclasses.replace(self, program=apply_prompts(self.program, prompts), baseline=baseline)


def read_config(
    workspace: Workspace, name: str, sets: Sequence[str], patch: Mapping[str, Any] | None = None
) -> TaskConfig:
    """Read a task file of the workspace, with a patch and overrides."""
    return load_task(name, workspace=workspace.root, sets=sets, patch=patch)


@dataclass(frozen=True)
class Outline:
    """A task as far as it can be read without running anybody's code.

    Attributes:
        config: The task file.
        corpus: Its rows.
        splits: Its rows, split.
        models: The model of every role.
        judges: Models of the judge, when the metric is one.
        root: The workspace that relative paths of the task are relative to.
    """

    config: TaskConfig
    corpus: Corpus
    splits: Splits
    models: Mapping[str, ModelSpec]
    judges: tuple[ModelSpec, ...]
    root: Path

    @property
    def name(self) -> str:
        """The task's name."""
        return self.config.task


def outline(config: TaskConfig, workspace: Workspace) -> Outline:
    """Read what a task file names: corpus, splits, models.

    Raises:
        ConfigError: If a model is not to be had, the gate cannot work, or the gold is not what the fields say.
        DataError: If the corpus cannot be used.
    """
    corpus = read_rows(config.corpus, tuple(config.inputs), tuple(config.outputs), workspace)
    models = load_models(workspace.models)
    names = {role: getattr(config.models, role) or config.models.reflector for role in ROLES}
    chosen = {role: with_known_price(find_model(name, models)) for role, name in names.items()}
    judges = _priced(metric_kind(config.metric.name).models(config.metric, config), models)
    splits = _splits(corpus, config)
    problems = gate_problems(config.gate, TaskFacts(len(splits.holdout), _reported(config)), workspace.root)
    problems = [dataclasses.replace(problem, file=f"task {config.task}") for problem in problems]
    problems += gold_problems(config, corpus)
    if problems:
        raise ConfigError(problems)
    return Outline(config, corpus, splits, chosen, judges, workspace.root)


def assemble(config: TaskConfig, workspace: Workspace) -> Task:
    """Build the task: corpus, splits, models, program, metric. Runs the code that its file names.

    Raises:
        ConfigError: If the program, the metric, a comparator or a model is not to be had, or the gate cannot work.
        DataError: If the corpus cannot be used.
    """
    known = outline(config, workspace)
    program, adapter = build_program(config, workspace.root), make_adapter(config.adapter)
    return Task(
        config=config,
        config_hash=config_hash(config),
        corpus=known.corpus,
        splits=known.splits,
        program=program,
        metric=_metric(config, adapter, known.corpus, program, workspace.root),
        adapter=adapter,
        models=known.models,
        judges=known.judges,
        root=workspace.root,
    )


def _reported(config: TaskConfig) -> tuple[str, ...] | None:
    """The fields that the metric reports beside its score; None where only running it would tell."""
    if isinstance(config.metric, FieldAgreementSpec):
        return tuple(config.outputs)
    if isinstance(config.metric, JudgeMetricSpec) and isinstance(config.judge, RubricSpec):
        return tuple(criterion.name for criterion in config.judge.criteria)
    return None


def _splits(corpus: Corpus, config: TaskConfig) -> Splits:
    """The splits; rows without any gold that are too few to be split stay together, which is enough for a matrix."""
    try:
        return make_splits(corpus, config.split)
    except DataError as error:
        if any(row.gold for row in corpus.rows):
            raise
        return Splits(corpus.rows, (), (), (f"not split: {error.message}",))


def judge_specs(config: TaskConfig, aliases: Mapping[str, ModelSpec]) -> tuple[ModelSpec, ...]:
    """The judge's models: its own, or the reference's, or the reflector, and then the panel."""
    return _priced(judge_models(config), aliases)


def _priced(names: Iterable[str], aliases: Mapping[str, ModelSpec]) -> tuple[ModelSpec, ...]:
    return tuple(with_known_price(find_model(name, aliases)) for name in names)


def _metric(config: TaskConfig, adapter: dspy.Adapter, corpus: Corpus, program: dspy.Module, root: Path) -> Metric:
    """The task's metric; a person's own is tried on one row, so that a mistake in it shows before anything is paid."""
    kind = metric_kind(config.metric.name)
    metric = kind.build(config.metric, config, adapter, root)
    if kind.name == OWN and not kind.models(config.metric, config):
        try_on(metric, corpus.rows[0], outputs_of(config, program))
    return metric


def outputs_of(config: TaskConfig, program: dspy.Module) -> tuple[str, ...]:
    """The output fields that a task names, else those of its program's last predictor."""
    return tuple(config.outputs) or tuple(predictors(program)[-1][1].signature.output_fields)


def bound_metric(task: Task, account: Account | None) -> Metric:
    """The task's metric, with the models that it asks; without an account where it asks none.

    Raises:
        ModelError: If a model's key is not in the environment.
    """
    if not task.judges:
        return task.metric
    assert isinstance(task.metric, TakesModels)
    assert account is not None
    return task.metric.bound([build_lm(spec, "judge", account) for spec in task.judges])


def dspy_metric(task: Task, account: Account | None) -> DspyMetric:
    """The task's metric for a person's own script, callable as ``dspy.Evaluate``, GEPA and MIPROv2 call one.

    Raises:
        ModelError: If a model's key is not in the environment.
    """
    return DspyMetric(
        bound_metric(task, account),
        inputs=tuple(task.config.inputs),
        outputs=tuple(task.config.outputs),
        threshold=task.config.metric.threshold,
        compares_gold=metric_kind(task.config.metric.name).compares_gold,
    )


def student_evaluator(task: Task, account: Account, lm: RoleLM | None = None, *, repeats: int = 1) -> Evaluator:
    """How a task's rows are run and judged; by its student unless another model is given.

    Raises:
        ModelError: If a key is not in the environment.
    """
    run = task.config.run
    lm = lm or build_lm(task.models["student"], "student", account)
    return Evaluator(lm, task.adapter, bound_metric(task, account), run.threads, run.max_error_share, repeats)
