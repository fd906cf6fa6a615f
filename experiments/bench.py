"""A matrix on the bench: its cells, its stored lines and the open run that its calls go through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from calls.lm import RoleLM, build_lm
from calls.models import ModelSpec, load_models
from core.plain import digest
from core.workspace import Workspace
from experiments.freshness import Marks, judge_mark
from experiments.grid import Grid, choose_rows, make_grid
from experiments.lines import Folder
from tasks.open_run import OpenRun, RunOptions, open_run, open_store, redactor
from tasks.production import read_registered
from tasks.purpose import Purpose
from tasks.task import Task, judge_specs


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A matrix as far as it needs no model.

    Attributes:
        task: The task.
        grid: The cells.
        folder: Where lines are kept.
        aliases: The models that may be named.
    """

    task: Task
    grid: Grid
    folder: Folder
    aliases: Mapping[str, ModelSpec]

    @cached_property
    def marks(self) -> Marks:
        """What stored lines bear if they are of this task as it is now."""
        config = self.task.config
        judged = config.judge is not None and config.judge.criteria
        return Marks(self.folder, judge_mark(config, judge_specs(config, self.aliases) if judged else ()))


@dataclass(frozen=True, kw_only=True)
class Bench(Layout):
    """What every step of a matrix needs.

    Attributes:
        run: The open run: account, store, progress.
        threads: Most calls at a time on one model, below the model's own limit; None for that limit.
    """

    run: OpenRun
    threads: int | None = None

    def lms(self, role: str) -> dict[str, RoleLM]:
        """The model of every cell, by alias."""
        return {cell.model: build_lm(cell.spec, role, self.run.account) for cell in self.grid.cells}


def lay_out(place: Workspace, task: Task) -> Layout:
    """The cells of a task's matrix and where its lines are.

    Raises:
        ConfigError: If a prompt or a model of the grid is not to be had.
    """
    redact = redactor(place, task)
    with contextlib.closing(open_store(place, redact)) as store:
        grid = make_grid(task, place, store, read_registered(place))
    folder = Folder.of(place, task.name, redact.json)
    return Layout(task=task, grid=grid, folder=folder, aliases=load_models(place.models))


@contextlib.contextmanager
def open_bench(
    place: Workspace, task: Task, kind: str, options: RunOptions, params: Mapping[str, str] | None = None
) -> Iterator[Bench]:
    """Open a run for steps of a matrix. A model that is down fails alone.

    ``params`` are further words of the record that also make it this run and no other.
    """
    layout, own = lay_out(place, task), dict(params or {})
    cells = layout.grid.cells
    about = {
        "cells": str(len(cells)),
        "prompts": ", ".join(dict.fromkeys(cell.prompt for cell in cells)),
        "models": ", ".join(dict.fromkeys(cell.model for cell in cells)),
    }
    if kind == "matrix":
        about |= {"rows": str(len(choose_rows(task))), "reference": layout.grid.baseline}
    grid_id = digest([[cell.name, cell.prompts.hash, cell.spec.model, cell.spec.api_base] for cell in cells])
    purpose = Purpose(kind, about | own, {"cells": grid_id, **own}, tuple(cell.spec for cell in cells), isolate=True)
    section = task.config.run
    threads = section.threads if "threads" in section.model_fields_set else None
    with open_run(place, task, purpose, options) as run:
        yield Bench(task=task, grid=layout.grid, folder=layout.folder, aliases=layout.aliases, run=run, threads=threads)
