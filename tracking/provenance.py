"""Where a prompt comes from: a sealed record of one run that anybody can recompute from the stored rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from core.candidate import Candidate, ProgramPrompts
from core.errors import StoreError
from core.optimization import Optimization
from core.plain import canonical
from core.verdict import Decision
from core.workspace import Workspace
from tracking.events import Event, EventKind
from tracking.store import Store

SCHEMA = "proven.provenance.v1"
Backend = Literal["real", "offline", "mixed"]


@dataclass(frozen=True)
class CandidateOrigin:
    """One candidate: its texts by hash, how it came about, what it scored on dev, whether it was promoted."""

    index: int
    content: str
    origin: str
    rationale: str
    parents: tuple[int, ...]
    dev_score: float | None
    promoted: bool


@dataclass(frozen=True)
class HoldoutRow:
    """Both prompts' scores on one holdout row; None where the row failed."""

    row_id: str
    baseline: float | None
    candidate: float | None


@dataclass(frozen=True)
class Provenance:
    """The record. Hashes are ``sha256:`` and 64 hex digits.

    ``outcome`` is over the whole stored outcome of the run, ``seal`` over everything else in this record. ``diff`` is
    empty exactly when the winner is the baseline. ``lift`` and ``interval`` are those of the gate's evidence.
    """

    schema: str
    run_id: str
    task: str
    started_at: str
    backend: Backend
    data: str
    baseline: str
    winner: str
    winner_index: int
    diff: str
    candidates: tuple[CandidateOrigin, ...]
    decision: str
    reasons: tuple[str, ...]
    checks: Mapping[str, str]
    holdout: tuple[HoldoutRow, ...]
    lift: float | None
    interval: tuple[float | None, float | None] | None
    outcome: str
    seal: str = ""


def sha256(text: str) -> str:
    """``sha256:`` and the hex digest of a text."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def content_hash(prompts: ProgramPrompts) -> str:
    """The hash of every predictor's name and texts, in the program's order."""
    return sha256(canonical([[p.predictor, p.instruction, [dict(d) for d in p.demos]] for p in prompts.prompts]))


def outcome_hash(payload: str) -> str:
    """The hash of a stored outcome, whatever the spacing and the order of keys of its JSON."""
    return sha256(canonical(json.loads(payload)))


def seal_of(record: Provenance) -> str:
    """The hash of a record without its seal."""
    return sha256(canonical({**asdict(record), "seal": ""}))


def provenance_of(o: Optimization, payload: str, *, backend: Backend, diff: str) -> Provenance:
    """Write the record of an outcome.

    Args:
        o: The outcome, as it is stored.
        payload: Its JSON, as it is stored.
        backend: Whether language models, the embedded stand-in or both answered.
        diff: Unified diff from baseline to winner.
    """
    evidence, verdict = o.verdict.evidence, o.verdict
    record = Provenance(
        schema=SCHEMA,
        run_id=o.run_id,
        task=o.task,
        started_at=o.started_at,
        backend=backend,
        data=o.splits.fingerprint,
        baseline=content_hash(o.baseline),
        winner=content_hash(o.winner),
        winner_index=o.winner_index,
        diff=diff,
        candidates=tuple(_origin(c, o) for c in o.candidates),
        decision=verdict.decision.value,
        reasons=verdict.reasons,
        checks={check.name: check.status.value for check in verdict.checks},
        holdout=_holdout(o),
        lift=evidence.delta if evidence else None,
        interval=(evidence.low, evidence.high) if evidence else None,
        outcome=outcome_hash(payload),
    )
    return replace(record, seal=seal_of(record))


def _origin(candidate: Candidate, o: Optimization) -> CandidateOrigin:
    parents = ", ".join(f"#{parent}" for parent in candidate.parents)
    promoted = candidate.index == o.winner_index and o.verdict.decision is Decision.PROMOTE
    return CandidateOrigin(
        index=candidate.index,
        content=content_hash(candidate.prompts),
        origin=candidate.found,
        rationale=f"{candidate.found} on {parents}" if parents else candidate.found,
        parents=candidate.parents,
        dev_score=candidate.dev_score,
        promoted=promoted,
    )


def _holdout(o: Optimization) -> tuple[HoldoutRow, ...]:
    if o.holdout_baseline is None or o.holdout_candidate is None:
        return ()
    before = {row.row_id: row.score for row in o.holdout_baseline.rows}
    return tuple(HoldoutRow(row.row_id, before.get(row.row_id), row.score) for row in o.holdout_candidate.rows)


def compare(recorded: Provenance, recomputed: Provenance) -> tuple[str, ...]:
    """What a record says that does not follow from the stored outcome, part by part; empty when all of it does."""
    found = []
    if recorded.seal != seal_of(recorded):
        found.append(f"seal: {recorded.seal} does not fit the record ({seal_of(recorded)})")
    said, now = asdict(recorded), asdict(recomputed)
    for part in said:
        if part != "seal":
            found += _differences(part, said[part], now[part])
    return tuple(found)


def _differences(path: str, said: Any, now: Any) -> list[str]:
    """Where two plain values differ, down to the single value."""
    if isinstance(said, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted({*said, *now})
            for line in _differences(f"{path}.{key}", said.get(key, "nothing"), now.get(key, "nothing"))
        ]
    if isinstance(said, (list, tuple)) and isinstance(now, (list, tuple)) and len(said) == len(now):
        pairs = enumerate(zip(said, now, strict=True))
        return [line for index, (a, b) in pairs for line in _differences(f"{path}[{index}]", a, b)]
    if canonical(said) == canonical(now):
        return []
    return [f"{path}: recorded {_short(said)}, the stored rows give {_short(now)}"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:120] + "..."


def provenance_path(place: Workspace, run_id: str) -> Path:
    """Where a run's provenance lies as a file, beside its report."""
    return place.mlruns / "reports" / f"{run_id}.provenance.json"


def read_provenance(store: Store, run_id: str) -> Event:
    """The event that holds a run's provenance.

    Raises:
        StoreError: If the run has none.
    """
    event = store.last(run_id, EventKind.PROVENANCE)
    if event is not None:
        return event
    raise StoreError(
        f"run {run_id} has no provenance record", hint="it did not end with an outcome, or an older version made it"
    )
