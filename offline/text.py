"""Words, stems, sentences and how alike two texts are; the senses of the embedded model."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+", re.UNICODE)
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[A-Z0-9])|\n+")
_STOP = """
a an and are as at be been by do for from had has have he her his i if in into is it its me my of on or our out she so
than that the their them then there they this to us was we were what which who will with would you your
"""
STOP = frozenset(_STOP.split())


def words(text: str) -> list[str]:
    """Lower-case words and numbers of a text, in order."""
    return _WORD.findall(text.casefold())


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Cut the commonest English endings, so that ``fixed`` and ``fixes`` meet; short words stay."""
    for ending in (
        "ations",
        "ation",
        "ingly",
        "ments",
        "ment",
        "ings",
        "edly",
        "ing",
        "ies",
        "ied",
        "es",
        "ed",
        "ly",
        "s",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


@lru_cache(maxsize=16384)
def features(text: str, pairs: bool) -> frozenset[str]:
    """The set of words (stop words left out) and, with ``pairs``, of neighbouring word pairs that a text shows.

    A pair of two stop words is none.
    """
    tokens = [stem(w) for w in words(text)]
    found = {t for t in tokens if t not in STOP and len(t) > 1}
    if pairs:
        found |= {f"{a} {b}" for a, b in pairwise(tokens) if not (a in STOP and b in STOP)}
    return frozenset(found)


@lru_cache(maxsize=16384)
def signs(text: str) -> frozenset[str]:
    """What a rule may look for in a text: its words, neighbouring pairs of content words, and ``?``."""
    tokens = [stem(w) for w in words(text)]
    pairs = {f"{a} {b}" for a, b in pairwise(tokens) if a not in STOP and b not in STOP}
    return frozenset({*tokens, *pairs, *("?" * ("?" in text))})


@lru_cache(maxsize=8192)
def sentences(text: str) -> tuple[str, ...]:
    """Sentences and lines of a text, without empty ones."""
    return tuple(part.strip() for part in _END.split(text) if part and part.strip())


def overlap(left: str, right: str) -> float:
    """Token F1 of two texts, over sets of stems."""
    a, b = {stem(w) for w in words(left)}, {stem(w) for w in words(right)}
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")
_TURN = re.compile(r"^\[(user|assistant|system|tool)(?::\s*([^\]\n]{1,60}))?\]\s*", re.I)


@dataclass(frozen=True)
class Unit:
    """One sentence of a text, who says it where the text is a conversation, and the signs that it shows.

    Signs beside words: ``@user``, ``@assistant``, ``@tool`` for the speaker's role, ``@start`` and ``@end`` for the
    first and last sixth of the text, ``@long``, ``@short``, ``@digits``, ``@names`` and ``@question``, and ``@central``
    for the third of the sentences whose words come up most in the text.
    """

    text: str
    speaker: str
    signs: frozenset[str]


@lru_cache(maxsize=4096)
def units(text: str, pairs: bool) -> tuple[Unit, ...]:
    """The sentences of a text, without turn marks."""
    parts, found = sentences(text), []
    often = Counter(word for part in parts for word in features(part, pairs=False))
    weights = [_centrality(part, often) for part in parts]
    central = sorted(weights)[len(weights) * 2 // 3] if weights else 0.0
    role, speaker = "", ""
    for position, part in enumerate(parts):
        turn = _TURN.match(part)
        if turn:
            role, name = turn[1].casefold(), turn[2]
            speaker = name.strip() if name and role == "user" else role
        body = part[turn.end() :] if turn else part
        if not body.strip():
            continue
        size = len(words(body))
        marks = {
            f"@{role}": bool(role),
            "@start": position < len(parts) / 6,
            "@end": position >= len(parts) * 5 / 6,
            "@long": size > 16,
            "@short": size < 7,
            "@digits": any(c.isdigit() for c in body),
            "@names": _NAME.search(body) is not None,
            "@central": weights[position] >= central,
            "@question": body.rstrip().endswith("?"),
        }
        extra = frozenset(mark for mark, is_so in marks.items() if is_so) if role else frozenset()
        found.append(Unit(body.strip(), speaker, features(body, pairs) | extra))
    return tuple(found)


def _centrality(sentence: str, often: Counter[str]) -> float:
    """How often the text comes back to what a sentence speaks of."""
    own = features(sentence, pairs=False)
    return sum(often[word] - 1 for word in own) / (4 + len(own))


def best_unit(text: str, statement: str) -> int | None:
    """Which unit of a text a statement was taken from; None when none is alike."""
    scored = [(overlap(unit.text, statement), -i) for i, unit in enumerate(units(text, pairs=False))]
    best = max(scored, default=(0.0, 0))
    return -best[1] if best[0] >= 0.25 else None
