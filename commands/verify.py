"""``verify``: does what a run claims follow from what is stored?"""

from __future__ import annotations

from pydantic import ValidationError

from commands.session import Finish, open_store, provenance_path, read_provenance
from core.errors import ProvenError, StoreError
from core.provenance import Provenance, compare, outcome_hash, provenance_of
from core.results import Candidate, Evaluation, Optimization, from_json
from core.store import Event, RunSummary, Store
from core.workspace import Workspace
from gates.audit import audit_judgements, audit_scores, audit_verdict
from gates.constant import best_constant, constant_evaluation
from gates.copying import CorpusText, corpus_texts
from gates.holdout import HoldoutGate
from programs.prompts import diff_prompts
from tasks.config import TaskConfig
from tasks.task import Task, assemble

DIFFERENT = 1


def run_verify(workspace: Workspace, run: str, *, as_json: bool, finish: Finish) -> None:
    """Recompute hashes, means, lift, interval and verdict of a run from its stored rows; exit 1 on any difference."""
    store = open_store(workspace)
    summary = store.run(run)
    if not _outcomes(store, summary):
        raise StoreError(f"run {summary.run_id} has no outcome to verify; it is {store.state(summary)}")
    recorded = read_provenance(store, summary.run_id)
    differences, notes = _verify(workspace, store, summary, recorded)
    head = f"{summary.run_id}: {'differs from its record' if differences else 'verified'}"
    lines = [head, *(f"  {d}" for d in differences), *(f"  note: {n}" for n in notes)]
    body = {"run_id": summary.run_id, "verified": not differences, "differences": differences, "notes": notes}
    finish(body, "\n".join(lines), as_json=as_json, code=DIFFERENT if differences else 0)


def _outcomes(store: Store, summary: RunSummary) -> list[Event]:
    return [event for event in store.events(summary.run_id) if event.kind == "finished"]


def _verify(workspace: Workspace, store: Store, summary: RunSummary, recorded: Event) -> tuple[list[str], list[str]]:
    payload = _outcomes(store, summary)[-1].payload
    try:
        outcome = from_json(Optimization, payload)
        said = from_json(Provenance, recorded.payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return [f"{error.title}: not a valid record any more: {where}: {first['msg']}"], []
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
    task, notes = _task(workspace, store, outcome)
    gate = HoldoutGate.from_config(TaskConfig.model_validate(store.started(summary.run_id).config).gate)
    corpus, constant = _context(task, outcome) if task else (None, None)
    found += audit_verdict(outcome, gate, corpus=corpus, constant=constant)
    if task is not None:
        if task.config.metric.name == "field_agreement" and task.config.gate.repeats == 1:
            found += audit_judgements(outcome, task.metric)
        else:
            notes.append("scores are not judged again: the metric is your own, or rows were run more than once")
    return found, notes


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
    noted = [from_json(Candidate, e.payload) for e in store.events(outcome.run_id) if e.kind == "candidate"]
    found = []
    if len(noted) != len(outcome.candidates):
        found.append(f"candidates: {len(noted)} were noted, the outcome has {len(outcome.candidates)}")
    for then, now in zip(noted, outcome.candidates, strict=False):
        if then.prompts.hash != now.prompts.hash or dict(then.dev_scores) != dict(now.dev_scores):
            found.append(f"candidate #{now.index}: the outcome has another prompt or other scores than were noted")
    return found


def _task(workspace: Workspace, store: Store, outcome: Optimization) -> tuple[Task | None, list[str]]:
    """The run's task with its rows, where they are still the same."""
    taken = "copied rows and the constant answer are taken as they were stored, and rows are not judged again"
    try:
        task = assemble(TaskConfig.model_validate(store.started(outcome.run_id).config), workspace)
    except (ProvenError, ValidationError) as error:
        return None, [f"the task cannot be assembled any more ({str(error).splitlines()[0]}): {taken}"]
    if task.splits.info.fingerprint != outcome.splits.fingerprint:
        return None, [f"the corpus has changed since: {taken}"]
    return task, []


def _context(task: Task, outcome: Optimization) -> tuple[tuple[CorpusText, ...], Evaluation | None]:
    splits = {"train": task.splits.train, "dev": task.splits.dev, "holdout": task.splits.holdout}
    texts = corpus_texts((r.id, name, r.inputs, r.gold) for name, rows in splits.items() for r in rows)
    if outcome.holdout_candidate is None or not task.config.gate.beat_constant or task.judges:
        return texts, None
    answer = best_constant(task.metric, task.splits.train)
    return texts, constant_evaluation(task.metric, answer, task.splits.holdout, "holdout") if answer else None
