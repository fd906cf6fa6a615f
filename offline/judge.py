"""The embedded judge: compares a candidate with a reference by counting words. Plausible, deterministic, no reader."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from offline.text import sentences, stem, words

_FENCE = re.compile(r"<<<material (\w+)\n(.*)\nmaterial \1>>>", re.S)
_LINE = re.compile(r"^- (.+?) \((\d+) %\): (.*)$", re.M)
_TURN = re.compile(r"^\s*(?:\[\w+|[-*#] )", re.M)
TIE = 2.0
"""Points of a hundred within which two texts are equally good."""
QUOTE = 90
"""Characters of a quoted sentence."""


def unfenced(text: str) -> str:
    """The material inside a fence; a text without one as it is."""
    match = _FENCE.search(text)
    return match[2] if match else text


def criteria_of(rubric: str) -> list[tuple[str, float, str]]:
    """Name, share and description of every line of a rubric."""
    return [(name, float(share), description) for name, share, description in _LINE.findall(rubric)]


def score_pair(given: Mapping[str, str]) -> list[dict[str, Any]]:
    """The answer to a request to score one of two texts: an entry for every criterion."""
    original = unfenced(given.get("original_input", ""))
    first, second = unfenced(given.get("first_text", "")), unfenced(given.get("second_text", ""))
    candidate, reference = (first, second) if given.get("candidate_is") == "first_text" else (second, first)
    answer = []
    for name, _, text in criteria_of(given.get("rubric", "")):
        score, reason = _score(f"{name} {text}", original, reference, candidate)
        answer.append({"criterion": name, "score": score, "reason": reason})
    return answer


def prefer(given: Mapping[str, str]) -> dict[str, str]:
    """The answer to a request to prefer one of two texts: each is scored with the other for a reference."""
    original = unfenced(given.get("original_input", ""))
    first, second = unfenced(given.get("first_text", "")), unfenced(given.get("second_text", ""))
    lines = criteria_of(given.get("rubric", "")) or [("overall", 100.0, "")]
    ahead = sum(share * _score(f"{name} {text}", original, second, first)[0] for name, share, text in lines)
    behind = sum(share * _score(f"{name} {text}", original, first, second)[0] for name, share, text in lines)
    gap = (ahead - behind) / sum(share for _, share, _ in lines)
    preferred = "tie" if abs(gap) < TIE else "first_text" if gap > 0 else "second_text"
    return {"reason": f"They differ by {abs(gap):.0f} points.", "preferred": preferred}


def _score(criterion: str, original: str, reference: str, candidate: str) -> tuple[int, str]:
    """A score from 0 to 100 by what the criterion's words ask for, and the reason.

    Sentences that speak of nothing in the original or the reference earn nothing, and cost their share of the text.
    """
    asked = {stem(word) for word in words(criterion.replace("_", " "))}
    if not words(candidate):
        return 0, "The candidate is empty."
    about = _on_topic(f"{original}\n{reference}", candidate)
    if asked & BREVITY:
        score, reason = _brevity(original, reference, about)
    elif asked & STYLE:
        score, reason = _style(original, reference, about)
    elif asked & PRECISION:
        score, reason = _precision(original, reference, about)
    else:
        score, reason = _recall(reference, about)
    foreign = 1 - len(words(about)) / len(words(candidate))
    return (
        (round(score * (1 - foreign)), f"{reason} {foreign:.0%} is about something else.")
        if foreign
        else (score, reason)
    )


def _on_topic(known: str, candidate: str) -> str:
    """The candidate without sentences that share less than half of their content words with what is known."""
    said = _content(known)
    parts = [part for part in sentences(candidate) if len(_content(part) & said) >= 0.5 * len(_content(part))]
    return " ".join(parts) if parts else candidate


BREVITY = {stem(w) for w in ("compression", "shorter", "concise", "brief", "brevity", "length", "terse")}
STYLE = {stem(w) for w in ("coherence", "narrative", "choppy", "fluent", "readable", "reads", "style", "tone")}
PRECISION = {stem(w) for w in ("relevance", "false", "precise", "precision", "faithful", "grounded", "invented")}


def _content(text: str) -> set[str]:
    return {stem(word) for word in words(text) if len(word) > 3 or word.isdigit()}


def _brevity(original: str, reference: str, candidate: str) -> tuple[int, str]:
    size, ideal, whole = len(words(candidate)), len(words(reference)), len(words(original))
    known = set(words(f"{original} {reference}"))
    saved = (whole - size) / max(1, whole - ideal)
    short = min(1.0, sum(word in known for word in words(candidate)) / max(1.0, 0.6 * ideal))
    return _points(min(1.0, saved) * short), f"{size} words where the reference has {ideal} and the original {whole}."


def _style(original: str, reference: str, candidate: str) -> tuple[int, str]:
    known = set(words(f"{original} {reference}"))
    share = sum(word in known for word in words(candidate)) / len(words(candidate))
    own, ideal = max(0.01, share * _sentence_length(candidate)), _sentence_length(reference)
    marks = len(_TURN.findall(candidate))
    score = math.exp(-abs(math.log(own / ideal))) / (1 + 0.25 * marks)
    return _points(
        score
    ), f"{own:.0f} words a sentence where the reference has {ideal:.0f}; {marks} list or turn marks."


def _sentence_length(text: str) -> float:
    return max(1.0, fmean(len(words(part)) for part in sentences(text)) if sentences(text) else 1.0)


def _precision(original: str, reference: str, candidate: str) -> tuple[int, str]:
    own, known, good = _content(candidate), _content(original), _content(reference)
    grounded = len(own & (known | good)) / max(1, len(own))
    useful = len(own & good) / max(1, len(own))
    extra = sorted(own - known - good)[:5]
    said = f"; not in the original: {', '.join(extra)}" if extra else ""
    return _points(
        0.5 * grounded + 0.5 * min(1.0, 1.5 * useful)
    ), f"{useful:.0%} of its words are the reference's{said}."


def _recall(reference: str, candidate: str) -> tuple[int, str]:
    own, good = _content(candidate), _content(reference)
    found = len(own & good) / max(1, len(good))
    missing = [s for s in sentences(reference) if len(_content(s) & own) < 0.5 * len(_content(s))]
    quoted = "; ".join(f"“{s[:QUOTE]}”" for s in missing[:2])
    return _points(found), f"{found:.0%} of what the reference says is there" + (
        f"; missing: {quoted}" if quoted else ""
    )


def _points(share: float) -> int:
    return round(100 * max(0.0, min(1.0, share)))
