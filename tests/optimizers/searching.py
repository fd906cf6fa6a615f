"""A search of the notes task on its own: every part real, the embedded models, no run around it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from calls.account import Account
from calls.ledger import Ledger
from calls.lm import build_lm
from calls.models import ModelSpec
from core.workspace import Workspace
from metrics.metric import ExampleBook
from optimizers.base import Journal, Search, SearchSize
from programs.prompts import read_prompts
from tasks.task import assemble, read_config, student_evaluator
from tests.notes import notes


@contextlib.contextmanager
def searching(root: Path, *, threads: int = 2, seed: int = 0, **size: object) -> Iterator[Search]:
    """Notes about water or land: 48 train and 22 dev rows, a seed that knows nothing."""
    notes(root, "http://127.0.0.1:9/v1")
    workspace = Workspace(root)
    task = assemble(read_config(workspace, "notes", []), workspace)
    ledger = Ledger(root / f"ledger-{threads}-{seed}.db")
    account = Account(ledger, "search")
    lms = {
        role: build_lm(ModelSpec(f"offline/{model}", f"offline/{model}"), role, account)
        for role, model in {"student": "small", "reflector": "large", "proposer": "large"}.items()
    }
    dev = task.splits.dev
    journal = Journal(account.meter, tuple(row.id for row in dev), lambda candidate: None)
    shape = SearchSize(len(task.splits.train), len(dev), 1, 300, 8, 2)
    try:
        evaluate = student_evaluator(task, account, lms["student"])
        seed_prompts = read_prompts(task.program)
        scored = evaluate(task.program, dev, split="dev", program_hash=seed_prompts.hash).scored
        journal.record("seed", seed_prompts, {r.row_id: r.score for r in scored if r.score is not None})
        yield Search(
            program=task.program.deepcopy(),
            train=ExampleBook(task.splits.train),
            dev=ExampleBook(dev),
            metric=evaluate.metric,
            **lms,
            adapter=task.adapter,
            shape=dataclasses.replace(shape, **size),
            seed=seed,
            threads=threads,
            threshold=0.7,
            journal=journal,
        )
    finally:
        account.close()
        ledger.close()
