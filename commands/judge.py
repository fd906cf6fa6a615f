"""``judge``: the judgements of a matrix."""

from __future__ import annotations

from commands.flags import Place, Settings, Starting, TaskName
from commands.matrix_steps import step_outcome
from commands.outcome import Outcome

EXAMPLE = "python cli.py judge condensation"


def command(task: TaskName, spending: Starting, settings: Settings, place: Place) -> Outcome:
    """Matrix, step 3: judge every stored output against its reference."""
    return step_outcome("judge", task, spending, settings, place)
