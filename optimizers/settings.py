"""What a task file says to its optimiser, held against what that optimiser declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import ValidationError

from core.catalog import did_you_mean
from core.errors import ConfigError, Problem, UsageError
from core.section import Section
from optimizers import OPTIMIZERS
from optimizers.base import Optimizer
from tasks.config import OptimizerSection
from tasks.loading import place_of
from tasks.task import Task

AT = ("optimizer", "settings")


def schema_of(optimizer: Optimizer) -> type[Section]:
    """The optimiser's own settings; without a schema it takes none."""
    return cast(type[Section], getattr(optimizer, "Settings", Section))


def check_settings(
    optimizer: Optimizer,
    settings: Mapping[str, Any],
    place: Callable[[tuple[str, ...]], tuple[str, int | None]] = lambda at: ("configuration", None),
) -> Section:
    """The settings, read by the optimiser's own schema.

    Args:
        optimizer: Whose schema it is.
        settings: What the task file says under ``optimizer.settings``.
        place: File and line of a key.

    Raises:
        ConfigError: With every unknown key and every value that is not allowed.
    """
    schema = schema_of(optimizer)
    try:
        return schema.model_validate(dict(settings))
    except ValidationError as error:
        problems = []
        for detail in error.errors():
            at = (*AT, *map(str, detail["loc"]))
            message, hint = detail["msg"], None
            if detail["type"] == "extra_forbidden":
                known = tuple(schema.model_fields)
                message = f"unknown key; known to {optimizer.name}: {', '.join(known) or 'none'}"
                hint = did_you_mean(at[-1], known)
            else:
                message = f"{message}; received {detail['input']!r}"
            problems.append(Problem(*place(at), ".".join(at), message, hint))
        raise ConfigError(problems) from None


def without_effect(optimizer: Optimizer, section: OptimizerSection) -> tuple[str, ...]:
    """A line for each general setting that was changed and that this optimiser does not use."""
    usual = OptimizerSection()
    return tuple(
        f"optimizer.{key}: {getattr(section, key)} has no effect, {optimizer.name} does not use it"
        for key in cast(tuple[str, ...], getattr(optimizer, "unused", ()))
        if getattr(section, key) != getattr(usual, key)
    )


def chosen_optimizer(task: Task) -> Optimizer:
    """The optimiser that a task names, after a look at its settings.

    Raises:
        UsageError: If there is no such optimiser.
        ConfigError: If it does not take these settings; with file and line where the task has a file.
    """
    section = task.config.optimizer
    optimizer = OPTIMIZERS.get(section.name)

    def place(at: tuple[str, ...]) -> tuple[str, int | None]:
        try:
            return place_of(task.name, task.root, at)
        except UsageError:
            return "configuration", None

    check_settings(optimizer, section.settings, place)
    return optimizer
