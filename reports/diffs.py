"""Which words of changed lines have changed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from itertools import groupby

Line = tuple[str, str]
"""(mark, text) with mark ' ', '+' or '-'."""
Words = tuple[tuple[bool, str], ...]
"""A line in parts; True where a part has changed."""
MOST_WORDS = 2000
ALIKE = 0.25
"""Below this share of words in common two lines are two texts, and marking words in them says nothing."""


def word_changes(lines: Sequence[Line]) -> tuple[tuple[str, Words], ...]:
    """The lines of a diff with the words in which a removed line and the added one in its place differ."""
    found: list[tuple[str, Words]] = []
    for removed, added in _blocks(lines):
        for index in range(max(len(removed), len(added))):
            old = removed[index][1] if index < len(removed) else None
            new = added[index][1] if index < len(added) else None
            before, after = _pair(old, new) if old is not None and new is not None else (None, None)
            if old is not None:
                found.append((removed[index][0], before or ((False, old),)))
            if new is not None:
                found.append((added[index][0], after or ((False, new),)))
    return tuple(found)


def _blocks(lines: Sequence[Line]) -> Iterator[tuple[list[Line], list[Line]]]:
    """What was removed with what was added right after it; an unchanged line is a block of its own."""
    waiting: list[Line] = []
    for mark, group in groupby(lines, key=lambda line: line[0]):
        some = list(group)
        if mark == "-":
            waiting = some
            continue
        if mark == "+":
            yield waiting, some
        else:
            yield waiting, []
            yield from (([line], []) for line in some)
        waiting = []
    if waiting:
        yield waiting, []


def _pair(old: str, new: str) -> tuple[Words | None, Words | None]:
    a, b = re.findall(r"\s+|\w+|[^\w\s]", old), re.findall(r"\s+|\w+|[^\w\s]", new)
    if len(a) + len(b) > MOST_WORDS:
        return None, None
    match = difflib.SequenceMatcher(None, a, b, autojunk=False)
    known = difflib.SequenceMatcher(None, [w for w in a if not w.isspace()], [w for w in b if not w.isspace()])
    if known.ratio() < ALIKE:
        return None, None
    before: list[tuple[bool, str]] = []
    after: list[tuple[bool, str]] = []
    for tag, i1, i2, j1, j2 in match.get_opcodes():
        before.append((tag != "equal", "".join(a[i1:i2])))
        after.append((tag != "equal", "".join(b[j1:j2])))
    return tuple(part for part in before if part[1]), tuple(part for part in after if part[1])
