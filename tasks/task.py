"""The assembled task: everything a run needs, built once from a task file, downward, and frozen."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

from core.corpus import Corpus, read_corpus
from core.errors import ConfigError, DataError, Problem
from core.models import ModelSpec, find_model, load_models
from core.results import ProgramPrompts
from core.splits import Splits, make_splits
from core.wire import with_known_price
from core.workspace import Workspace
from metrics.comparators import (
    Boolean,
    Categorical,
    Comparator,
    Date,
    Exact,
    Number,
    Records,
    SetF1,
    SetJaccard,
    Text,
)
from metrics.field_agreement import FieldAgreement, FieldRule
from metrics.metric import Metric
from programs import PROGRAMS
from programs.prompts import apply_prompts, make_adapter
from tasks.config import TaskConfig, config_hash
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

    @property
    def name(self) -> str:
        """The task's name."""
        return self.config.task

    @property
    def offline(self) -> bool:
        """Whether any role is played by the embedded stand-in."""
        return any(spec.offline for spec in self.models.values())

    @property
    def offline_only(self) -> bool:
        """Whether every role is played by the embedded stand-in, so that money is nominal."""
        return all(spec.offline for spec in self.models.values())

    @property
    def categorical(self) -> dict[str, tuple[str, ...]]:
        """Output fields with a closed set of labels, truth values included."""
        outputs = self.config.outputs.items()
        truths = {name: ("False", "True") for name, spec in outputs if spec.type == "boolean"}
        labels = {name: spec.labels for name, spec in outputs if spec.type == "categorical" and spec.labels}
        return {name: (labels | truths)[name] for name, _ in outputs if name in labels or name in truths}

    def starting_from(self, prompts: ProgramPrompts | None) -> Task:
        """The same task with other prompts as its seed."""
        if prompts is None:
            return self
        return dataclasses.replace(self, program=apply_prompts(self.program, prompts))


def read_config(workspace: Workspace, name: str, sets: Sequence[str]) -> TaskConfig:
    """Read a task file of the workspace with overrides."""
    return load_task(name, workspace=workspace.root, sets=sets)


def assemble(config: TaskConfig, workspace: Workspace) -> Task:
    """Build the task: corpus, splits, models, program, metric.

    Raises:
        ConfigError: If the program, the metric, a comparator or a model is not to be had.
        DataError: If the corpus cannot be used.
    """
    corpus = _corpus(config, workspace)
    models = load_models(workspace.models)
    names = {role: getattr(config.models, role) or config.models.reflector for role in ROLES}
    chosen = {role: with_known_price(find_model(name, models)) for role, name in names.items()}
    return Task(
        config=config,
        config_hash=config_hash(config),
        corpus=corpus,
        splits=make_splits(corpus, config.split),
        program=_program(config, workspace),
        metric=_metric(config, workspace),
        adapter=make_adapter(config.adapter),
        models=chosen,
    )


def _corpus(config: TaskConfig, workspace: Workspace) -> Corpus:
    """Read the rows and check that each has the inputs the task names."""
    path = Path(config.corpus.path)
    corpus = read_corpus(
        path if path.is_absolute() else workspace.root / path,
        inputs=tuple(config.inputs),
        outputs=tuple(config.outputs),
        max_row_bytes=config.corpus.max_row_bytes,
    )
    lacking = [(row.id, name) for row in corpus.rows for name in config.inputs if name not in row.inputs]
    if lacking:
        row_id, name = lacking[0]
        raise DataError(
            f"{corpus.path}: {len(lacking)} rows lack an input that the task names; row {row_id!r} has no {name!r}",
            hint="name the inputs that the rows have",
        )
    ins = set(config.inputs) or set(corpus.rows[0].inputs)
    outs = set(config.outputs) or {name for row in corpus.rows for name in row.gold}
    rows = tuple(
        dataclasses.replace(
            row,
            inputs={k: v for k, v in row.inputs.items() if k in ins},
            gold={k: v for k, v in row.gold.items() if k in outs},
        )
        for row in corpus.rows
    )
    return Corpus(rows, corpus.path)


def _program(config: TaskConfig, workspace: Workspace) -> dspy.Module:
    if ":" in config.program:
        made = _own_code(config.program, "program", workspace)
        program = made(config) if not isinstance(made, type) else made()
        if not isinstance(program, dspy.Module):
            raise _bad("program", f"{config.program} made a {type(program).__name__}, not a dspy.Module")
        return program
    return PROGRAMS.get(config.program).build(config)


def _metric(config: TaskConfig, workspace: Workspace) -> Metric:
    name = config.metric.name
    if ":" in name:
        made = _own_code(name, "metric.name", workspace)
        own: Any = made(config) if callable(made) and not hasattr(made, "judge") else made
        return own
    if name != "field_agreement":
        raise _bad("metric.name", f"received {name!r}; allowed: field_agreement, or module:Name")
    rules = tuple(
        FieldRule(field_name, comparator_of(spec), spec.weight) for field_name, spec in config.outputs.items()
    )
    return FieldAgreement(rules, reveal_gold=config.metric.reveal_gold)


def _own_code(path: str, key: str, workspace: Workspace) -> Any:
    """Import ``module:Name`` from the workspace or the installed packages."""
    module_name, _, attribute = path.partition(":")
    root = str(workspace.root)
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except ImportError as error:
        raise _bad(key, f"cannot import {module_name!r}: {error}") from None
    except AttributeError:
        raise _bad(key, f"{module_name!r} has no {attribute!r}") from None


def _bad(key: str, message: str) -> ConfigError:
    return ConfigError([Problem("configuration", None, key, message)])


def comparator_of(spec: Any) -> Comparator:
    """The comparator of an output field: the one named in the task file, else the natural one for its type."""
    kind = spec.comparator or {
        "categorical": "categorical",
        "boolean": "boolean",
        "number": "number",
        "date": "date",
        "array": "set_jaccard",
        "text": "text",
        "records": "records",
    }.get(spec.type, "exact")
    if kind == "number":
        return Number(tolerance=spec.tolerance or 0.0)
    if kind == "records":
        if not spec.fields:
            raise _bad("outputs", "a field of type records needs 'fields'")
        return Records(
            {name: comparator_of(sub) for name, sub in spec.fields.items()},
            {name: sub.weight for name, sub in spec.fields.items()},
        )
    simple: dict[str, type[Any]] = {
        "exact": Exact,
        "categorical": Categorical,
        "boolean": Boolean,
        "date": Date,
        "set_jaccard": SetJaccard,
        "set_f1": SetF1,
        "text": Text,
    }
    return simple[kind]()
