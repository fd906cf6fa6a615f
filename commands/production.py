"""What the commands on prompts in production share: which prompt is meant, whether it may be used, where it goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.candidate import ProgramPrompts
from core.errors import GateRefusalError, StoreError, UsageError
from core.files import write_text
from core.optimization import Optimization
from core.verdict import Decision
from core.workspace import Workspace
from optimizers.verification import verify_run
from programs.export import FORMATS, Export
from programs.prompts import apply_prompts, read_prompts, schema_hash
from tasks.current import Contender, Contenders, Current, contenders, current_prompt
from tasks.task import Task
from tracking.champions import standing
from tracking.store import OUTCOMES, Store

SHOWN = 5
"""Differences from a record that a refusal lists."""


def usable_prompt(
    where: Workspace,
    store: Store,
    task: Task,
    run: str | None = None,
    *,
    force: bool = False,
    instead: Optimization | None = None,
) -> tuple[Current, dict[str, Any]]:
    """The prompt that is meant, with where it comes from, after its run's record was verified.

    Args:
        where: The workspace.
        store: Its record.
        task: The task.
        run: ``seed``, or a run's id or its beginning; by default the prompt in use, see
            :func:`tasks.current.current_prompt`.
        force: Whether a prompt may be used that no gate has accepted; where nothing is proven and no run is named, the
            latest run's.
        instead: The best proven run, where that is the default and not the prompt in use.

    Raises:
        GateRefusalError: If no gate has accepted the prompt, it was tuned for other fields, or its stored record is not
            what was recorded, which ``force`` does not help against.
        StoreError: If there is no such run, or none at all.
    """
    if run == "seed":
        found = Current("seed", read_prompts(task.program), None, "the seed, as asked for")
        return found, seed_provenance(task, found.prompts)
    if run is not None:
        summary = store.run(run)
        if summary.task != task.name:
            raise UsageError(f"run {summary.run_id} is of task {summary.task!r}, not {task.name!r}")
        return _checked(where, store, task, summary.run_id, force=force)
    if instead is not None:
        outcome = verified(where, store, task, instead.run_id)
        found = Current("best proven", outcome.winner, outcome.run_id, "the best proven run")
        return found, provenance_of(outcome, forced=False) | {"source": found.source}
    found = current_prompt(store, task)
    if found.run_id is None:
        if found.champion is not None:
            return found, seed_provenance(task, found.prompts)
        return _instead_of_seed(where, store, task, found.why, force=force)
    outcome = verified(where, store, task, found.run_id)
    _check_listed(task, found.prompts, outcome)
    forced = found.champion is not None and found.champion.forced
    return found, provenance_of(outcome, forced=forced) | {"source": found.source}


def _check_listed(task: Task, prompts: ProgramPrompts, outcome: Optimization) -> None:
    if prompts.hash != outcome.winner.hash:
        raise GateRefusalError(
            f"the champion of {task.name} is stored as {prompts.hash}, but the prompt of its run "
            f"{outcome.run_id} is {outcome.winner.hash}",
            hint=f"the list of champions was changed; promote again: python cli.py promote {task.name}",
        )


def check_return(where: Workspace, store: Store, task: Task) -> None:
    """See that the record of the champion that a rollback returns to is what was recorded.

    Raises:
        GateRefusalError: If not, naming how.
    """
    left = standing(store.history(task.name))
    if len(left) > 1 and not left[-2].seed:
        _check_listed(task, left[-2].prompts, verified(where, store, task, left[-2].run_id))


def _checked(
    where: Workspace, store: Store, task: Task, run_id: str, how: str = "as asked for", *, force: bool
) -> tuple[Current, dict[str, Any]]:
    """A run that was named; one that no gate has accepted only by force."""
    outcome = verified(where, store, task, run_id)
    forced = outcome.verdict.decision is not Decision.PROMOTE
    if forced and not force:
        raise GateRefusalError(_ended(outcome), hint="--force uses it all the same, and the record will say so")
    found = Current("run", outcome.winner, run_id, f"run {run_id}, {how}{', forced' if forced else ''}")
    return found, provenance_of(outcome, forced=forced) | {"source": found.source}


def _instead_of_seed(
    where: Workspace, store: Store, task: Task, why: str, *, force: bool
) -> tuple[Current, dict[str, Any]]:
    """The latest run by force, where the prompt in use is a seed that nobody has chosen; otherwise a refusal."""
    latest = latest_finished(store, task)
    if force:
        return _checked(where, store, task, latest, "the latest, because nothing is proven", force=True)
    try:
        said = _ended(store.optimization(latest))
    except StoreError as error:
        said = error.message
    raise GateRefusalError(
        f"the prompt in use for {task.name} is {why}. {said}",
        hint="--run RUN takes a run's prompt; --force an unproven one, and the record will say so",
    )


def latest_finished(store: Store, task: Task) -> str:
    """The latest run that came to its end.

    Raises:
        StoreError: If there is none.
    """
    for summary in store.runs(task.name, kinds=OUTCOMES):
        if summary.state == "finished":
            return summary.run_id
    raise StoreError(f"{task.name} has no finished run", hint=f"python cli.py optimize {task.name}")


def verified(where: Workspace, store: Store, task: Task, run_id: str) -> Optimization:
    """A run's outcome, after it was recomputed from its stored rows and found to be what was recorded.

    Raises:
        GateRefusalError: If it differs from its record, naming how, or was tuned for other fields than the task has.
    """
    _, differences, _ = verify_run(where, store, run_id)
    if differences:
        more = [f"and {len(differences) - SHOWN} more"] if len(differences) > SHOWN else []
        lines = "".join(f"\n  {line}" for line in [*differences[:SHOWN], *more])
        raise GateRefusalError(
            f"run {run_id} is not what was recorded, so its prompt is not used:{lines}",
            hint=f"see python cli.py verify {run_id}; --force does not help against this, another --run does",
        )
    outcome = store.optimization(run_id)
    if outcome.schema_hash != schema_hash(task.program):
        raise GateRefusalError(
            f"run {run_id} was tuned for other fields than {task.name} has now",
            hint=f"optimise again: python cli.py optimize {task.name}",
        )
    return outcome


def _ended(outcome: Optimization) -> str:
    reasons = outcome.verdict.reasons
    reason = reasons[0] if reasons else "no reason given"
    return f"run {outcome.run_id} ended with {outcome.verdict.decision}: {reason}"


def provenance_of(optimization: Optimization, *, forced: bool) -> dict[str, Any]:
    """Where a prompt comes from, as it stands beside every export."""
    evidence = optimization.verdict.evidence
    return {
        "task": optimization.task,
        "run_id": optimization.run_id,
        "verdict": optimization.verdict.decision.value,
        "forced": forced,
        "lift": round(evidence.delta, 6) if evidence else None,
        "interval": [evidence.low, evidence.high] if evidence else None,
        "holdout_rows": evidence.n if evidence else None,
        "data_fingerprint": optimization.splits.fingerprint,
        "schema_hash": optimization.schema_hash,
        "prompt_hash": optimization.winner.hash,
        "student": optimization.params.get("student"),
        "optimizer": optimization.optimizer,
        "tuned_at": optimization.started_at,
        "offline": optimization.offline,
    }


def seed_provenance(task: Task, seed: ProgramPrompts) -> dict[str, Any]:
    """What stands beside an export of the seed."""
    return {
        "task": task.name,
        "run_id": None,
        "verdict": None,
        "forced": False,
        "schema_hash": schema_hash(task.program),
        "prompt_hash": seed.hash,
        "source": "seed",
    }


def told(current: Current) -> dict[str, Any]:
    """What ``--json`` says of a prompt that was taken."""
    return {"source": current.source, "run_id": current.run_id, "prompt_hash": current.prompts.hash}


def contender_table(store: Store, task: Task) -> tuple[Contenders, list[str], list[dict[str, Any]]]:
    """The runs that may be promoted, for the choice, for people and for programs."""
    found = contenders(store, task)
    rows = [(c, True) for c in found.ranked] + [(c, False) for c in found.others]
    body = [_contender(c, comparable=comparable) for c, comparable in rows]
    return found, _lines(found), body


def _contender(contender: Contender, *, comparable: bool) -> dict[str, Any]:
    evidence, outcome = contender.evidence, contender.outcome
    return {
        "run_id": outcome.run_id,
        "optimizer": outcome.optimizer,
        "prompt_hash": outcome.winner.hash,
        "lift": evidence.delta,
        "interval": [evidence.low, evidence.high],
        "proven_score": contender.score,
        "student": outcome.params.get("student"),
        "tuned_at": outcome.started_at,
        "comparable": comparable,
    }


def _lines(found: Contenders) -> list[str]:
    lines = ["contenders, best proven first:"] if found.ranked else []
    lines += _rows(found.ranked)
    if found.others:
        lines += ["not comparable: other rows, another student or another metric:", *_rows(found.others)]
    return lines + [f"  {run_id}: its record cannot be read any more" for run_id in found.unreadable]


def _rows(group: Sequence[Contender]) -> list[str]:
    width = max((len(c.outcome.run_id) for c in group), default=0)
    return [
        f"  {c.outcome.run_id:<{width}}  {c.outcome.optimizer:<10} lift {c.evidence.delta:+.3f} {_interval(c)}  "
        f"score {c.score:.3f}  {c.outcome.started_at[:16].replace('T', ' ')}"
        for c in group
    ]


def _interval(contender: Contender) -> str:
    low, high = contender.evidence.low, contender.evidence.high
    return "" if low is None or high is None else f"[{low:+.3f}, {high:+.3f}]"


def export_of(task: Task, prompts: ProgramPrompts, provenance: dict[str, Any]) -> Export:
    """A prompt, ready to be rendered."""
    return Export(apply_prompts(task.program, prompts), task.adapter, task.config.adapter, provenance)


def write_champion(place: Workspace, task: Task, prompts: ProgramPrompts, provenance: dict[str, Any]) -> Path:
    """Write prompts into ``prompts/``, from where production may read them."""
    path = place.prompts / f"{task.name}.yaml"
    write_text(path, FORMATS.get("yaml").render(export_of(task, prompts, provenance), None))
    return path
