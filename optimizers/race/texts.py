"""Prompts as parts, what sets two texts apart as edits, and merging where the texts allow it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

Parts = Mapping[str, str]
"""What a candidate consists of: a text for each part, such as the instruction of a predictor."""
_SEGMENT = re.compile(r".*?(?:[.!?;](?=\s)[ \t]*\n?|\n|$)", re.S)
MOST_EDITS = 8
"""A rewriting with more changes than this is one edit: its changes hang together."""


@dataclass(frozen=True)
class Change:
    """One contiguous change of a part's text, as it was made and on its own.

    Attributes:
        part: The part.
        removed: What went.
        added: What came.
        before: The text that it was made in.
        alone: That text with nothing but this change.
        after: The text with all changes that were made with it.
        without: That text without this one.
    """

    part: str
    removed: str
    added: str
    before: str
    alone: str
    after: str
    without: str

    def made_in(self, text: str) -> str | None:
        """Another text with this change; None where it has nothing to go by, or what it adds stands there already."""
        if self.added and not self.removed and self.added.strip() in text:
            return None
        return merged(self.before, text, self.alone)

    def taken_from(self, text: str) -> str | None:
        """Another text, which has this change, without it; None where later changes are built on it."""
        return merged(self.after, text, self.without)


def changes(part: str, before: str, after: str) -> tuple[Change, ...]:
    """What sets two texts apart, segment by segment; one change where there are more than ``MOST_EDITS``."""
    old, new = _cut(before), _cut(after)
    found = [hunk for hunk in _hunks(old, new) for hunk in _single(hunk)]
    if len(found) > MOST_EDITS:
        return (Change(part, before, after, before, after, after, before),)
    return tuple(_change(part, before, after, found, k) for k in range(len(found)))


def merged(base: str, ours: str, theirs: str) -> str | None:
    """Both changes of ``base`` in one text; None where they touch the same segments.

    A change that stands in both is made once. What both insert at one place is kept, ours first.
    """
    if theirs in (base, ours):
        return ours
    if ours == base:
        return theirs
    cut = _cut(base)
    mine, other = _hunks(cut, _cut(ours)), _hunks(cut, _cut(theirs))
    if any(a != b and a[0] < b[1] and b[0] < a[1] for a in mine for b in other):
        return None
    return _applied(cut, mine + [b for b in other if b not in mine])


Hunk = tuple[int, int, tuple[str, ...]]


def _cut(text: str) -> list[str]:
    """A text cut after sentences and lines; its last segment ends like the others, so that adding a line leaves it."""
    return [segment for segment in _SEGMENT.findall(text + "\n") if segment]


def _hunks(base: list[str], text: list[str]) -> list[Hunk]:
    matcher = difflib.SequenceMatcher(None, base, text, autojunk=False)
    return [(i, j, tuple(text[k:m])) for tag, i, j, k, m in matcher.get_opcodes() if tag != "equal"]


def _single(hunk: Hunk) -> list[Hunk]:
    """What is inserted or removed, segment by segment; what is replaced hangs together."""
    start, end, new = hunk
    if start == end:
        return [(start, start, (segment,)) for segment in new]
    if not new:
        return [(k, k + 1, ()) for k in range(start, end)]
    return [hunk]


def _applied(base: list[str], hunks: list[Hunk]) -> str:
    """The text with these changes; of several insertions at one place the first comes first."""
    out = list(base)
    for start, end, new in sorted(hunks, key=lambda hunk: (hunk[0], hunk[1]))[::-1]:
        out[start:end] = new
    return "".join(out)[:-1]


def _change(part: str, before: str, after: str, hunks: list[Hunk], k: int) -> Change:
    base = _cut(before)
    start, end, new = hunks[k]
    return Change(
        part=part,
        removed="".join(base[start:end]),
        added="".join(new),
        before=before,
        alone=_applied(base, [hunks[k]]),
        after=after,
        without=_applied(base, hunks[:k] + hunks[k + 1 :]),
    )
