"""A search in this process: the real job with its store and ledger, without the command line around it."""

from __future__ import annotations

import sys
from typing import Any
from unittest import mock

from core.optimization import Optimization
from core.workspace import Workspace
from optimizers.optimize import optimize, purpose_of
from tasks.open_run import RunOptions, open_run
from tasks.task import Task, assemble, read_config
from tests.journeys.commands import warm


def task_of(workspace: Workspace, task: str, /, *sets: str, **settings: Any) -> Task:
    """A task of a workspace; ``settings`` are keys of its optimizer section."""
    given = [f"optimizer.{key}={value}" for key, value in settings.items()]
    return assemble(read_config(workspace, task, [*sets, *given]), workspace)


def optimized(workspace: Workspace, task: Task, **options: Any) -> Optimization:
    """Search and decide; MLflow is told nothing."""
    with (
        mock.patch.object(sys, "executable", str(warm().launcher)),
        open_run(workspace, task, purpose_of(task), RunOptions(track=False, **options)) as run,
    ):
        return optimize(run)
