"""The prompts that are, or were, in production: how a task's list of champions is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.candidate import ProgramPrompts
from tracking.events import EventKind

TO_SEED = "rolled_back_to_seed"
"""How the champion came about that is the task's seed."""


@dataclass(frozen=True)
class Champion:
    """A prompt that is, or was, the one in production; ``run_id`` is empty where that is the seed."""

    task: str
    run_id: str
    prompts: ProgramPrompts
    provenance: Mapping[str, Any]
    forced: bool
    reason: str
    action: str
    at: str

    @property
    def seed(self) -> bool:
        """Whether the task was rolled back to its seed."""
        return not self.run_id


def standing(history: Iterable[Champion]) -> tuple[Champion, ...]:
    """The champions that rollbacks have left, oldest first: the last is current, a rollback returns to the one before.

    A rollback takes the last one away; a rollback to the seed is one more, which can itself be taken away.
    """
    stack: list[Champion] = []
    for entry in history:
        if entry.action == EventKind.ROLLED_BACK:
            stack.pop()
        else:
            stack.append(entry)
    return tuple(stack)
