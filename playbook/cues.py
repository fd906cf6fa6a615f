"""Whether a cue is in a text, and never at the price of the machine: patterns come from models and are untrusted."""

from __future__ import annotations

from dataclasses import dataclass

from core.patterns import compiles, pattern_problem, search
from playbook.entry import Cue, CueType

TIMEOUT = 0.25
"""Seconds that one search may take; a pattern that backtracks for longer is out of use, not the process."""
LONGEST = 20_000
"""Characters of one text that a pattern is looked for in."""
SNIPPET, BEFORE = 200, 60


@dataclass(frozen=True)
class Found:
    """Where a cue was found, with the text around it: at most 200 characters."""

    start: int
    snippet: str


def cue_problem(cue: Cue) -> str:
    """What keeps a machine from looking for this cue; empty where nothing does."""
    if not cue.pattern.strip():
        return "the pattern is empty"
    if cue.type is not CueType.REGEX:
        return ""
    problem = pattern_problem(cue.pattern, ignore_case=True)
    if not problem and search(cue.pattern, "", ignore_case=True) is not None:
        problem = "matches the empty text, so it would fire always"
    return f"the pattern {problem}" if problem else ""


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
        if not compiles(cue.pattern):
            return None
        match = search(cue.pattern, looked, ignore_case=True, seconds=TIMEOUT)
        start = -1 if match is None else match.start()
    else:
        start = looked.lower().find(cue.pattern.lower())
    if start < 0:
        return None
    first = max(0, start - BEFORE)
    return Found(start, looked[first : first + SNIPPET])
