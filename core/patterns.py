"""Regular expressions of people and models: tried before they are used, and bounded in time when they are.

A pattern such as ``(a+)+$`` takes longer than anybody lives on a text that it does not quite match. No look at a
pattern can tell all of these from harmless ones, so it is tried on texts that bring them out, and whatever still takes
too long is ended by `regex`, whose searches have a time limit, which `re` has not.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from core.errors import ProvenError

if TYPE_CHECKING:
    import regex

TRIAL_SECONDS = 0.25
"""Seconds that a pattern may take on a text of :data:`TRIAL_LENGTH` characters that it does not match."""
TRIAL_LENGTH = 2_000
TRIALS = 64
"""Most texts that a pattern is tried on."""
LONGEST_SECONDS = 3.0
"""Processor seconds of this process that a search may take, so that many threads may search at once."""


class SlowPatternError(ProvenError):
    """A regular expression took too long on a text: nobody knows whether it is in there."""

    exit_code = 78


def pattern_problem(pattern: str, *, ignore_case: bool = False) -> str:
    """What keeps a pattern from being used, as half a sentence after its name; empty where nothing does."""
    fault = _fault(pattern)
    if fault:
        return f"is not a regular expression: {fault}"
    compiled = _compiled(pattern, ignore_case)
    for text in _trials(pattern):
        try:
            compiled.search(text, timeout=TRIAL_SECONDS)
        except TimeoutError:
            return (
                f"takes too long on texts that it does not match, such as {text[:8]!r} and so on; "
                "repeat nothing that is repeated itself, as in (a+)+"
            )
    return ""


def usable(pattern: str) -> str:
    """The pattern, for a section of a file that holds one.

    Raises:
        ValueError: If it is no regular expression, or one that would hang.
    """
    problem = pattern_problem(pattern)
    if problem:
        raise ValueError(f"{pattern!r} {problem}")
    return pattern


def compiles(pattern: str) -> bool:
    """Whether it is a regular expression at all."""
    return not _fault(pattern)


def groups_of(pattern: str) -> int:
    """How many groups a usable pattern has."""
    return _compiled(pattern, False).groups


def search(
    pattern: str, text: str, *, ignore_case: bool = False, seconds: float | None = None
) -> regex.Match[str] | None:
    """The first place of a pattern in a text.

    Raises:
        SlowPatternError: If it takes longer than so many seconds, :data:`LONGEST_SECONDS` by default.
    """
    seconds = LONGEST_SECONDS if seconds is None else seconds
    try:
        return _compiled(pattern, ignore_case).search(text, timeout=seconds)
    except TimeoutError:
        raise _slow(pattern, text, seconds) from None


def replaced(pattern: str, by: str, text: str) -> str:
    """The text with ``by``, to the letter, in every place of a pattern.

    Raises:
        SlowPatternError: If it takes longer than :data:`LONGEST_SECONDS`.
    """
    try:
        return _compiled(pattern, False).sub(lambda _: by, text, timeout=LONGEST_SECONDS)
    except TimeoutError:
        raise _slow(pattern, text, LONGEST_SECONDS) from None


def _slow(pattern: str, text: str, seconds: float) -> SlowPatternError:
    return SlowPatternError(
        f"the regular expression {pattern!r} takes longer than {seconds:g} s on a text of {len(text):,} characters",
        hint="write it without repeating what is repeated itself, and begin it with what is rare, such as \\b",
    )


def _trials(pattern: str) -> list[str]:
    """Texts that almost match: runs of each character of the pattern, and of each two, that end otherwise.

    Each of them once more with the pattern's characters behind it, which a search that looks for a rare one first
    would miss.
    """
    signs = sorted({*pattern, "a", "0", " "})
    pairs = sorted({one + two for one, two in pairwise(pattern)} | {"ab", "a "})
    runs = [unit * (TRIAL_LENGTH // len(unit)) + "\x01" for unit in [*signs, *pairs][: TRIALS // 2]]
    return [*runs, *(run + pattern for run in runs), pattern * (TRIAL_LENGTH // max(1, len(pattern)) + 1)]


@lru_cache(maxsize=4_096)
def _fault(pattern: str) -> str:
    import regex

    try:
        _compiled(pattern, False)
    except (regex.error, RecursionError, OverflowError) as error:
        return str(error) or type(error).__name__
    return ""


@lru_cache(maxsize=4_096)
def _compiled(pattern: str, ignore_case: bool) -> regex.Pattern[str]:
    import regex

    flags: Any = regex.IGNORECASE if ignore_case else 0
    return regex.compile(pattern, flags)
