"""What a task file says to its optimiser, held against what that optimiser declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from core.catalog import did_you_mean
from core.errors import ConfigError, Problem, UsageError
from core.limits import Limits
from core.plain import digest
from core.section import Section
from optimizers import OPTIMIZERS
from optimizers.base import NAMES_TEXT, Optimizer
from optimizers.own import own_optimizer
from programs.prompts import read_prompts
from tasks.config import OptimizerSection
from tasks.files import is_file
from tasks.loading import place_of
from tasks.task import Outline, Task
from tracking.store import Store

AT = ("optimizer", "settings")
RUN = "run:"


def schema_of(optimizer: Optimizer) -> type[Section]:
    """The optimiser's own settings; without a schema it takes none."""
    return cast(type[Section], getattr(optimizer, "Settings", Section))


def check_settings(
    optimizer: Optimizer,
    settings: Mapping[str, Any],
    place: Callable[[tuple[str, ...]], tuple[str, int | None]] = lambda at: ("configuration", None),
    under: tuple[str, ...] = AT,
) -> Section:
    """The settings, read by the optimiser's own schema.

    Args:
        optimizer: Whose schema it is.
        settings: What the task file says under ``optimizer.settings``.
        place: File and line of a key.
        under: Where the settings stand.

    Raises:
        ConfigError: With every unknown key and every value that is not allowed.
    """
    schema = schema_of(optimizer)
    try:
        return schema.model_validate(dict(settings))
    except ValidationError as error:
        problems = []
        for detail in error.errors():
            at = (*under, *map(str, detail["loc"]))
            message, hint = detail["msg"], None
            if detail["type"] == "extra_forbidden":
                known = tuple(schema.model_fields)
                message = f"unknown key; known to {optimizer.name}: {', '.join(known) or 'none'}"
                hint = did_you_mean(at[-1], known)
            else:
                message = f"{message}; received {detail['input']!r}"
            problems.append(Problem(*place(at), ".".join(at), message, hint))
        raise ConfigError(problems) from None


def without_effect(optimizers: Sequence[Optimizer], section: OptimizerSection) -> tuple[str, ...]:
    """A line for each general setting that was changed and that an optimiser does not use."""
    usual = OptimizerSection()
    return tuple(
        f"optimizer.{key}: {getattr(section, key)} has no effect, {optimizer.name} does not use it"
        for optimizer in optimizers
        for key in cast(tuple[str, ...], getattr(optimizer, "unused", ()))
        if getattr(section, key) != getattr(usual, key)
    )


def settings_of(section: OptimizerSection, optimizer: Optimizer) -> Mapping[str, Any]:
    """What a task file says to one of its optimisers: all, or with several what stands under its name."""
    return section.settings if len(section.names) == 1 else section.settings.get(optimizer.name) or {}


def limits_of(task: Task) -> Limits:
    """What proposals for a task are held to, in terms of the instructions that the search starts from."""
    return Limits(task.config.optimizer.limits, read_prompts(task.program).instructions())


def named_text(store: Store, root: Path, name: str) -> str:
    """The text that a setting names: ``run:ID`` is the instruction that the run found, anything else a file.

    Raises:
        StoreError: If there is no such run.
        UsageError: If the run tuned several instructions, or the workspace has no such file, or it is empty.
    """
    if name.startswith(RUN):
        prompts = store.optimization(name.removeprefix(RUN)).winner.prompts
        if len(prompts) != 1:
            raise UsageError(f"{name}: the run tuned {len(prompts)} instructions; name one that tuned a single one")
        return prompts[0].instruction
    path = root / name
    if not is_file(path):
        raise UsageError(f"optimizer.settings: there is no file {path}", hint="or name a run: run:ID")
    text = path.read_text("utf-8").strip()
    if not text:
        raise UsageError(f"optimizer.settings: {path} is empty")
    return text


def texts_named(task: Task, optimizers: Sequence[Optimizer]) -> dict[str, str]:
    """The files that the optimisers' settings name, by digest: a run with other texts is another run."""
    named = [
        settings.get(key)
        for optimizer in optimizers
        for settings in (settings_of(task.config.optimizer, optimizer),)
        for key, field in schema_of(optimizer).model_fields.items()
        if NAMES_TEXT in field.metadata
    ]
    files = [task.root / name for name in named if name and not str(name).startswith(RUN)]
    return {f"text {path.name}": digest(path.read_text("utf-8")) for path in files if is_file(path)}


def chosen_optimizers(task: Task | Outline) -> tuple[Optimizer, ...]:
    """The optimisers that a task names, in their order, after a look at their settings.

    Raises:
        UsageError: If there is no such optimiser.
        ConfigError: If one does not take its settings, or a limit names a heading that no instruction has; with file
            and line where the task has a file.
    """
    section = task.config.optimizer
    optimizers = tuple(own_optimizer(n, task.root) if ":" in n else OPTIMIZERS.get(n) for n in section.names)
    names = [optimizer.name for optimizer in optimizers]

    def place(at: tuple[str, ...]) -> tuple[str, int | None]:
        return place_of(task.name, task.root, at)

    unknown = limits_of(task).missing() if isinstance(task, Task) else ()
    if unknown:
        at = ("optimizer", "limits")
        raise ConfigError(
            [Problem(*place(at), ".".join(at), f"no instruction has the heading {name!r}") for name in unknown],
            hint="a section begins with a Markdown heading, such as ## Output format",
        )
    if len(optimizers) == 1:
        check_settings(optimizers[0], section.settings, place)
        return optimizers
    strangers = [key for key, said in section.settings.items() if key not in names or not isinstance(said, dict)]
    if strangers:
        allowed = f"with several optimisers, allowed are their names: {', '.join(names)}, each with keys of its own"
        raise ConfigError([Problem(*place((*AT, key)), ".".join((*AT, key)), allowed) for key in strangers])
    for optimizer in optimizers:
        check_settings(optimizer, settings_of(section, optimizer), place, (*AT, optimizer.name))
    return optimizers
