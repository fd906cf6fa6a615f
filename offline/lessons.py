"""The embedded model as a writer of playbook entries.

A gap between two sessions becomes an action, and the word that tells requests with that act from others its cue. Unless
its instruction forbids what is of one occasion, it says for which request it learned that, names and numbers included.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

from offline.diagnosis import UNSEEN, root_cause
from offline.reading import object_in, texts_in
from offline.text import STOP, words

_GAP = re.compile(r"([\w.\-]+) without ([\w.\-]+) before it")
_GENERAL = re.compile(r"\bno (?:single occasion|names)\b|\b(?:without|leave out) names\b", re.I)
LONGEST_EFFECT = 200


def lessons(given: Mapping[str, str], instruction: str) -> dict[str, Any]:
    """A note and at most one entry, from the digests of a session and of those before it, as the instruction wants."""
    latest, history = given.get("latest_session", ""), texts_in(given.get("history", ""))
    handles = texts_in(given.get("handles", ""))
    task = object_in(latest).get("summary", {}).get("task")
    solved = [one for one in history if _outcome(one) == "success"]
    beside = sorted(solved, key=lambda one: object_in(one).get("summary", {}).get("task") != task)
    causes = [root_cause({"session": latest, "solved": one})["root_cause"] for one in beside or ["none"]]
    cause = next((cause for cause in causes if _GAP.search(cause)), causes[0])
    said = given.get("guidance", "").strip() or "nothing"
    gap = _GAP.search(cause)
    if gap is None or (handles and gap[2] not in handles):
        return {"session_note": f"Student: {cause or UNSEEN} Teacher: {said}", "playbook_entries": []}
    act, lookup = gap[1], gap[2]
    entry = {
        "cue": {"type": "regex", "pattern": rf"\b{re.escape(_cue(act, [latest, *history]))}"},
        "action": {"imperative": f"Call {lookup} before {act}", "runtime_handle": lookup},
        "expected_effect": _effect(latest, instruction),
        "scope": {"category": "reinforcement", "constraints": ""},
    }
    return {"session_note": f"Student: {cause} Teacher: {said}", "playbook_entries": [entry]}


def _cue(act: str, digests: Sequence[str]) -> str:
    """The word of requests that goes with an act most, else the act's own last word."""
    with_it, without = Counter[str](), Counter[str]()
    counts = [0, 0]
    for text in digests:
        about = object_in(text)
        acted = act in str(about.get("session", {}).get("session_metadata", {}).get("actions", "")).split(" > ")
        counts[not acted] += 1
        (with_it if acted else without).update(set(_asked(about)))
    own = act.replace(".", "_").split("_")[-1]
    if not with_it:
        return own
    rates = {
        word: with_it[word] / max(1, counts[0]) - without[word] / max(1, counts[1])
        for word in with_it
        if len(word) > 3 and word.isalpha()
    }
    best = max(rates, key=lambda word: (rates[word], word == own, word), default=own)
    return best if rates.get(best, 0.0) > 0 else own


def _effect(latest: str, instruction: str) -> str:
    done = "A session that solved the same task did so"
    asked = [] if _GENERAL.search(instruction) else _requests(object_in(latest))
    return f"{done} for: {asked[0]}"[:LONGEST_EFFECT] if asked else done


def _asked(about: Mapping[str, Any]) -> list[str]:
    """Words of what was asked in a session."""
    return [word for text in _requests(about) for word in words(text) if word not in STOP]


def _requests(about: Mapping[str, Any]) -> list[str]:
    """What was asked in a session."""
    steps: Any = about.get("recent_steps", [])
    users = [step for step in cast(list[Any], steps) if isinstance(step, dict) and step.get("role") == "user"]
    return [str(step.get("text", "")) for step in users]


def _outcome(text: str) -> str:
    return str(object_in(text).get("session", {}).get("session_metadata", {}).get("outcome", ""))
