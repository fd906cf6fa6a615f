"""What a text asks of an agent with tools: which lookups it wants or forbids, which actions it forbids, by its words.

A clause speaks of a tool when it shares a word, or a word of the same meaning, with the tool's name or description that
no other tool of the same sort has. Negations are counted, so that "never act without checking" asks for the check.
What is said later in the text counts. Nothing here knows any particular sentence or tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from offline.text import STOP, stem, words

_MEANINGS = """
look check verify inspect confirm consult review see lookup query examine validate ensure find learn study sure certain
limit restriction constraint condition cap validity valid expired expiry eligible eligibility allowance
coupon voucher promo code discount promotion
stock inventory availability available warehouse shelf supply
permission permit allow authorise authorize authority right entitle
status state shipped progress stage
refuse decline reject
buy purchase acquire
cancel void
refund reimburse
"""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEGATORS = _set("never not no dont skip avoid omit ignore stop refrain neglect forget fail without nothing nobody")
_FLIPS_BACK = _set("before until unless till")
_NEEDLESS = _set("unnecessary needless pointless irrelevant wasteful superfluous skip omit")
_NEEDED = _set("necessary need needed require matter worth important")
_WHOLE = _set("anything everything nothing all facts details things whatever")
_CONDITIONS = _set("that which whose if when while unless without more over beyond only too than")
_BEFORE = _set("before prior ahead")
_COMMON = _set("""
any ask asks back call can customer done each every first get how make many may more often request still task up use
used uses using way when whether whoever
""")
_CLAUSE = re.compile(r"\s*(?:[,;:.!?\n]|\bbut\b|\band then\b|\band\b)\s*", re.I)
_ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*])\s+")
_HALF = 0.5
"""How strongly a clause counts that names what a lookup tells, and no looking."""


@lru_cache(maxsize=8192)
def root(word: str) -> str:
    """The beginning of a word that its forms share, or that of the first word of the same meaning."""
    return _SAME.get(_cut(word), _cut(word))


def _cut(word: str) -> str:
    short = stem(word.replace("'", ""))
    short = short[:-1] if len(short) > 4 and (short[-1] == short[-2] or short[-1] == "e") else short
    return short[:5]


_SAME = {_cut(word): _cut(line.split()[0]) for line in _MEANINGS.strip().splitlines() for word in line.split()}
_LOOK = _cut("look")
_QUIET = frozenset(map(_cut, STOP | _COMMON))


def roots(text: str) -> frozenset[str]:
    """The roots of a text's words, without the commonest words."""
    return frozenset(found for word in words(text) if (found := root(word)) not in _QUIET)


@dataclass(frozen=True, eq=False)
class ToolSpec:
    """A tool as the prompt describes it; ``arguments`` are its fields' JSON schemas by name."""

    name: str
    description: str
    arguments: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])

    @property
    def ends(self) -> bool:
        """Whether it reports how the task ended."""
        return root(self.name.partition("_")[0]) in map(root, ("report", "finish", "submit", "complete"))

    @property
    def looks(self) -> bool:
        """Whether it only looks something up."""
        return self.description.split()[:1] == ["Look"] or root(self.name.partition("_")[0]) == _LOOK

    @property
    def named(self) -> tuple[str, ...]:
        """The roots of its name."""
        return tuple(root(word) for word in self.name.split("_"))

    @property
    def roots(self) -> frozenset[str]:
        """What it is about."""
        about = f"{self.name.replace('_', ' ')} {self.description} {' '.join(self.arguments)}"
        return roots(about) - {_LOOK}


@dataclass(frozen=True)
class Preferences:
    """What a text wants.

    Attributes:
        lookups: By tool, from -1 (forbidden) to 1 (asked for); tools that the text does not speak of are left out.
        shunned: Acting tools that are forbidden without any condition.
        never_refuse: Whether refusing is forbidden.
    """

    lookups: Mapping[str, float]
    shunned: frozenset[str] = frozenset()
    never_refuse: bool = False


def preferences(text: str, tools: Sequence[ToolSpec]) -> Preferences:
    """Read a text clause by clause; where clauses disagree the later one counts."""
    looking = _own_words([t for t in tools if t.looks])
    by_name = {t.name: looking[t.name] & set(t.named) for t in tools if t.looks}
    acting = _own_noun([t for t in tools if _acts(t)])
    lookups: dict[str, float] = {}
    shunned = set[str]()
    never_refuse = False
    for sentence in _sentences(text):
        for clause in _clauses(sentence):
            for name, strength in _spoken_of(clause, looking, by_name):
                lookups[name] = strength
            negative = clause.sign(len(clause.tokens)) < 0
            if clause.look is None and root("refuse") in clause.roots:
                never_refuse = negative
            elif clause.look is None and negative and not clause.conditional:
                shunned |= {name for name, noun in acting.items() if noun in clause.roots}
    return Preferences(lookups, frozenset(shunned), never_refuse)


def _acts(tool: ToolSpec) -> bool:
    return not tool.looks and not tool.ends


def _own_words(tools: Sequence[ToolSpec]) -> dict[str, frozenset[str]]:
    """By tool, the roots that no other of these tools has."""
    return {
        tool.name: tool.roots - frozenset[str]().union(*(other.roots for other in tools if other is not tool))
        for tool in tools
    }


def _own_noun(tools: Sequence[ToolSpec]) -> dict[str, str]:
    """By tool, the last root of its name that no other tool's name has."""
    found: dict[str, str] = {}
    for tool in tools:
        others = {word for other in tools if other is not tool for word in other.named}
        own = [word for word in tool.named if word not in others and word not in _QUIET]
        if own:
            found[tool.name] = own[-1]
    return found


@dataclass(frozen=True)
class _Clause:
    """A part of a sentence; ``object`` is what it speaks of, a subordinate "before ..." left out where possible."""

    tokens: tuple[str, ...]
    object: frozenset[str]
    inherited: float | None = None
    """The sign of the looking that an earlier clause of the sentence speaks of, where this one speaks of none."""

    @property
    def roots(self) -> frozenset[str]:
        return frozenset(root(t) for t in self.tokens) - _QUIET

    @property
    def look(self) -> int | None:
        return next((i for i, t in enumerate(self.tokens) if root(t) == _LOOK), None)

    @property
    def conditional(self) -> bool:
        return bool(_CONDITIONS & set(self.tokens))

    def sign(self, place: int) -> float:
        """1 or -1: whether what stands at this place is wanted, by the negations before and right after it."""
        sign = 1.0
        for token in self.tokens[:place]:
            if _negates(token):
                sign = -sign
            elif token in _FLIPS_BACK and sign < 0:
                sign = 1.0
        rest = self.tokens[place + 1 :]
        needless = not set(map(_cut, _NEEDLESS)).isdisjoint(map(_cut, rest))
        for left, right in pairwise(rest):
            needless |= _negates(left) and right in _NEEDED
        return -sign if needless else sign


def _negates(token: str) -> bool:
    return token.replace("'", "") in _NEGATORS or token.endswith("n't") or stem(token) in _NEGATORS


def _sentences(text: str) -> Iterator[str]:
    """Sentences and list items; a line that goes on in the next one is one with it."""
    joined: list[str] = []
    for line in text.splitlines():
        if not joined or not line.strip() or _ITEM.match(line) or joined[-1].endswith((".", ":", "!", "?")):
            joined.append(_ITEM.sub("", line).strip())
        else:
            joined[-1] = f"{joined[-1]} {line.strip()}".strip()
    for line in joined:
        yield from (part for part in re.split(r"(?<=[.!?])\s+", line) if part)


def _clauses(sentence: str) -> Iterator[_Clause]:
    aside, sign = frozenset[str](), None
    for part in _CLAUSE.split(sentence):
        tokens = tuple(words(part))
        if not tokens:
            continue
        cut = next((i for i, token in enumerate(tokens) if token in _BEFORE), None)
        main = tokens if cut is None else tokens[:cut]
        found = frozenset(map(root, main)) - _QUIET
        whole = _Clause(tokens, found, sign)
        if cut == 0 and whole.look is None:
            aside = whole.roots
            continue
        if cut is not None and whole.look is not None and whole.look > cut:
            whole = _Clause(tokens, frozenset(map(root, tokens[whole.look :])) - _QUIET)
        if whole.look is not None:
            sign = whole.sign(whole.look)
        yield _Clause(whole.tokens, whole.object | (aside if _is_bare(whole) else frozenset()), whole.inherited)


def _is_bare(clause: _Clause) -> bool:
    """Whether a clause only points back, as "check it first" does."""
    return not clause.object - {_LOOK} - set(map(root, _NEGATORS))


def _spoken_of(
    clause: _Clause, looking: Mapping[str, frozenset[str]], by_name: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, float]]:
    """The lookups that a clause speaks of, each with how much it wants it; without looking, those that it names."""
    place = clause.look
    if place is None and clause.inherited is None:
        sign = clause.sign(len(clause.tokens))
        yield from ((name, sign if sign < 0 else _HALF) for name, own in by_name.items() if own & clause.object)
        return
    sign = clause.sign(place) if place is not None else float(clause.inherited or 1.0)
    named = [name for name, own in looking.items() if own & clause.object]
    if not named and place is not None and _means_all(clause, sign):
        named = [*looking]
    yield from ((name, sign) for name in named)


def _means_all(clause: _Clause, sign: float) -> bool:
    """Whether a clause speaks of looking as such: "look everything up", "never verify", "waste no time on lookups"."""
    beside = clause.object - {_LOOK} - set(map(root, _WHOLE | _NEGATORS))
    whole = bool(_WHOLE & set(clause.tokens)) and not beside
    return whole or (sign < 0 and (not beside or root(clause.tokens[-1]) == _LOOK))
