"""The embedded model as an analyst of failed sessions: compares actions in order, counts, and turns gaps into rules.

It knows no tool and no task. What it can see is an action that a solved session prepared by another one, an error, a
call that is repeated, and what counts of patterns say; whatever else goes wrong it does not find, and says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

from offline.reading import object_in, texts_in

_GAP = re.compile(r"([\w.\-]+) without ([\w.\-]+) before it")
_COUNTS = re.compile(r"(\d+) of (\d+) fail")
_FAILED = re.compile(r"tool ([\w.\-]+) failed")
_ACT = re.compile(r"the same (?:actions?|call) again and again")
_ERROR = re.compile(r"it ended with the error: (.+)")
UNSEEN = "The digest does not show why the session failed."
ROUNDS = 3


def root_cause(given: Mapping[str, str]) -> dict[str, Any]:
    """Evidence and cause of one failed session, from its digest and that of a solved one."""
    failed, solved = _actions(given.get("session", "")), _actions(given.get("solved", ""))
    for place, act in enumerate(failed):
        for lookup in _prepared(solved, act):
            if lookup not in failed[:place]:
                return {
                    "evidence": [f"action {place + 1} is {act}; {lookup} comes nowhere before it"],
                    "root_cause": f"{act} without {lookup} before it, which the session that solved the task did.",
                }
    repeated = _repeated(_steps(given.get("session", "")))
    if repeated:
        number, tool = repeated
        return {
            "evidence": [f"step {number}: {tool} for the {ROUNDS}rd time in a row with the same arguments"],
            "root_cause": f"{tool} was called with the same call again and again, though it brought nothing new.",
        }
    errors = list(_errors(given.get("session", "")))
    if errors:
        where, error = errors[-1]
        return {"evidence": [f"{where}: {error}"], "root_cause": f"It ended with the error: {error}"}
    return {"evidence": [], "root_cause": UNSEEN}


def shared_cause(given: Mapping[str, str]) -> str:
    """The most frequent cause, with its count, and the pattern that says the same, where there is one."""
    causes = [cause for cause in texts_in(given.get("causes", "")) if cause != UNSEEN]
    if not causes:
        return UNSEEN
    ranked = Counter(_gist(cause) for cause in causes).most_common()
    gist, count = ranked[0]
    same = next((pattern for pattern in texts_in(given.get("patterns", "")) if gist in pattern), None)
    said = f"{gist}: {count} of {len(causes)} causes."
    return f"{said} Among all sessions: {same}." if same else said


def suggested(given: Mapping[str, str]) -> list[dict[str, str]]:
    """Rules for gaps, repeated calls and tools that fail, the best supported first."""
    causes, patterns = texts_in(given.get("causes", "")), texts_in(given.get("patterns", ""))
    weights: dict[str, float] = {}
    why: dict[str, list[str]] = {}
    for text, weight in [*((p, _weight(p)) for p in patterns), *((c, 1.0) for c in causes)]:
        rule = _rule(text)
        if rule is not None:
            weights[rule] = weights.get(rule, 0.0) + weight
            why.setdefault(rule, []).append(text)
    known = " ".join(texts_in(given.get("guidelines", "")))
    most = int(found[0]) if (found := re.findall(r"\d+", given.get("most", ""))) else 1
    ranked = sorted((rule for rule in weights if rule not in known), key=lambda rule: (-weights[rule], rule))
    return [{"guideline": rule, "why": "; ".join(why[rule][:3])} for rule in ranked[:most]]


def _rule(text: str) -> str | None:
    """What a cause or a pattern asks for; None where this model sees nothing to do."""
    if gap := _GAP.search(text):
        return f"Call {gap[2]} before {gap[1]}."
    if failed := _FAILED.search(text):
        return f"Check the arguments of {failed[1]} before you call it."
    return "Do not repeat a call that brought nothing new." if _ACT.search(text) else None


def _weight(pattern: str) -> float:
    """How many more sessions fail than half of those that meet the pattern."""
    counts = _COUNTS.search(pattern)
    return max(0.0, 2.0 * int(counts[1]) - int(counts[2])) if counts else 1.0


def _gist(cause: str) -> str:
    if gap := _GAP.search(cause):
        return gap[0]
    error = _ERROR.search(cause)
    return error[1] if error else cause.rstrip(".")


def _prepared(actions: Sequence[str], act: str) -> list[str]:
    """What comes right before an action in another session, the nearest first, up to its previous occurrence."""
    if act not in actions:
        return []
    return [other for other in reversed(actions[: actions.index(act)]) if other != act]


def _repeated(steps: Sequence[Mapping[str, Any]]) -> tuple[int, str] | None:
    """The step at which the same call comes for the third time in a row."""
    calls = [(step.get("number"), step.get("tool"), step.get("arguments")) for step in steps if step.get("tool")]
    run = 1
    for before, call in pairwise(calls):
        run = run + 1 if before[1:] == call[1:] else 1
        if run == ROUNDS:
            return int(call[0] or 0), str(call[1])
    return None


def _errors(text: str) -> Iterator[tuple[str, str]]:
    errors: Any = _about(text).get("errors", [])
    for error in cast(list[Any], errors) if isinstance(errors, list) else []:
        if isinstance(error, str):
            yield "the session", error
    for step in _steps(text):
        if isinstance(step.get("error"), str):
            yield f"step {step.get('number', '?')}", step["error"]


def _actions(text: str) -> list[str]:
    named = str(_about(text).get("actions", ""))
    return [name for name in named.removesuffix("...").split(" > ") if name]


def _about(text: str) -> dict[str, Any]:
    """What a digest says of the session as a whole."""
    found: Any = object_in(text).get("session", {})
    found = cast(dict[str, Any], found).get("session_metadata", {}) if isinstance(found, dict) else {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _steps(text: str) -> list[dict[str, Any]]:
    steps: Any = object_in(text).get("recent_steps", [])
    return [cast(dict[str, Any], step) for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
