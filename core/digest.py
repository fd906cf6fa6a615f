"""What a run knows of itself, cut to the characters that a model may be given: digests of execution metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

from pydantic import Field

from core.errors import BudgetError
from core.plain import to_plain
from core.section import Section

WINDOWS = {
    "anthropic": 200_000, "azure": 128_000, "azure_openai": 128_000, "bedrock": 200_000, "gemini": 1_000_000,
    "google": 120_000, "openai": 128_000, "xai": 128_000,
}  # fmt: skip
"""Context windows in tokens, by provider."""
SHARE, CHARS_PER_TOKEN = 0.025, 4
DEFAULT_BUDGET, LEAST_DEFAULT, LEAST_BUDGET = 20_000, 5_000, 1_024
FEEDBACK_SHARE, SHORTEST = 10, 64
"""Rows with feedback are what a reflection is about: without a setting they have ten times a digest's budget."""
DROPPED_FIRST = ("prompt_rewrite", "playbooks", "trajectory", "learning", "recent_steps")
"""Sections that a tight budget does without, the least valuable first."""
LIST_KEEPS = 3

Budget = Annotated[int, Field(ge=LEAST_BUDGET)]
Plain = dict[str, Any]


class DigestSection(Section):
    """How much execution metadata goes to a model; the whole of it stays in the record."""

    enabled: bool = Field(default=True, description="False sends the metadata as it is, whatever its size.")
    char_budget: Budget | None = Field(default=None, description="Most characters for every provider.")
    provider_char_budgets: dict[str, Budget] = Field(default={}, description="Most characters, by provider.")
    max_plan_steps: int = Field(default=5, ge=0)
    max_step_summaries: int = Field(default=5, ge=0)
    max_learning_history_entries: int = Field(default=3, ge=0)
    max_reward_audit_entries: int = Field(default=3, ge=0)
    max_string_chars: int = Field(default=1_000, ge=16)
    max_section_chars: int = Field(default=4_000, ge=64)
    max_prompt_rewrite_chars: int = Field(default=2_000, ge=64)
    include_session_keys: tuple[str, ...] = Field(
        default=("source", "execution_mode", "token_usage", "reward_stats"),
        description="Keys of session_metadata that are shown; those that end in _stats always are.",
    )


def digest_budget(settings: DigestSection, provider: str) -> int:
    """Characters that a digest for ``provider`` may have: the provider's budget, or the cap where that is smaller.

    Without a setting a provider's budget is 2.5 % of its context window, at four characters to a token.
    """
    window = WINDOWS.get(provider)
    default = DEFAULT_BUDGET if window is None else max(LEAST_DEFAULT, int(window * SHARE * CHARS_PER_TOKEN))
    budget = settings.provider_char_budgets.get(provider, default)
    return budget if settings.char_budget is None else min(settings.char_budget, budget)


def metadata_digest(metadata: Mapping[str, Any], provider: str, settings: DigestSection | None = None) -> str:
    """Execution metadata as JSON text of at most :func:`digest_budget` characters.

    Summary, plan and session are always there. Of the rest the least valuable goes first (:data:`DROPPED_FIRST`); what
    fits after all, once something else is gone, is put back. ``digest_stats`` says the budget, the size of this very
    text, the metadata keys that are not in it (``omitted``) and the sections that were dropped
    (``omitted_sections``); the sizes of sections, and then the list of omitted keys, yield before content does.

    Args:
        metadata: What a run recorded: ``task``, ``plan``, ``steps``, ``session_metadata``, ``session_reward_audit``,
            ``learning_history`` and so on; unknown keys are omitted and named.
        provider: Such as ``anthropic``; see :data:`WINDOWS`.
        settings: The ``metadata_digest`` block.

    Raises:
        BudgetError: If what is always there does not fit.
    """
    given = settings or DigestSection()
    plain = cast(Plain, to_plain(metadata))
    if not given.enabled:
        return _encode(plain)
    budget = digest_budget(given, provider)
    sections = _sections(plain, given)
    omitted = sorted(key for key in plain if key not in _READ)
    dropped: list[str] = []
    for name in DROPPED_FIRST:
        if _fitted(sections, dropped, omitted, budget) is not None:
            break
        if name in sections:
            dropped.append(name)
    for name in reversed(dropped):
        fewer = [other for other in dropped if other != name]
        if _fitted(sections, fewer, omitted, budget) is not None:
            dropped = fewer
    text = _fitted(sections, dropped, omitted, budget)
    if text is None:
        sizes = {name: len(_encode(part)) for name, part in sections.items() if name not in dropped}
        raise BudgetError(
            f"metadata_digest: {sum(sizes.values())} characters are left for {provider} where {budget} are allowed, "
            f"with nothing more to drop: {', '.join(f'{name} {size}' for name, size in sizes.items())}",
            hint="raise char_budget or provider_char_budgets, or lower max_section_chars or max_string_chars",
        )
    return text


def feedback_digest(
    rows: Sequence[Mapping[str, Any]], provider: str, settings: DigestSection | None = None
) -> list[Any]:
    """Rows with feedback for a reflection: as they are where they fit, else with their texts cut to one length.

    The length is the largest with which all rows fit into the budget: that of a setting, or a quarter of the provider's
    context window. The last row then says in ``digest_stats`` what was done; lists are cut only where texts of 64
    characters do not do.

    Args:
        rows: What the reflection is shown.
        provider: Of the model that reflects.
        settings: The ``metadata_digest`` block; disabled, the rows go out as they are.

    Raises:
        BudgetError: If they do not fit even so.
    """
    given = settings or DigestSection()
    if not given.enabled or not rows:
        return list(rows)
    said = given.char_budget is not None or provider in given.provider_char_budgets
    budget = digest_budget(given, provider) * (1 if said else FEEDBACK_SHARE)
    plain = cast(list[Plain], to_plain(list(rows)))
    size = len(_encode(plain))
    if size <= budget:
        return list(rows)
    for lists in (False, True):
        low, high = 0, budget
        while high - low > 1:
            middle = (low + high) // 2
            fits = len(_encode(_cut_rows(plain, middle, budget, size, lists=lists))) <= budget
            low, high = (middle, high) if fits else (low, middle)
        if low >= SHORTEST:
            return _cut_rows(plain, low, budget, size, lists=lists)
    raise BudgetError(
        f"metadata_digest: {len(rows)} rows of {size} characters do not fit into {budget} for {provider}, "
        f"not even with texts of {SHORTEST} characters",
        hint="lower optimizer.minibatch, or raise char_budget or provider_char_budgets",
    )


def _cut_rows(rows: Sequence[Plain], most: int, budget: int, size: int, *, lists: bool) -> list[Plain]:
    shown = [cast(Plain, _shorten(row, most, lists=lists)) for row in rows]
    shown[-1] = shown[-1] | {"digest_stats": {"budget": budget, "size_before": size, "texts_cut_to": most}}
    return shown


def _fitted(sections: Plain, dropped: Sequence[str], omitted: Sequence[str], budget: int) -> str | None:
    """The digest without the dropped sections and with as much of its statistics as fits; None where none does."""
    kept = {name: part for name, part in sections.items() if name not in dropped}
    needed: Plain = {"budget": budget} | ({"omitted_sections": list(dropped)} if dropped else {})
    named = {"omitted": list(omitted)} if omitted else {}
    counted = {"omitted": [{"omitted": len(omitted)}]} if omitted else {}
    sizes = {"sections": {name: len(_encode(part)) for name, part in kept.items()}}
    for extra in (named | sizes, named, counted):
        text = _with_size(kept, needed | extra, budget)
        if len(text) <= budget:
            return text
    return None


def _with_size(kept: Plain, stats: Plain, budget: int) -> str:
    """The text that says its own length; where no number does, spaces at the end make one true."""
    size, text = 0, ""
    for _ in range(8):
        text = _encode(kept | {"digest_stats": stats | {"size": size, "util": round(size / budget, 4)}})
        if len(text) == size:
            return text
        size = max(size, len(text))
    return text.ljust(size)


def _sections(plain: Plain, given: DigestSection) -> Plain:
    made = {
        "summary": _summary(plain, given), "plan": _plan(plain.get("plan"), given), "session": _session(plain, given),
        "learning": _learning(plain, given), "recent_steps": _steps(plain.get("steps"), given),
        "prompt_rewrite": _cut(plain.get("prompt_rewrite"), given, given.max_prompt_rewrite_chars),
        "playbooks": _chosen(plain, _PLAYBOOKS, given), "trajectory": _trajectory(plain, given),
    }  # fmt: skip
    return {name: part for name, part in made.items() if part}


_SUMMARY = ("task", "execution_mode", "active_actor", "single_shot", "adaptive_summary", "adaptive", "triage")
_SESSION = ("token_usage", "session_reward", "session_reward_stats")
_LEARNING = (
    "session_student_learning", "session_teacher_learning", "session_learning_note", "learning_state",
)  # fmt: skip
_PLAYBOOKS = ("student_playbook", "teacher_playbook", "playbook_entries")
_COUNTED = ("validation_cache", "validation_blobs")
_LISTS = ("plan", "steps", "prompt_rewrite", "session_metadata", "session_reward_audit", "session_trajectory",
          "learning_history", "learning_synthesis_failures", "single_shot_results")  # fmt: skip
_READ = frozenset(_SUMMARY + _SESSION + _LEARNING + _PLAYBOOKS + _COUNTED + _LISTS)


def _summary(plain: Plain, given: DigestSection) -> Plain:
    return {key: _cut(plain[key], given, given.max_section_chars, whole=True) for key in _SUMMARY if _told(plain, key)}


def _plan(plan: Any, given: DigestSection) -> Plain | None:
    if not isinstance(plan, Mapping):
        return None if plan is None else {"text": _cut(plan, given, given.max_section_chars)}
    steps = _list(plan.get("steps"))
    shown = [_step(step, ("id", "description", "tool"), given) for step in steps[: given.max_plan_steps]]
    return {"total_steps": len(steps)} | ({"steps": shown} if shown else {})


def _session(plain: Plain, given: DigestSection) -> Plain:
    about = plain.get("session_metadata")
    chosen = {
        key: _cut(value, given, given.max_section_chars)
        for key, value in (about.items() if isinstance(about, Mapping) else ())
        if key in given.include_session_keys or key.endswith("_stats")
    }
    found: Plain = {"session_metadata": chosen} if chosen else {}
    found |= _chosen(plain, _SESSION, given)
    if "session_reward_audit" in plain:
        audits = _list(plain["session_reward_audit"])
        sample = [_cut(one, given, given.max_section_chars) for one in audits[: given.max_reward_audit_entries]]
        rest = len(audits) - len(sample)
        found["session_reward_audit_summary"] = {
            "entries": len(audits),
            "sample": [*sample, {"omitted": rest}] if rest else sample,
        }
    found |= {key: {"keys": len(plain[key])} for key in _COUNTED if isinstance(plain.get(key), Mapping)}
    if results := _list(plain.get("single_shot_results")):
        found["single_shot_results"] = {"count": len(results), "sample": _cut(results[:2], given, 10**9)}
    return found


def _learning(plain: Plain, given: DigestSection) -> Plain:
    found = _chosen(plain, _LEARNING, given)
    history = plain.get("learning_history")
    entries = _list(history.get("entries") if isinstance(history, Mapping) else history)
    if entries:
        first = max(0, len(entries) - given.max_learning_history_entries)
        recent = [_cut(entry, given, given.max_section_chars) for entry in entries[first:]]
        scores = [score for entry in entries if isinstance(score := _score(entry), (int, float))]
        average = round(sum(scores) / len(scores), 4) if scores else None
        found["learning_history"] = {"entries": len(entries), "recent": recent, "average_score": average}
    if failures := _list(plain.get("learning_synthesis_failures")):
        found["learning_synthesis_failures"] = {
            "count": len(failures),
            "last_failure": _cut(failures[-1], given, given.max_section_chars),
        }
    return found


def _score(entry: Any) -> Any:
    reward = entry.get("reward") if isinstance(entry, Mapping) else None
    return reward.get("score") if isinstance(reward, Mapping) else None


def _steps(steps: Any, given: DigestSection) -> list[Plain]:
    """The last steps, by number where they are keyed by one: step 10 comes after step 9."""
    if isinstance(steps, Mapping):
        keys = sorted(steps, key=lambda key: (not key.split("-")[0].isdecimal(), key.split("-")[0].zfill(9), key))
        steps = [{"id": key, "step": steps[key]} for key in keys]
    found = _list(steps)
    first = max(0, len(found) - given.max_step_summaries)
    return [_cut(step, given, given.max_section_chars) for step in found[first:]]


def _trajectory(plain: Plain, given: DigestSection) -> Plain | None:
    events = _list(plain.get("session_trajectory"))
    if not events:
        return None
    return {"events": len(events), "sample": _cut(events, given, given.max_section_chars)}


def _step(step: Any, keys: Sequence[str], given: DigestSection) -> Any:
    if not isinstance(step, Mapping):
        return _cut(step, given, given.max_section_chars)
    return {key: _cut(step[key], given, given.max_section_chars) for key in keys if step.get(key) is not None}


def _chosen(plain: Plain, keys: Sequence[str], given: DigestSection) -> Plain:
    return {key: _cut(plain[key], given, given.max_section_chars) for key in keys if _told(plain, key)}


def _told(plain: Plain, key: str) -> bool:
    return plain.get(key) not in (None, "", [], {})


def _list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _cut(value: Any, given: DigestSection, most: int, *, whole: bool = False) -> Any:
    """A value with long texts and lists shortened; as the beginning of its JSON where it is longer than ``most``."""
    shorter = _shorten(value, most if whole else min(most, given.max_string_chars))
    text = shorter if isinstance(shorter, str) else _encode(shorter)
    return shorter if len(text) <= most else _truncate(text, most)


def _shorten(value: Any, most: int, *, lists: bool = True) -> Any:
    if isinstance(value, str):
        return _truncate(value, most)
    if isinstance(value, Mapping):
        return {_truncate(str(key), most): _shorten(item, most, lists=lists) for key, item in value.items()}
    if isinstance(value, list):
        kept = LIST_KEEPS if lists else len(value)
        shown = [_shorten(item, most, lists=lists) for item in value[:kept]]
        return [*shown, {"omitted": len(value) - kept}] if len(value) > kept else shown
    return value


def _truncate(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _encode(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
