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
from core.files import write_text
from core.optimization import Plan, Range, RoleForecast
from core.plain import digest, to_plain
from core.synthesis import Proposal, Synthesised
from core.workspace import Workspace
from metrics.evaluate import Evaluator
from playbook.entry import Entry
from playbook.impact import Impact
from playbook.pamphlet import told
from programs.prompts import predictors, render_messages
from sessions.digest import session_digest
from sessions.record import Outcome, Session
from tasks.config import ModelsSection, TaskConfig
from tasks.documents import override
from tasks.open_run import RunOptions, open_run, redactor
from tasks.purpose import Purpose
from tasks.task import Task, assemble
from tasks.teaching import unjudged
from tracking.events import EventKind

ROLE, KIND = "reflector", "synthesis"
SPLITS = ("train", "dev", "holdout", "train")
"""How rows to tune on are dealt out, in turn."""
CHARS_PER_TOKEN, ANSWER_TOKENS, LEAST_CHARS = 4, 300, 1_024


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
    task = _task(place, given, model, caps or {})
    spec, rows = task.models[ROLE], task.corpus.rows
    identity = {"rows": digest([dict(row.inputs) for row in rows])}
    with open_run(place, task, Purpose(KIND, {"sessions": str(len(rows))}, identity, (spec,)), options) as run:
        run.forecast(_plan(task))
        section = task.config.run
        lm = build_lm(spec, ROLE, run.account)
        evaluate = unjudged(Evaluator(lm, task.adapter, task.metric, section.threads, section.max_error_share))
        run.progress.phase("sessions learned from", len(rows))
        answers = {row.row_id: row for row in evaluate(task.program, rows, split="train").rows}
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


def _task(place: Workspace, given: Material, model: str | None, caps: Mapping[str, Any]) -> Task:
    lines = synthesis_rows(place, given, model)
    path = place.mlruns / "analysis" / f"{digest(lines)}.jsonl"
    write_text(path, "\n".join(lines) + "\n")
    values = task_values(path, given.instruction)
    sets = {**({f"models.{ROLE}": model, "models.student": model} if model else {}), **caps}
    for key, value in sets.items():
        override(values, {}, f"{key}={value}")
    return assemble(TaskConfig.model_validate(values), place)


def _plan(task: Task) -> Plan:
    """What it is going to cost, by lengths alone: nothing has been asked yet."""
    spec, predictor, rows = task.models[ROLE], predictors(task.program)[0][1], task.corpus.rows
    chars = sum(len(m["content"]) for row in rows for m in render_messages(predictor, task.adapter, dict(row.inputs)))
    calls, sent, received = len(rows), chars / CHARS_PER_TOKEN, len(rows) * ANSWER_TOKENS
    price = spec.price(sent, received)
    role = RoleForecast(_range(calls), _range(sent), _range(received), None if price is None else _range(price))
    return Plan(
        trials=calls, roles={ROLE: role}, calls=role.calls, input_tokens=role.input_tokens,
        output_tokens=role.output_tokens, cost_usd=role.cost_usd, minutes=_range(calls * spec.latency / 60), mde=None,
        unit="sessions",
    )  # fmt: skip


def _range(value: float) -> Range:
    """Lengths alone say little: up to twice as much."""
    return Range(value, value / 2, 2 * value)
