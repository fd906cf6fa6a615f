"""Whether a cue is in a text, and never at the price of the machine: patterns come from models and are untrusted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import regex

from playbook.entry import Cue, CueType

TIMEOUT = 0.25
"""Seconds that one search may take; a pattern that backtracks for longer is out of use, not the process."""
LONGEST = 20_000
"""Characters of one text that a pattern is looked for in."""
_PROBES = ("a" * 2_000 + "!", "0" * 2_000 + "x", " " * 2_000 + "x", "ab" * 1_000 + "!", "a " * 1_000 + "!")
SNIPPET, BEFORE = 200, 60


@dataclass(frozen=True)
class Found:
    """Where a cue was found, with the text around it: at most 200 characters."""

    start: int
    snippet: str


class SlowPatternError(Exception):
    """A regular expression took longer than :data:`TIMEOUT` on a text."""


def cue_problem(cue: Cue) -> str:
    """What keeps a machine from looking for this cue; empty where nothing does."""
    if not cue.pattern.strip():
        return "the pattern is empty"
    if cue.type is not CueType.REGEX:
        return ""
    try:
        pattern = _compiled(cue.pattern)
        if pattern.search("") is not None:
            return "the pattern matches the empty text, so it would fire always"
        for probe in (*_PROBES, cue.pattern * (2_000 // len(cue.pattern) + 1)):
            _searched(pattern, probe)
    except regex.error as error:
        return f"no regular expression: {error}"
    except SlowPatternError:
        return "the pattern takes too long on texts that it does not match"
    return ""


def find_cue(cue: Cue, text: str) -> Found | None:
    """The first place of the cue in a text, whatever the case of its letters; None where it is not in it.

    Keywords and predicates are looked for as they are written. What is no regular expression is nowhere.

    Raises:
        SlowPatternError: If a regular expression takes longer than :data:`TIMEOUT`: then nobody knows.
    """
    if not cue.pattern:
        return None
    looked = text[:LONGEST]
    if cue.type is CueType.REGEX:
        try:
            match = _searched(_compiled(cue.pattern), looked)
        except regex.error:
            return None
        start = -1 if match is None else match.start()
    else:
        start = looked.lower().find(cue.pattern.lower())
    if start < 0:
        return None
    first = max(0, start - BEFORE)
    return Found(start, looked[first : first + SNIPPET])


@lru_cache(maxsize=4_096)
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern, regex.IGNORECASE)


def _searched(pattern: regex.Pattern[str], text: str) -> regex.Match[str] | None:
    try:
        return pattern.search(text, timeout=TIMEOUT)
    except TimeoutError:
        raise SlowPatternError(pattern.pattern) from None
