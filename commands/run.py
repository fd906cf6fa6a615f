"""``run``: the outputs of a matrix."""

from __future__ import annotations

from commands.flags import Place, Settings, Starting, TaskName
from commands.matrix_steps import step_outcome
from commands.outcome import Outcome

EXAMPLE = "python cli.py run condensation"


def command(task: TaskName, spending: Starting, settings: Settings, place: Place) -> Outcome:
    """Matrix, step 2: every prompt on every model answers every row; all outputs are stored."""
    return step_outcome("run", task, spending, settings, place)
