"""Failed sessions before a model: the root cause of each, what they share, and guidelines that may help."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dspy

from calls.lm import RoleLM, build_lm
from calls.models import find_model, load_models
from core.catalog import did_you_mean
from core.diagnosis import Cause, Diagnosis, Suggestion
from core.digest import DigestSection, digest_budget
from core.errors import ModelError, UsageError
from core.evaluation import RowStatus, total
from core.plain import digest, to_plain
from core.workspace import Workspace
from data.corpus import Row
from experiments.asking import CHARS_PER_TOKEN, ROLE, answers_of, plan_by_length, task_over
from metrics.evaluate import run_row
from programs.session_analysis import FindSharedCause, SuggestGuidelines
from sessions.digest import session_digest
from sessions.patterns import Patterns, conditions_of, mine
from sessions.record import Outcome, Session
from tasks.config import ModelsSection
from tasks.open_run import OpenRun, RunOptions, open_run, redactor
from tasks.purpose import Purpose
from tracking.events import EventKind

KIND = "analysis"
SEEN = 5
"""Failed sessions that are looked at one by one."""
PATTERNS = 12
LONGEST_GUIDELINE = 500
"""Characters; what a model writes beyond that is no guideline."""
ANSWER_TOKENS = 250


@dataclass(frozen=True)
class Question:
    """What is to be found out.

    Attributes:
        about: Which sessions, in words.
        looked_at: Failed sessions, each with one that solved the same task where there is one.
        failures: How many failed sessions the question is about.
        patterns: What mining says, in words.
        tools: Tools that the sessions called.
        guidelines: Guidelines in force.
        suggestions: How many guidelines are wanted; 0 for none.
    """

    about: str
    looked_at: tuple[tuple[Session, Session | None], ...]
    failures: int
    patterns: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    guidelines: tuple[str, ...] = ()
    suggestions: int = 0


def about_session(session: Session, others: Sequence[Session]) -> Question:
    """The question why one session failed.

    Args:
        session: With its trajectory.
        others: Sessions of the same task, with trajectories, among which one that solved it is looked for.

    Raises:
        UsageError: If the agent did not fail in it.
    """
    if session.outcome is not Outcome.AGENT_FAILURE:
        raise UsageError(
            f"session {session.id!r} ended as {session.outcome.value}; only a failure of the agent has a cause to find",
            hint="list them: sessions list --where outcome=agent_failure",
        )
    return Question(f"session {session.id}", ((session, _solved(session, others)),), 1, guidelines=session.guidelines)


def about_failures(sessions: Iterable[Session], cluster: str = "", *, suggestions: int = 0) -> Question:
    """The question why many sessions failed: a few of them are looked at, all of them are mined.

    Looked at are first those whose task another session solved, then examples of what mining has found, and one
    session of a task before a second one.

    Args:
        sessions: With trajectories; those that succeeded count for the patterns and are compared with.
        cluster: Words of a condition as ``sessions patterns`` prints it; then only failures that meet it are asked
            about.
        suggestions: How many guidelines are wanted.

    Raises:
        UsageError: If there is no failure, or none that meets the condition.
    """
    kept = list(sessions)
    failed = [session for session in kept if session.outcome is Outcome.AGENT_FAILURE]
    if not failed:
        raise UsageError(
            f"among {len(kept):,} sessions the agent failed in none", hint="loosen the filters: --where, --since"
        )
    found = mine(kept)
    if cluster:
        failed = _meeting(cluster, kept, found)
    return Question(
        f"failures with {cluster!r}" if cluster else "failures",
        _chosen(failed, kept, found),
        len(failed),
        tuple(
            f"{one.what}: {one.failures} of {one.support} fail, {one.effect:+.2f} {one.design}, p {one.p_adjusted:.2g}"
            for one in found.findings[:PATTERNS]
        ),
        tuple(sorted({step.tool for session in kept for step in session.trajectory or () if step.tool})),
        tuple(dict.fromkeys(text for session in failed for text in session.guidelines)),
        suggestions,
    )


def diagnose(
    place: Workspace, question: Question, model: str | None, options: RunOptions, caps: Mapping[str, Any] | None = None
) -> Diagnosis:
    """Ask a model; every call goes through one run, which keeps what was found.

    Args:
        place: The workspace.
        question: What is asked.
        model: An alias; the embedded model unless given.
        options: How the run is to behave.
        caps: What the run may spend, as keys of a task file.

    Raises:
        ModelError: If no session could be explained.
        BudgetError: If a cap is reached, or the forecast is not accepted; what was answered is not paid again.
    """
    task = task_over(place, _rows(place, question, model), partial(_values, question), model, caps or {})
    spec = task.models[ROLE]
    identity = {"question": digest([question.about, question.patterns, question.guidelines, question.suggestions])}
    params = {"about": question.about, "failures": str(question.failures), "looked_at": str(len(question.looked_at))}
    with open_run(place, task, Purpose(KIND, params, identity, (spec,)), options) as run:
        looked_at = len(task.corpus.rows)
        further = (looked_at > 1) + (question.suggestions > 0)
        told = looked_at * ANSWER_TOKENS * CHARS_PER_TOKEN + sum(map(len, question.patterns))
        run.forecast(plan_by_length(task, ANSWER_TOKENS, further, told))
        lm = build_lm(spec, ROLE, run.account)
        causes = _causes(run, lm, question)
        told = [cause.cause for cause in causes if cause.cause]
        if not told:
            raise ModelError(f"{spec.alias} explained none of {len(causes)} sessions: {causes[0].error}")
        shared, suggestions = "", ()
        if len(causes) > 1:
            asked = {"causes": told, "patterns": list(question.patterns)}
            shared = str(_asked(run, lm, FindSharedCause, asked, "shared_cause"))
        if question.suggestions:
            suggestions = _suggestions(run, lm, question, told)
        run.ledger.flush()
        done = Diagnosis(
            run_id=run.id,
            model=spec.alias,
            offline=spec.offline,
            about=question.about,
            failures=question.failures,
            causes=causes,
            shared_cause=shared,
            patterns=question.patterns,
            suggestions=suggestions,
            cost_usd=total(run.account.spent().values()).cost_usd,
        )
        run.record.emit(EventKind.DIAGNOSIS, done)
        return done


# What is asked about


def _solved(session: Session, others: Sequence[Session]) -> Session | None:
    """A session that solved the same task, of the same configuration where there is one."""
    same = [o for o in others if o.outcome is Outcome.SUCCESS and o.task == session.task and o.trajectory]
    return next((o for o in same if o.config_hash == session.config_hash), same[0] if same else None)


def _meeting(cluster: str, sessions: Sequence[Session], found: Patterns) -> list[Session]:
    wanted = cluster.casefold()
    met = list(zip(sessions, conditions_of(sessions, found.errors, found.loops), strict=True))
    chosen = [
        session
        for session, conditions in met
        if session.outcome is Outcome.AGENT_FAILURE and any(wanted in what.casefold() for _, what in conditions)
    ]
    if not chosen:
        known = [one.what for one in found.findings] + [f"error: {one.name}" for one in found.errors]
        raise UsageError(
            f"--cluster: no failed session meets a condition with {cluster!r}; found by mining: "
            f"{'; '.join(known[:8]) or 'nothing'}",
            hint=did_you_mean(cluster, known) or "see: sessions patterns",
        )
    return chosen


def _chosen(
    failed: Sequence[Session], sessions: Sequence[Session], found: Patterns
) -> tuple[tuple[Session, Session | None], ...]:
    """The failed sessions to look at: those with a solved one beside them first, then examples of findings."""
    by_id = {session.id: session for session in failed}
    order = [name for one in found.findings for name in one.examples if name in by_id]
    solved = {s.task for s in sessions if s.outcome is Outcome.SUCCESS and s.trajectory}
    ranked = sorted((by_id[name] for name in dict.fromkeys([*order, *by_id])), key=lambda s: s.task not in solved)
    firsts = list({session.task or session.id: session for session in reversed(ranked)}.values())[::-1]
    chosen = list({session.id: session for session in (*firsts, *ranked)}.values())[:SEEN]
    return tuple((session, _solved(session, sessions)) for session in chosen)


# The model and what it says


def _values(question: Question, path: Path) -> dict[str, Any]:
    """The question as a task file whose rows are at ``path``."""
    return {
        "task": "session_analysis",
        "description": f"Root causes of {question.about}",
        "program": "root_cause",
        "inputs": {"session": {"type": "text"}, "solved": {"type": "text"}, "guidelines": {"type": "array"}},
        "outputs": {"root_cause": {"type": "text"}},
        "corpus": {"path": str(path)},
    }


def _rows(place: Workspace, question: Question, model: str | None) -> list[str]:
    """What the model is shown: a JSON line without secrets for each session that is looked at."""
    spec = find_model(model or ModelsSection().reflector, load_models(place.models))
    provider = spec.model.partition("/")[0]
    chars = digest_budget(DigestSection(), provider) // 2  # two sessions share a prompt
    lines = []
    for failed, solved in question.looked_at:
        shown = {
            "session": session_digest(failed, provider, chars),
            "solved": session_digest(solved, provider, chars) if solved else "none",
            "guidelines": list(failed.guidelines),
        }
        lines.append(
            redactor(place).json(json.dumps({"id": failed.id, "input": shown, "label": {}}, ensure_ascii=False))
        )
    return lines


def _causes(run: OpenRun, lm: RoleLM, question: Question) -> tuple[Cause, ...]:
    rows = answers_of(run, lm, "sessions explained")
    found = []
    for failed, solved in question.looked_at:
        row = rows[failed.id]
        said = row.prediction or {}
        evidence = said.get("evidence")
        found.append(
            Cause(
                session=failed.id,
                solved=solved.id if solved else "",
                cause=str(said.get("root_cause", "")) if row.status is RowStatus.OK else "",
                evidence=tuple(map(str, evidence)) if isinstance(evidence, (list, tuple)) else (),
                error=row.error or "",
            )
        )
    return tuple(found)


def _suggestions(run: OpenRun, lm: RoleLM, question: Question, causes: Sequence[str]) -> tuple[Suggestion, ...]:
    """Guidelines that are not in force already, each once; none that is a page long."""
    asked = {
        "causes": list(causes),
        "patterns": list(question.patterns),
        "tools": list(question.tools),
        "guidelines": list(question.guidelines),
        "most": question.suggestions,
    }
    given: Any = _asked(run, lm, SuggestGuidelines, asked, "suggested_guidelines")
    found: dict[str, Suggestion] = {}
    for one in given:
        text = " ".join(one["guideline"].split())
        if text and len(text) <= LONGEST_GUIDELINE and text not in question.guidelines:
            found.setdefault(text, Suggestion(text, one["why"]))
    return tuple(found.values())[: question.suggestions]


def _asked(run: OpenRun, lm: RoleLM, signature: type[dspy.Signature], inputs: Mapping[str, Any], field: str) -> Any:
    """One call beside the rows.

    Raises:
        ModelError: If there is no answer, or none that can be read.
    """
    run.progress.phase(field.replace("_", " "), 1)
    answer = run_row(dspy.Predict(signature), Row(field, dict(inputs), {}), lm, run.task.adapter)
    if answer.status is not RowStatus.OK:
        raise ModelError(
            f"{lm.spec.alias} gave no {field.replace('_', ' ')}: {answer.error}",
            hint="the same command goes on; what was answered is not paid again",
        )
    return to_plain(answer.values[field])
