"""The prompts that are, or were, in production: how a task's list of champions is kept and read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.candidate import ProgramPrompts
from core.errors import StoreError
from core.plain import from_json, to_json
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


def before_last(task: str, history: Iterable[Champion], at: str) -> tuple[Champion, str]:
    """The champion that a rollback returns to, and the run that is told of it.

    Raises:
        StoreError: If there is no earlier champion.
    """
    stack = standing(history)
    if len(stack) < 2:
        raise StoreError(
            f"{task} has no earlier champion to return to",
            hint=f"python cli.py rollback {task} --to-seed" if stack and not stack[-1].seed else None,
        )
    leaving, earlier = stack[-1], stack[-2]
    reason = f"rolled back from {leaving.run_id or 'the seed'}"
    again = replace(earlier, reason=reason, action=EventKind.ROLLED_BACK, at=at)
    return again, earlier.run_id or leaving.run_id


def to_seed(
    task: str, history: Iterable[Champion], seed: ProgramPrompts, provenance: Mapping[str, Any], at: str
) -> tuple[Champion, str]:
    """The seed as the prompt in production, and the run that is told of it.

    Raises:
        StoreError: If no champion is there to take away.
    """
    leaving = next(reversed(tuple(history)), None)
    if leaving is None or leaving.seed:
        raise StoreError(f"{task} has no champion, so its seed is not replaced by anything")
    reason = f"rolled back to the seed from {leaving.run_id}"
    return Champion(task, "", seed, dict(provenance), False, reason, TO_SEED, at), leaving.run_id


def add_champion(db: sqlite3.Connection, champion: Champion) -> None:
    """Add a champion to the list of its task."""
    body = json.dumps(dict(champion.provenance), ensure_ascii=False)
    db.execute(
        "insert into champions (task, run_id, prompts, provenance, forced, reason, action, at) "
        "values (?, ?, ?, ?, ?, ?, ?, ?)",
        (champion.task, champion.run_id, to_json(champion.prompts), body, int(champion.forced),
         champion.reason, champion.action, champion.at),
    )  # fmt: skip


def champion_of(row: sqlite3.Row) -> Champion:
    """The champion of a row.

    Raises:
        ValueError: If it is not a valid record any more.
    """
    return Champion(
        row["task"], row["run_id"], from_json(ProgramPrompts, row["prompts"]), json.loads(row["provenance"]),
        bool(row["forced"]), row["reason"], row["action"], row["at"],
    )  # fmt: skip
