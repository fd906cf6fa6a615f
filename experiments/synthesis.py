"""Playbook entries by a model, from recorded sessions: which sessions it sees, what that may cost, and what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calls.lm import build_lm
from calls.models import find_model, load_models
from core.digest import DigestSection, digest_budget
from core.errors import ModelError, UsageError
from core.evaluation import RowStatus, total
from core.plain import digest, to_plain
from core.synthesis import Proposal, Synthesised
from core.workspace import Workspace
from experiments.asking import ROLE, answers_of, plan_by_length, task_over
from playbook.entry import Entry
from playbook.impact import Impact
from playbook.pamphlet import told
from sessions.digest import session_digest
from sessions.record import Outcome, Session
from tasks.config import ModelsSection
from tasks.open_run import RunOptions, open_run, redactor
from tasks.purpose import Purpose
from tracking.events import EventKind

KIND = "synthesis"
SPLITS = ("train", "dev", "holdout", "train")
"""How rows to tune on are dealt out, in turn."""
ANSWER_TOKENS, LEAST_CHARS = 300, 1_024


@dataclass(frozen=True)
class Lesson:
    """One session to learn from.

    Attributes:
        session: The session, with its trajectory.
        history: Earlier sessions beside it, those of the same task first.
    """

    session: Session
    history: tuple[Session, ...]


@dataclass(frozen=True)
class Material:
    """What a model is to learn from.

    Attributes:
        lessons: The sessions.
        pamphlet: Entries in force.
        handles: Handles of the tools.
        measured: What known entries have changed.
        instruction: Instead of the program's own; None for that.
    """

    lessons: tuple[Lesson, ...]
    pamphlet: tuple[Entry, ...]
    handles: tuple[str, ...]
    measured: tuple[Impact, ...] = ()
    instruction: str | None = None


def material(
    sessions: Sequence[Session], *, most: int, history: int, handles: Sequence[str] = ()
) -> tuple[tuple[Lesson, ...], tuple[str, ...]]:
    """The sessions to learn from, and the handles of their tools.

    Learned from are failures of the agent, one of a task before a second one and those first whose task another session
    solved; beside each stand sessions of the same task, and then others, solved ones first.

    Raises:
        UsageError: If there is no failure with a trajectory.
    """
    kept = [session for session in sessions if session.trajectory]
    failed = [session for session in kept if session.outcome is Outcome.AGENT_FAILURE]
    if not failed:
        raise UsageError(
            f"among {len(kept):,} sessions with a trajectory the agent failed in none",
            hint="loosen the filters: --where, --since, --last",
        )
    solved = [session for session in kept if session.outcome is Outcome.SUCCESS]
    names = {session.task for session in solved}
    firsts = list({session.task: session for session in reversed(failed)}.values())[::-1]
    ranked = sorted(firsts, key=lambda session: session.task not in names)
    chosen = list({session.id: session for session in (*ranked, *failed)}.values())[:most]
    found = tuple(handles) or tuple(sorted({step.tool for one in kept for step in one.trajectory or () if step.tool}))
    return tuple(Lesson(one, _beside(one, kept, history)) for one in chosen), found


def _beside(one: Session, sessions: Sequence[Session], most: int) -> tuple[Session, ...]:
    """Others to compare with: of the same task first, solved ones first, and of those the newest first."""
    others = [session for session in reversed(sessions) if session.id != one.id]
    ranked = sorted(others, key=lambda other: (other.task != one.task, other.outcome is not Outcome.SUCCESS))
    return tuple(ranked[:most])


def synthesise(
    place: Workspace, given: Material, model: str | None, options: RunOptions, caps: Mapping[str, Any] | None = None
) -> Synthesised:
    """Ask a model for entries; every call goes through one run, which keeps what was proposed.

    Args:
        place: The workspace.
        given: What it learns from.
        model: An alias; the reflector of an ordinary task unless given.
        options: How the run is to behave.
        caps: What the run may spend, as keys of a task file.

    Raises:
        ModelError: If there is no answer at all.
        BudgetError: If a cap is reached, or the forecast is not accepted; what was answered is not paid again.
    """
    lines = synthesis_rows(place, given, model)
    task = task_over(place, lines, lambda path: task_values(path, given.instruction), model, caps or {})
    spec, rows = task.models[ROLE], task.corpus.rows
    identity = {"rows": digest([dict(row.inputs) for row in rows])}
    with open_run(place, task, Purpose(KIND, {"sessions": str(len(rows))}, identity, (spec,)), options) as run:
        run.forecast(plan_by_length(task, ANSWER_TOKENS))
        lm = build_lm(spec, ROLE, run.account)
        answers = answers_of(run, lm, "sessions learned from")
        proposals: list[Proposal] = []
        for row in rows:
            answer = answers[row.id]
            said: Mapping[str, Any] = to_plain(answer.prediction or {})
            entries = said.get("playbook_entries")
            listed: list[Any] = entries if isinstance(entries, list) else []
            usable = answer.status is RowStatus.OK and isinstance(entries, list)
            proposals.append(
                Proposal(
                    row.id,
                    str(row.inputs["guidance"]),
                    str(said.get("session_note", "")),
                    tuple(one for one in listed if isinstance(one, dict)) if usable else (),
                    "" if usable else answer.error or "no entries",
                )
            )
        if all(one.error for one in proposals):
            raise ModelError(f"{spec.alias} learned from none of {len(rows)} sessions: {proposals[0].error}")
        run.ledger.flush()
        cost = total(run.account.spent().values()).cost_usd
        done = Synthesised(run.id, spec.alias, spec.offline, tuple(proposals), cost)
        run.record.emit(EventKind.SYNTHESIS, done)
        return done


def synthesis_rows(place: Workspace, given: Material, model: str | None, *, labelled: bool = False) -> list[str]:
    """What the model is shown, a JSON line for each session, without secrets; digests share the provider's budget.

    Args:
        place: The workspace.
        given: What it learns from.
        model: Who is shown it.
        labelled: Add what was measured of known entries and deal the rows out to train, dev and holdout, each material
            once and its history of the same task alone: the rows of a task that the proposer is tuned on.
    """
    spec = find_model(model or ModelsSection().reflector, load_models(place.models))
    provider, redact = spec.model.partition("/")[0], redactor(place)
    budget = digest_budget(DigestSection(), provider)
    gold = [{"handle": _handle(given, one.entry_id), "impact": one.impact} for one in given.measured]
    rows: dict[str, dict[str, Any]] = {}
    for lesson in given.lessons:
        same = tuple(one for one in lesson.history if one.task == lesson.session.task)
        history = same if labelled else lesson.history
        chars = max(LEAST_CHARS, budget // (1 + len(history)))
        shown = {
            "pamphlet": [told(entry) for entry in given.pamphlet],
            "latest_session": session_digest(lesson.session, provider, chars),
            "history": [session_digest(one, provider, chars) for one in history],
            "handles": list(given.handles),
            "guidance": str(lesson.session.metadata.get("teacher_guidance") or ""),
        }
        name = digest(shown) if labelled else lesson.session.id
        rows.setdefault(name, {"id": lesson.session.id, "input": shown, "label": {}})
    for number, row in enumerate(rows.values()):
        if labelled:
            row |= {"label": {"session": row["id"], "measured": gold}, "split": SPLITS[number % len(SPLITS)]}
    return [redact.json(json.dumps(row, ensure_ascii=False)) for row in rows.values()]


def task_values(path: Path, instruction: str | None) -> dict[str, Any]:
    """A task file whose rows are at ``path``: the program that proposes entries, and the metric that it is tuned by."""
    return {
        "task": "playbook_synthesis",
        "description": "Playbook entries from sessions of an agent",
        "program": "synthesis",
        "inputs": {
            "pamphlet": {"type": "array"},
            "latest_session": {"type": "text"},
            "history": {"type": "array"},
            "handles": {"type": "array"},
            "guidance": {"type": "text"},
        },
        "corpus": {"path": str(path)},
        "metric": {"name": "programs.synthesis:EntryQuality"},
        **({"instruction": instruction} if instruction else {}),
    }


def _handle(given: Material, entry_id: str) -> str:
    return next((entry.action.handle for entry in given.pamphlet if entry.id == entry_id), "")
