"""``gate``: any gate on any two stored prompts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from calls.account import Halt
from commands.optimize import STRICT_CODES, find_prompts
from commands.session import Finish, as_sets, calls, open_store, open_task, opened_account
from core.candidate import ProgramPrompts
from core.files import write_text
from core.verdict import Check, Verdict
from core.workspace import Workspace
from gates.catalog import Gate, build_gate
from gates.gate import same_prompt
from metrics.evaluate import Evaluator
from optimizers.evidence import Examiner, recent_records
from optimizers.plan import judging_runs
from programs.prompts import apply_prompts
from reports.junit import junit
from reports.progress import LiveProgress
from tasks.task import Task, check_caps, student_evaluator
from tracking.store import Store


def run_gate(
    workspace: Workspace,
    champion: str,
    challenger: str,
    *,
    task: str,
    flags: Mapping[str, Any],
    sets: Sequence[str],
    strict: bool,
    junit_file: str | None,
    as_json: bool,
    finish: Finish,
) -> None:
    """Let a gate decide between two stored prompts."""
    started = time.perf_counter()
    found = open_task(workspace, task, [*sets, *as_sets(flags)])
    store = open_store(workspace, found)
    check_caps(found)
    prompts = find_prompts(store, found, champion), find_prompts(store, found, challenger)
    gate = build_gate(found.config.gate, found.root)
    if prompts[0].hash == prompts[1].hash:
        verdict = same_prompt()
    else:
        verdict = _judge(workspace, found, store, gate, prompts, _owner(store, found, challenger))
    seconds = time.perf_counter() - started
    if junit_file is not None:
        text = junit(verdict, suite=f"gate {gate.name}: {found.name}", seconds=seconds)
        write_text(Path(junit_file), store.redact.text(text))
    code = STRICT_CODES[verdict.decision] if strict else 0
    body = _body(found, gate, (champion, challenger), prompts, verdict)
    finish(body, _text(found, gate, (champion, challenger), verdict), as_json=as_json, code=code)


def _judge(
    workspace: Workspace,
    task: Task,
    store: Store,
    gate: Gate,
    prompts: tuple[ProgramPrompts, ProgramPrompts],
    owner: str,
) -> Verdict:
    """Score both on dev where the gate asks for it, open the holdout, and decide."""
    with (
        calls(workspace, task) as ledger,
        LiveProgress(Console(stderr=True), task.name) as progress,
        opened_account(ledger, task, "gate", progress) as account,
    ):
        try:
            return _verdict(task, store, gate, prompts, owner, student_evaluator(task, account), progress)
        except Halt as halt:
            raise halt.cause from None


def _verdict(
    task: Task,
    store: Store,
    gate: Gate,
    prompts: tuple[ProgramPrompts, ProgramPrompts],
    owner: str,
    evaluate: Evaluator,
    progress: LiveProgress,
) -> Verdict:
    search: list[float | None] = [None, None]
    if any(check.name == "overfit" for check in gate.checks):
        progress.phase("both prompts on dev", 2 * len(task.splits.dev))
        search = [_dev_score(task, evaluate, prompt) for prompt in prompts]
    opening = store.open_holdout(task.name, task.splits.holdout_identity, owner, prompts[1].hash)
    progress.phase("holdout and gate", judging_runs(task))
    records = recent_records(store, task.name) if task.judges else ()
    gate_input = Examiner(task, evaluate).gate_input(
        (prompts[0], search[0]), (prompts[1], search[1]), opening=opening, records=records
    )
    return gate.decide(gate_input)


def _dev_score(task: Task, evaluate: Evaluator, prompts: ProgramPrompts) -> float | None:
    program = apply_prompts(task.program, prompts)
    return evaluate(program, task.splits.dev, split="dev", program_hash=prompts.hash).mean


def _owner(store: Store, task: Task, which: str) -> str:
    """Whose opening of the holdout it is: asking again about the same prompt of the same run is the same opening."""
    if which == "seed":
        return f"{task.name}-seed"
    champion = store.champion(task.name)
    return champion.run_id if which == "champion" and champion is not None else store.run(which).run_id


def _body(
    task: Task, gate: Gate, names: tuple[str, str], prompts: tuple[ProgramPrompts, ProgramPrompts], verdict: Verdict
) -> dict[str, Any]:
    evidence = verdict.evidence
    return {
        "task": task.name,
        "gate": gate.name,
        "champion": names[0],
        "challenger": names[1],
        "champion_hash": prompts[0].hash,
        "challenger_hash": prompts[1].hash,
        "verdict": verdict.decision.value,
        "reasons": list(verdict.reasons),
        "checks": [_check(check) for check in verdict.checks],
        "baseline": evidence.baseline if evidence else None,
        "candidate": evidence.candidate if evidence else None,
        "delta": evidence.delta if evidence else None,
        "ci_low": evidence.low if evidence else None,
        "ci_high": evidence.high if evidence else None,
        "p_value": evidence.p_value if evidence else None,
        "n": evidence.n if evidence else len(task.splits.holdout),
        "opening": evidence.opening if evidence else None,
        "offline": task.offline,
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "status": check.status.value,
        "required": check.required,
        "message": check.message,
        "evidence": dict(check.evidence),
    }


def _text(task: Task, gate: Gate, names: tuple[str, str], verdict: Verdict) -> str:
    lines = [f"{task.name}: {names[1]} against {names[0]}, gate {gate.name}: {verdict.decision.value}"]
    lines += [f"  {reason}" for reason in verdict.reasons]
    width = max((len(check.name) for check in verdict.checks), default=0)
    lines += [
        "",
        *(f"  {c.name:<{width}}  {c.status.value.replace('_', ' '):<13}  {c.message}" for c in verdict.checks),
    ]
    if task.offline:
        lines += ["", "offline: the embedded stand-in answered, not a language model"]
    return "\n".join(lines)
