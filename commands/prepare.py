"""``prepare``: rows and references of a matrix."""

from __future__ import annotations

from commands.flags import Place, Settings, Starting, TaskName
from commands.matrix_steps import step_outcome
from commands.outcome import Outcome

EXAMPLE = "python cli.py prepare condensation"


def command(task: TaskName, spending: Starting, settings: Settings, place: Place) -> Outcome:
    """Matrix, step 1: choose rows, and have missing references written."""
    return step_outcome("prepare", task, spending, settings, place)
