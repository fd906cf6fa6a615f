"""What each kind of event becomes in MLflow: one table from kinds to functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from core.candidate import Candidate
from core.cells import JudgeCard, Matrix
from core.evaluation import Evaluation
from core.experiment import Experiment, PairResult
from core.learned import LearningComparison
from core.optimization import Optimization, RunStart
from core.plain import from_json, to_json
from core.verdict import Verdict
from tracking import registry, tables
from tracking.arms import tell_experiment
from tracking.cells import tell_matrix
from tracking.client import MlflowRun, milliseconds, safe_name
from tracking.events import Event, EventKind
from tracking.holdout import Rows, tell_holdout
from tracking.learned import tell_learning
from tracking.store import Store

STATES = {
    "finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED", "interrupted": "KILLED", "exhausted": "KILLED",
}  # fmt: skip
NAMED_BY_SEARCH = ("optimize", "distill")


@dataclass(frozen=True)
class Telling:
    """One run of ours on its way into MLflow."""

    run: MlflowRun
    store: Store
    run_id: str

    def ordinal(self, event: Event) -> int:
        """The how-manieth event of its kind an event is, from 0."""
        return sum(e.seq < event.seq for e in self.store.events(self.run_id, kind=EventKind(event.kind)))


Handler = Callable[[Telling, Sequence[Event]], None]
"""Writes events of one kind that followed each other; writing them twice changes nothing."""


def _each(tell: Callable[[Telling, Event], None]) -> Handler:
    """A handler that takes events one by one."""

    def handler(telling: Telling, events: Sequence[Event]) -> None:
        for event in events:
            tell(telling, event)

    return handler


def _document(path: str) -> Handler:
    """A handler that keeps the payload as an artifact."""
    return _each(lambda telling, event: telling.run.document(json.loads(event.payload), path))


def _started(telling: Telling, event: Event) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    start = from_json(RunStart, event.payload)
    run, splits = telling.run, start.splits
    run.params({"kind": start.kind, **start.params})
    profile = {"train": splits.train, "dev": splits.dev, "holdout": splits.holdout}
    dataset = Dataset(
        name=start.task, digest=splits.fingerprint[:16], source_type="local", profile=json.dumps(profile),
        source=json.dumps({"path": str(start.config.get("corpus", {}).get("path", ""))}),
    )  # fmt: skip
    tags = [InputTag("mlflow.data.context", "train, dev, holdout")]
    run.client.api.log_inputs(run.id, datasets=[DatasetInput(dataset, tags)])
    run.text(yaml.safe_dump(dict(start.config), sort_keys=False), "config.yaml")


def _continued(telling: Telling, event: Event) -> None:
    telling.run.running()


def _curve(telling: Telling) -> None:
    """Step metrics of the candidates, which end at values worth comparing: best so far, money, calls.

    They follow the run's single numbers, because MLflow compares runs by the number that was written first.
    """
    best: float | None = None
    for event in telling.store.events(telling.run_id, kind=EventKind.CANDIDATE):
        candidate = from_json(Candidate, event.payload)
        score = candidate.dev_score
        if score is not None:
            best = score if best is None else max(best, score)
        values = {
            "search/best_dev": best,
            "search/usd": candidate.usage.cost_usd,
            "search/calls": candidate.usage.calls,
        }
        telling.run.curve([(candidate.index, values)], moment=milliseconds(event.at))


def _kept(telling: Telling, event: Event) -> None:
    """Nothing yet: what the event says is written when the run is over."""


def _evaluation(telling: Telling, event: Event) -> None:
    """An evaluation outside an optimisation; where a run has several, each is a step, in the order they were made."""
    evaluation, number = from_json(Evaluation, event.payload), telling.ordinal(event)
    telling.run.metrics(tables.evaluation_numbers(evaluation), step=number)
    telling.run.tags({"split": evaluation.split, "program_hash": evaluation.program_hash})
    name = f"{number}-{safe_name(evaluation.split)}-{safe_name(evaluation.program_hash)}"
    if Rows.of(telling.store.started(telling.run_id)).wanted:
        telling.run.tables({f"tables/rows-{name}.json": tables.row_table(evaluation)})
        telling.run.text(to_json(evaluation), f"evaluations/{name}.json")


def _verdict(telling: Telling, event: Event) -> None:
    verdict = from_json(Verdict, event.payload)
    judged = len(telling.store.events(telling.run_id, kind=EventKind.EVALUATION))
    telling.run.metrics(tables.verdict_numbers(verdict), step=max(0, judged - 1))  # what it says is of the challenger
    _tell_verdict(telling, verdict, offline=False)


def _tell_verdict(telling: Telling, verdict: Verdict, *, offline: bool) -> None:
    reason = "; ".join(verdict.reasons)
    note = f"**{verdict.decision}** {reason}"
    if offline:
        note += "\n\nThe embedded offline stand-in answered, not a language model."
    name = f"{run_name(telling.store.started(telling.run_id))} {verdict.decision.value}"
    decided = {"gate": verdict.decision.value, "gate_reason": reason}
    telling.run.tags({**decided, "mlflow.note.content": note, "mlflow.runName": name})
    telling.run.document(json.loads(to_json(verdict)), "gate.json")


def _judge_card(telling: Telling, event: Event) -> None:
    card = from_json(JudgeCard, event.payload)
    telling.run.metrics(tables.judge_card_numbers(card))
    telling.run.tags({"judge": card.judge, "mlflow.note.content": "\n\n".join(card.notes)})
    telling.run.document(json.loads(event.payload), "judge_card.json")


def _step(telling: Telling, event: Event) -> None:
    body = json.loads(event.payload)
    telling.run.metrics({name: body.get(name) for name in ("lines", "failed")}, step=telling.ordinal(event))
    telling.run.tags({"step": str(body.get("step", ""))})


def _matrix(telling: Telling, event: Event) -> None:
    start = telling.store.started(telling.run_id)
    texts = {name: text for name, text in start.config.get("prompts", {}).items() if isinstance(text, str)}
    pair = tell_matrix(telling.run, from_json(Matrix, event.payload), Rows.of(start), texts)
    if pair is not None:
        telling.store.note_comparison(telling.run_id, *pair)


def _pairs(telling: Telling, events: Sequence[Event]) -> None:
    """Step metrics of the pairs that entered a test: its position between its bounds."""
    results = [from_json(PairResult, event.payload) for event in events]
    telling.run.curve(
        [(r.n, {"llr": r.position, "bound/lower": r.lower, "bound/upper": r.upper}) for r in results if not r.left_out]
    )


def _experiment(telling: Telling, event: Event) -> None:
    tell_experiment(telling.run, from_json(Experiment, event.payload))


def _learning(telling: Telling, event: Event) -> None:
    tell_learning(telling.run, from_json(LearningComparison, event.payload))


def _finished(telling: Telling, event: Event) -> None:
    o, run = from_json(Optimization, event.payload), telling.run
    rows = Rows.of(telling.store.started(telling.run_id))
    run.metrics(tables.optimization_numbers(o))
    _tell_verdict(telling, o.verdict, offline=o.offline)
    if rows.wanted:
        run.text(to_json(o), "optimization.json")
    shown = {"tables/candidates.json": tables.candidate_table(o)}
    if o.holdout_baseline is not None and o.holdout_candidate is not None:
        shown = {"tables/holdout_rows.json": tables.holdout_table(o.holdout_baseline, o.holdout_candidate), **shown}
    run.tables(shown)
    for before, after in zip(o.baseline.prompts, o.winner.prompts, strict=True):
        name = safe_name(before.predictor)
        run.text(before.text, f"prompts/{name}.seed.md")
        run.text(after.text, f"prompts/{name}.tuned.md")
    pair = tell_holdout(run, o, rows, registry.register(run, o))
    if pair is not None:
        telling.store.note_comparison(telling.run_id, *pair)
    run.client.describe(run.experiment, o.task, o.splits.holdout_fingerprint)


def _failed(telling: Telling, event: Event) -> None:
    telling.run.tags({"gate": "failed", "gate_reason": json.loads(event.payload).get("message", "")})


def _closed(telling: Telling, event: Event) -> None:
    _curve(telling)
    state = STATES.get(json.loads(event.payload).get("state", ""), "FINISHED")
    telling.run.ended(state, milliseconds(event.at))


def _report(telling: Telling, event: Event) -> None:
    path = Path(json.loads(event.payload)["path"])
    if path.is_file() and Rows.of(telling.store.started(telling.run_id)).wanted:
        telling.run.text(path.read_text("utf-8"), "report.html")


def _promoted(telling: Telling, event: Event) -> None:
    telling.run.tags({"promoted": str(event.kind), "promoted_at": event.at})
    registry.put_in_production(telling.run, telling.store.history(telling.store.run(telling.run_id).task))


def _exported(telling: Telling, event: Event) -> None:
    form = json.loads(event.payload).get("format", "")
    telling.run.tags({"exported_at": event.at, "exported": form})


def _swept(telling: Telling, event: Event) -> None:
    said = json.loads(event.payload)
    telling.run.tags({f"patch.{said['patch']}": said["run_id"]})


HANDLERS: Mapping[EventKind, Handler] = {
    EventKind.STARTED: _each(_started),
    EventKind.CONTINUED: _each(_continued),
    EventKind.FORECAST: _document("forecast.json"),
    EventKind.CANDIDATE: _each(_kept),
    EventKind.EVALUATION: _each(_evaluation),
    EventKind.VERDICT: _each(_verdict),
    EventKind.JUDGE_CARD: _each(_judge_card),
    EventKind.STEP: _each(_step),
    EventKind.MATRIX: _each(_matrix),
    EventKind.PAIR: _pairs,
    EventKind.EXPERIMENT: _each(_experiment),
    EventKind.SWEPT: _each(_swept),
    EventKind.SWEEP: _document("sweep.json"),
    EventKind.DIAGNOSIS: _document("diagnosis.json"),
    EventKind.SYNTHESIS: _document("synthesis.json"),
    EventKind.LEARNING: _each(_learning),
    EventKind.DISTILLATION: _document("distillation.json"),
    EventKind.PROVENANCE: _document("provenance.json"),
    EventKind.FINISHED: _each(_finished),
    EventKind.FAILED: _each(_failed),
    EventKind.CLOSED: _each(_closed),
    EventKind.REPORT: _each(_report),
    EventKind.EXPORTED: _each(_exported),
    EventKind.PROMOTED: _each(_promoted),
    EventKind.ROLLED_BACK: _each(_promoted),
}


def tell(telling: Telling, kind: EventKind | str, events: Sequence[Event]) -> None:
    """Write events of one kind; of a kind that another version wrote, MLflow gets its name in the tag ``left_out``."""
    if isinstance(kind, EventKind):
        HANDLERS[kind](telling, events)
    else:
        telling.run.tags({"left_out": f"events of the kind {kind!r}: this version does not know them"})


def run_name(start: RunStart) -> str:
    """A name that fits the narrow column of the UI, such as ``gepa-light-s0``."""
    params = start.params
    kind = params.get("kind", start.kind)
    if kind in NAMED_BY_SEARCH:
        return f"{params.get('optimizer', 'run')}-{params.get('budget', '')}-s{params.get('seed', '')}"
    if kind == "matrix" and "cells" in params:
        return f"matrix, {params['cells']} cells, {params.get('rows', '?')} rows"
    return ", ".join(word for word in (kind, params.get("student", "")) if word)
