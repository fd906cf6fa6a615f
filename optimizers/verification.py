"""Does what a run claims follow from what is stored?"""

from __future__ import annotations

from pydantic import ValidationError

from core.candidate import Candidate
from core.errors import ProvenError, StoreError
from core.optimization import Optimization
from core.plain import from_json
from core.workspace import Workspace
from gates.audit import audit_closed, audit_judgements, audit_scores, audit_verdict
from gates.budget import CostCheck
from gates.catalog import build_gate
from gates.constant import NAME as CONSTANT
from gates.copying import NAME as COPYING
from gates.gate import GateInput
from optimizers.evidence import known_evidence, recent_records
from programs.prompts import diff_prompts
from tasks.config import TaskConfig
from tasks.task import Task, assemble
from tracking.events import Event, EventKind
from tracking.provenance import Provenance, compare, outcome_hash, provenance_of, provenance_path, read_provenance
from tracking.store import RunSummary, Store


def verify_run(place: Workspace, store: Store, run: str) -> tuple[str, list[str], list[str]]:
    """Recompute hashes, means, lift, interval and verdict of a run from its stored rows.

    Returns:
        The run's id, every difference from its record, and notes on what could not be recomputed.

    Raises:
        StoreError: If there is no such run, or it has no outcome.
    """
    summary = store.run(run)
    if not _outcomes(store, summary):
        raise StoreError(f"run {summary.run_id} has no outcome to verify; it is {store.state(summary)}")
    differences, notes = _verify(place, store, summary, read_provenance(store, summary.run_id))
    return summary.run_id, differences, notes


def _outcomes(store: Store, summary: RunSummary) -> list[Event]:
    return list(store.events(summary.run_id, kind=EventKind.FINISHED))


def _verify(workspace: Workspace, store: Store, summary: RunSummary, recorded: Event) -> tuple[list[str], list[str]]:
    """Recompute; a record that nothing can be computed from is a difference too."""
    try:
        return _recomputed(workspace, store, summary, recorded)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return [f"{error.title}: not a valid record any more: {where}: {first['msg']}"], []
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, StoreError) as error:
        return [f"the record cannot be recomputed: {type(error).__name__}: {error}"], []


def _recomputed(
    workspace: Workspace, store: Store, summary: RunSummary, recorded: Event
) -> tuple[list[str], list[str]]:
    payload = _outcomes(store, summary)[-1].payload
    outcome, said = from_json(Optimization, payload), from_json(Provenance, recorded.payload)
    found: list[str] = []
    if summary.verdict != outcome.verdict.decision.value:
        found.append(f"list of runs: says {summary.verdict}, the outcome says {outcome.verdict.decision}")
    diff = diff_prompts(outcome.baseline, outcome.winner)
    found += [
        f"provenance: {line}"
        for line in compare(said, provenance_of(outcome, payload, backend=said.backend, diff=diff))
    ]
    found += _file(workspace, summary.run_id, recorded.payload)
    found += _candidates(store, outcome)
    found += audit_scores(outcome)
    config = TaskConfig.model_validate(store.started(summary.run_id).config)
    task, notes = _task(workspace, config, outcome)
    found += _gate(workspace, store, outcome, config, task, recorded.seq, notes)
    if task is not None:
        reason = _not_judged_again(config, task.metric.name == outcome.params.get("metric", task.metric.name))
        if reason is None:
            found += audit_judgements(outcome, task.metric)
        else:
            notes.append(f"scores are not judged again: {reason}")
    return found, notes


def _gate(
    workspace: Workspace,
    store: Store,
    outcome: Optimization,
    config: TaskConfig,
    task: Task | None,
    until: int,
    notes: list[str],
) -> list[str]:
    """Ask the run's gate again, and note which of its checks could not be asked."""
    before, after = outcome.holdout_baseline, outcome.holdout_candidate
    gate, taken = build_gate(config.gate, workspace.root), set[str]()
    if before is None or after is None:
        return audit_closed(outcome, gate)
    gate_input = _gate_input(store, outcome, config, task, until)
    if task is None:
        taken = {COPYING, CONSTANT, *(() if gate_input.by_gold else ("hacking",))}
    limit = next((check.max_run_usd for check in gate.checks if isinstance(check, CostCheck)), None)
    spent = outcome.total_usage.cost_usd
    if limit is not None and spent is not None and spent > limit:
        taken.add("budget")
        notes.append("budget is taken as it was stored: the run has gone on spending after the gate looked at it")
    asked = [check.name for check in gate.checks if check.asks]
    if asked:
        notes.append(f"taken as stored, because a model would have to answer again: {', '.join(asked)}")
    return audit_verdict(outcome, gate, gate_input, taken)


def _gate_input(store: Store, outcome: Optimization, config: TaskConfig, task: Task | None, until: int) -> GateInput:
    """The gate's evidence as the stored rows give it, at the time of the verdict."""
    before, after = outcome.holdout_baseline, outcome.holdout_candidate
    assert before is not None
    assert after is not None
    seed, winner = outcome.candidates[0], outcome.candidates[outcome.winner_index]
    opening = outcome.verdict.evidence.opening if outcome.verdict.evidence else 1
    watched = config.metric.name != "field_agreement"
    records = recent_records(store, outcome.task, without=outcome.run_id, until=until) if watched else ()
    if task is not None:
        return known_evidence(
            task,
            (before, outcome.baseline, seed.dev_score),
            (after, outcome.winner, winner.claim),
            opening=opening,
            records=records,
            spent=outcome.total_usage,
        )
    by_gold = config.metric.name == "field_agreement"
    return GateInput(
        champion=before,
        challenger=after,
        champion_prompts=outcome.baseline,
        challenger_prompts=outcome.winner,
        search=(seed.dev_score, winner.claim),
        opening=opening,
        spent=outcome.total_usage,
        by_gold=by_gold,
        judged=not by_gold,
        records=records,
    )


def _not_judged_again(config: TaskConfig, same_metric: bool) -> str | None:
    if not same_metric:
        return "a script's own comparator gave them, which its task file does not name"
    if config.metric.name == "judge":
        return "a judge gave them, and would have to be asked again"
    if config.metric.name != "field_agreement":
        return "the metric is your own"
    return "rows were run more than once" if config.gate.repeats > 1 else None


def _file(workspace: Workspace, run_id: str, payload: str) -> list[str]:
    path = provenance_path(workspace, run_id)
    try:
        same = outcome_hash(path.read_text("utf-8")) == outcome_hash(payload)
    except OSError as error:
        return [f"{path}: cannot be read: {error.strerror}"]
    except ValueError:
        return [f"{path}: is not JSON any more"]
    if same:
        return []
    try:
        written, stored = from_json(Provenance, path.read_text("utf-8")), from_json(Provenance, payload)
    except ValidationError as error:
        return [f"{path}: not a valid record any more: {error.errors()[0]['msg']}"]
    return [f"{path}: {line}" for line in compare(written, stored)]


def _candidates(store: Store, outcome: Optimization) -> list[str]:
    """Candidates as they were noted when they were found, against those of the outcome."""
    noted = [from_json(Candidate, e.payload) for e in store.events(outcome.run_id, kind=EventKind.CANDIDATE)]
    found = []
    if len(noted) != len(outcome.candidates):
        found.append(f"candidates: {len(noted)} were noted, the outcome has {len(outcome.candidates)}")
    for then, now in zip(noted, outcome.candidates, strict=False):
        if then.prompts.hash != now.prompts.hash or dict(then.dev_scores) != dict(now.dev_scores):
            found.append(f"candidate #{now.index}: the outcome has another prompt or other scores than were noted")
    return found


def _task(workspace: Workspace, config: TaskConfig, outcome: Optimization) -> tuple[Task | None, list[str]]:
    """The run's task with its rows, where they are still the same."""
    taken = "copied rows and the constant answer are taken as they were stored, and rows are not judged again"
    try:
        task = assemble(config, workspace)
    except ProvenError as error:
        return None, [f"the task cannot be assembled any more ({str(error).splitlines()[0]}): {taken}"]
    if task.splits.info.fingerprint != outcome.splits.fingerprint:
        return None, [f"the corpus has changed since: {taken}"]
    return task, []
