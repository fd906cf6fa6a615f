"""Sessions for tests: two public sets as recorded, and a small agent whose chances are known."""

import json
from functools import cache

import numpy as np
import pytest

from core.workspace import HOME
from sessions.record import Outcome, Session

DATA = HOME.parent / "shared" / "data"
HUMANEVAL, AIRLINE = DATA / "humaneval_agents.jsonl", DATA / "tau_airline_sessions_traindev.jsonl"

on_record = pytest.mark.skipif(not DATA.is_dir(), reason="needs the public sets beside the project")


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def ended(success):
    return Outcome.SUCCESS if success else Outcome.AGENT_FAILURE


@cache
def humaneval():
    """28 371 runs of seven agent strategies; the file gives tokens as one number."""
    return tuple(
        Session(
            row["id"], experiment=row["strategy"], model=row["config"], task=str(row["task"]), success=row["success"],
            outcome=ended(row["success"]), input_tokens=row.get("tokens"), tags={"run": row["run"]},
        )
        for row in rows(HUMANEVAL)
    )  # fmt: skip


@cache
def airline():
    """39 tasks of tau-bench's airline, four trials each."""
    return tuple(
        Session(
            row["id"], model=row["model"], task=str(row["task"]), trial=row["trial"], success=row["success"],
            outcome=ended(row["success"]), steps=row["n_turns"],
        )
        for row in rows(AIRLINE)
    )  # fmt: skip


def planted(random, tasks=60, trials=2, rate=0.6, **fields):
    """Sessions of an agent that succeeds with one probability, whatever the task."""
    return [
        Session(
            f"{fields}-{task}-{trial}", task=f"task {task:03}", trial=trial, success=bool(success),
            outcome=ended(success), **fields,
        )
        for task in range(tasks)
        for trial, success in enumerate(random.random(trials) < rate)
    ]  # fmt: skip


def seeded(seed):
    return np.random.default_rng(seed)
