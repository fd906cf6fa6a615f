"""The manifest of a learning report: which files there are, under which conditions, and what changed since another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from core.catalog import did_you_mean
from core.errors import DataError, UsageError
from core.plain import from_json, to_json
from playbook.entry import Category
from playbook.gain import contrast
from playbook.summary import KeySummary
from stats import holm

INDEX = "index.json"
TOP = 5
PAMPHLET_MODES = ("on", "off", "toggle")


@dataclass(frozen=True)
class RunMetadata:
    """Under which conditions a report's sessions came about, as whoever wrote it says, and how it looked at them.

    Attributes:
        prompt_variant: The prompt or metaprompt that was tried.
        synthesis_models: Models that proposed entries.
        pamphlet_injection: Whether entries were put into prompts: on, off or toggle.
        playbook_entry_labels: Categories by entry that a person has set, with all that the file said.
        filters: Filters by name.
        windows: Sizes of the windows, and whether they overlap.
        summary_only: Whether trajectories were left unread.
        store: The database, without its password.
        evaluated_at: ISO 8601, UTC.
    """

    prompt_variant: str | None = None
    synthesis_models: tuple[str, ...] = ()
    pamphlet_injection: str | None = None
    playbook_entry_labels: Mapping[str, Category] = field(default_factory=dict[str, Category])
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    windows: Mapping[str, int | bool] = field(default_factory=dict[str, int | bool])
    summary_only: bool = False
    store: str = ""
    evaluated_at: str = ""


@dataclass(frozen=True)
class ModelDelta:
    """What changed for one model in one role; no reward of a model that is new or has vanished."""

    sessions: int
    reward_mean: float | None


@dataclass(frozen=True)
class Comparison:
    """One key now less the same key in an earlier report; None where one of the two is not known.

    Attributes:
        recent_mean_delta: Mean reward of the recent window.
        latest_score_delta: The last reward.
        session_count_delta: Sessions.
        model_deltas: By ``role:model``.
        cue_hits_delta: Cues found.
        adoptions_delta: Calls of entries' handles.
        adoption_rate_delta: Hits that were followed, over hits.
        cue_trigger_rate_delta: Sessions with a cue, over sessions.
        impact_deltas: Impact by entry, for entries that both know.
    """

    recent_mean_delta: float | None
    latest_score_delta: float | None
    session_count_delta: int
    model_deltas: Mapping[str, ModelDelta]
    cue_hits_delta: int
    adoptions_delta: int
    adoption_rate_delta: float | None
    cue_trigger_rate_delta: float | None
    impact_deltas: Mapping[str, float | None]


@dataclass(frozen=True)
class Manifest:
    """What ``index.json`` holds.

    Attributes:
        learning_keys: The keys, in the order of the report.
        artifacts: Files by key and kind, relative to the manifest.
        comparisons: By key, where an earlier report was given and knows the key.
        aggregate: The keys that changed most, as ``[key, delta]``, by leaderboard.
        compared_to: The conditions of the earlier report.
        missing: Keys of this report that the earlier one does not have.
        run_metadata: The conditions of this report.
    """

    learning_keys: tuple[str, ...]
    artifacts: Mapping[str, Mapping[str, str]]
    comparisons: Mapping[str, Comparison]
    aggregate: Mapping[str, tuple[tuple[str, float], ...]]
    compared_to: RunMetadata | None
    missing: tuple[str, ...]
    run_metadata: RunMetadata


@dataclass(frozen=True)
class Earlier:
    """An earlier report as it lies on disk."""

    summaries: Mapping[str, KeySummary]
    run_metadata: RunMetadata


def read_labels(path: Path) -> dict[str, Category]:
    """Categories of entries that a person has set, from a JSON object of entry ids.

    Raises:
        UsageError: If the file cannot be read, or names a category that there is none of.
    """
    given = _object(path, UsageError, 'an object such as {"playbook-entry-3f2a...": "differentiation"}')
    found: dict[str, Category] = {}
    for name, label in given.items():
        if label not in tuple(Category):
            raise UsageError(
                f"{path}: {name}: received {label!r}; allowed: {', '.join(Category)}",
                hint=did_you_mean(str(label), [category.value for category in Category]),
            )
        found[name] = Category(label)
    return found


def read_earlier(path: Path) -> Earlier:
    """The summaries of an earlier report, by the path of its manifest or of the folder that it is in.

    Raises:
        DataError: If the manifest or a summary that it names is not there or cannot be read.
    """
    path = path / INDEX if path.is_dir() else path
    given = _object(path, DataError, "the index.json of an earlier report-learning")
    try:
        about = from_json(RunMetadata, json.dumps(given["run_metadata"]))
        files = {str(key): path.parent / str(its["json"]) for key, its in given["artifacts"].items()}
    except (KeyError, TypeError, AttributeError, ValidationError):
        raise DataError(f"{path}: not the manifest of a learning report", hint=_HOW) from None
    summaries: dict[str, KeySummary] = {}
    for key, file in files.items():
        try:
            summaries[key] = from_json(KeySummary, file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise DataError(f"{file}: cannot be read: {str(error).splitlines()[0]}", hint=_HOW) from None
    return Earlier(summaries, about)


_HOW = "run report-learning again for the sessions that are to be compared with"


def _object(path: Path, error: type[UsageError | DataError], wanted: str) -> dict[str, Any]:
    try:
        given = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as failure:
        raise error(f"{path}: cannot be read: {str(failure).splitlines()[0]}", hint=f"needed: {wanted}") from None
    if not isinstance(given, dict):
        raise error(f"{path}: received a {type(given).__name__}", hint=f"needed: {wanted}")
    return cast(dict[str, Any], given)


def compare(now: KeySummary, before: KeySummary) -> Comparison:
    """What changed for a key."""
    models = [{f"{use.role}:{use.model}": use for use in one.models} for one in (now, before)]
    deltas: dict[str, ModelDelta] = {}
    for name in dict.fromkeys([*models[0], *models[1]]):
        after, then = models[0].get(name), models[1].get(name)
        mean = _less(after.reward_mean, then.reward_mean) if after and then else None
        deltas[name] = ModelDelta((after.sessions if after else 0) - (then.sessions if then else 0), mean)
    known = {one.entry_id: one.impact for one in before.impacts}
    return Comparison(
        recent_mean_delta=_less(now.momentum.recent.mean, before.momentum.recent.mean),
        latest_score_delta=_less(now.momentum.latest, before.momentum.latest),
        session_count_delta=now.sessions - before.sessions,
        model_deltas=deltas,
        cue_hits_delta=now.usage.hits - before.usage.hits,
        adoptions_delta=now.usage.adoptions - before.usage.adoptions,
        adoption_rate_delta=_less(now.usage.adoption_rate, before.usage.adoption_rate),
        cue_trigger_rate_delta=_less(now.usage.cue_trigger_rate, before.usage.cue_trigger_rate),
        impact_deltas={
            one.entry_id: _less(one.impact, known[one.entry_id]) for one in now.impacts if one.entry_id in known
        },
    )


def aggregate(comparisons: Mapping[str, Comparison]) -> dict[str, tuple[tuple[str, float], ...]]:
    """The five keys that gained and lost most, by recent mean, by sessions and by adoption."""
    means = {key: one.recent_mean_delta for key, one in comparisons.items()}
    adopted = {key: one.adoption_rate_delta for key, one in comparisons.items()}
    counts: dict[str, float | None] = {key: one.session_count_delta for key, one in comparisons.items()}
    return {
        "recent_mean_best": _first(means, best=True),
        "recent_mean_worst": _first(means, best=False),
        "session_growth": _first({key: count for key, count in counts.items() if count and count > 0}, best=True),
        "session_drop": _first({key: count for key, count in counts.items() if count and count < 0}, best=False),
        "adoption_best": _first(adopted, best=True),
        "adoption_worst": _first(adopted, best=False),
    }


def manifest(
    summaries: Sequence[KeySummary],
    artifacts: Mapping[str, Mapping[str, str]],
    about: RunMetadata,
    earlier: Earlier | None = None,
) -> Manifest:
    """What a report's ``index.json`` says."""
    known = earlier.summaries if earlier else {}
    comparisons = {one.key: compare(one, known[one.key]) for one in summaries if one.key in known}
    keys = tuple(one.key for one in summaries)
    missing = tuple(key for key in keys if key not in known) if earlier else ()
    leaders = aggregate(comparisons) if earlier else {}
    told = earlier.run_metadata if earlier else None
    return Manifest(keys, artifacts, comparisons, leaders, told, missing, about)


def with_controls(summaries: Sequence[KeySummary], controls: Sequence[str]) -> tuple[KeySummary, ...]:
    """Each key beside the control that it shares most tasks with, task by task; p-values corrected together (Holm).

    Of several that share as many it is the one whose name begins most alike.

    A control is a thread that tried the same tasks without what is to be tested, such as entries in its prompt.

    Raises:
        UsageError: If a control is not among the keys.
    """
    by_key = {one.key: one for one in summaries}
    wrong = next((key for key in controls if key not in by_key), None)
    if wrong is not None:
        raise UsageError(
            f"--control: {wrong!r} is not among the keys of this report: {', '.join(by_key)}",
            hint=did_you_mean(wrong, tuple(by_key)) or "name it with --learning-key as well, or raise --limit",
        )
    chosen: dict[str, str] = {}
    for one in summaries:
        names = {task.task for task in one.tasks}
        shared = {key: len(names & {task.task for task in by_key[key].tasks}) for key in controls}
        best = max(shared, key=lambda key: (shared[key], _alike(key, one.key)), default="")
        if best and one.key not in controls and shared[best]:
            chosen[one.key] = best
    found = {key: contrast(by_key[control].tasks, by_key[key].tasks) for key, control in chosen.items()}
    corrected = dict(zip(found, holm([one.p for one in found.values()]), strict=True)) if found else {}
    return tuple(
        replace(one, control=replace(found[one.key], holm=corrected[one.key]), control_key=chosen[one.key])
        if one.key in found
        else one
        for one in summaries
    )


def _alike(one: str, other: str) -> int:
    """How many characters two names begin with in common."""
    same = [a == b for a, b in zip(one, other, strict=False)]
    return same.index(False) if False in same else len(same)


def summary_json(summary: KeySummary, comparison: Comparison | None) -> str:
    """A summary as the JSON of ``<slug>_summary.json``, with what follows from its records written out."""
    body = json.loads(to_json(summary))
    impacts = [
        {**raw, "impact_score": one.impact, "transfer_success": one.transfers, "transfer_level": one.level,
         "reinforced": one.reinforced, "audit": one.audit}
        for raw, one in zip(body["impacts"], summary.impacts, strict=True)
    ]  # fmt: skip
    entries = [
        {"id": one.id, **raw} for raw, one in zip(body["entries"], summary.entries, strict=True)
    ]  # fmt: skip
    told = {
        f"{audience}_playbook": [raw for raw in entries if raw["audience"] == audience and raw["lifecycle"] == "active"]
        for audience in dict.fromkeys(("student", "teacher", *(raw["audience"] for raw in entries)))
    }
    body |= {"playbook_impact": impacts, **told, "improved": summary.momentum.improved}
    if comparison is not None:
        body["comparison"] = json.loads(to_json(comparison))
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _first(deltas: Mapping[str, float | None], *, best: bool) -> tuple[tuple[str, float], ...]:
    known = [(key, delta) for key, delta in deltas.items() if delta is not None]
    return tuple(sorted(known, key=lambda pair: (-pair[1] if best else pair[1], pair[0]))[:TOP])
