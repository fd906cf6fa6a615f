"""Deterministic numbers that stand beside a judge's scores; they need no model and cannot be talked into anything."""

from __future__ import annotations

import re
from statistics import fmean

_WORD = re.compile(r"\w+", re.UNICODE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
LEAST = 4
"""Words of fewer letters carry too little to count for coverage."""


def companions(original: str, reference: str, candidate: str) -> dict[str, float]:
    """Numbers about a candidate text.

    Returns:
        ``compression``: words of the original that are saved, as a share (0 is no shorter, negative is longer).
        ``coverage``: share of the reference's sentences whose content words the candidate mostly has.
        ``grounding``: share of the candidate's content words that the original has.
        ``sentence_words``: mean words per sentence; short fragments read choppily.
        ``words``: length in words.
    """
    size, whole = len(_words(candidate)), len(_words(original))
    return {
        "compression": 1 - size / whole if whole else 0.0,
        "coverage": coverage(reference, candidate),
        "grounding": grounding(original, candidate),
        "sentence_words": fmean(len(_words(s)) for s in sentences(candidate)) if sentences(candidate) else 0.0,
        "words": float(size),
    }


def coverage(reference: str, candidate: str) -> float:
    """Share of the reference's sentences of which the candidate has at least 60 % of the content words."""
    known = set(_content(candidate))
    parts = [set(_content(s)) for s in sentences(reference)]
    parts = [p for p in parts if p]
    return fmean(len(p & known) >= 0.6 * len(p) for p in parts) if parts else 1.0


def grounding(original: str, candidate: str) -> float:
    """Share of the candidate's content words that the original has; 1 for a text without any."""
    known, words = set(_content(original)), _content(candidate)
    return fmean(word in known for word in words) if words else 1.0


def sentences(text: str) -> list[str]:
    """Sentences and lines with at least one word."""
    return [part for part in _SENTENCE.split(text) if _WORD.search(part)]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _content(text: str) -> list[str]:
    return [word for word in _words(text) if len(word) >= LEAST]
