"""The rules the embedded model writes into an instruction and reads back from it: counted signs, in plain English.

A rule reads ``- Call urgency "high" when it says urgent (12/14) or immediately (7/8). Right in 21 of 60 texts.``: the
value was right for 21 of 60 texts seen, and of 14 texts with the word ``urgent`` it was right for 12. The counts are a
sufficient statistic: rules from two batches merge by adding them up. Signs are counted by the stems of their words and
written as a word that the texts had. ``- urgency: "high" in 21 of 60 texts; signs: urgent 12/14`` says the same with
stems.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from offline.text import STOP, stem, words

HEADING = "What the examples seen so far show (counts: with this value / in all):"
_SECTION = re.compile(r"^#{1,6} ", re.M)
_VALUE = r'("(?:[^"\\]|\\.)*"|true|false|-?[\d.]+)'
_SHORT_RULE = re.compile(
    rf"^- ([\w.]+): {_VALUE} in (?P<count>\d+) of (?P<seen>\d+) (?:texts|sentences)(?:; signs: (?P<signs>.*))?$"
)
_RULE = re.compile(
    rf"^- Call ([\w.]+) {_VALUE}(?: when it says (?P<signs>.*?))?\. "
    r"Right in (?P<count>\d+) of (?P<seen>\d+) (?:texts|sentences)(?:; as common elsewhere: (?P<common>.*))?\.$"
)
_SIZE = re.compile(r"^- ([\w.]+): list lengths (.*)$")
_SIGN = re.compile(r"(.+?) \(?(\d+)/(\d+)\)?(?:, | or |$)")


_Heeded = dict[str, tuple[dict[str, float], int]]


@dataclass
class Table:
    """What is known about one value of one field."""

    count: int = 0
    signs: dict[str, list[int]] = field(default_factory=dict)

    def weight(self, sign: str, seen: int) -> float:
        """What a sign adds to the log odds of this value: its share, shrunk towards the value's own, against that."""
        a, b = self.signs[sign]
        base = (self.count + 0.5) / (seen + 1.0)
        share = (a + SHRINK * base) / (b + SHRINK)
        return math.log(share / (1 - share)) - math.log(base / (1 - base))

    def strength(self, sign: str, seen: int) -> float:
        """How surely the sign speaks for the value: weight times the square root of its support."""
        return self.weight(sign, seen) * math.sqrt(self.signs[sign][0])

    def gain(self, sign: str, seen: int) -> float:
        """How much better the sign tells the texts with the value, in nats.

        The texts that have both, times the log of the sign's share of the value against the value's own.
        """
        a, b = self.signs[sign]
        base = (self.count + 0.5) / (seen + 1.0)
        return a * math.log((a + SHRINK * base) / (b + SHRINK) / base)

    def surprise(self, sign: str, seen: int) -> float:
        """How much better the sign's texts are told by their own share of the value than by the value's, in nats.

        Half the likelihood ratio statistic of the sign's texts, the share shrunk as elsewhere.
        """
        a, b = self.signs[sign]
        base = (self.count + 0.5) / (seen + 1.0)
        share = (a + SHRINK * base) / (b + SHRINK)
        return a * math.log(share / base) + (b - a) * math.log((1 - share) / (1 - base))


_UNSEEN = Table()
SHRINK = 2.0
"""Pseudo-counts that pull a sign seen rarely towards no evidence."""
LONGEST = 10_000
"""Characters that rules may take in an instruction; nobody wants to read, or pay for, more."""
LEAST_SIGNS = 6
LEAST_WEIGHT = 0.1
"""Log odds below which a sign is not worth writing down."""
ONE_OF = 24
"""Signs a value, at most, of a field with one right value; there the other values' signs speak as well."""
COMMON = 48
"""Signs a value that say nothing yet and are counted on, where there is room."""
FEW = 3
"""Texts up to which every sign is heeded."""
SEEN_NEVER = 0.5
"""Texts that a value counts as having beside those that were seen, so that none is impossible."""
ENDINGS = ("", "s", "es", "ed", "ing")
DAMP = 0.6
"""Signs of one text are not independent; their sum is damped."""


@dataclass
class Knowledge:
    """All rules of one instruction: per field the number of units seen and a table per value."""

    seen: Counter[str] = field(default_factory=Counter)
    tables: dict[tuple[str, str], Table] = field(default_factory=dict)
    sizes: dict[str, Counter[int]] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    """By stem, the shortest word of the texts that has it."""
    heeded: dict[tuple[str, int], _Heeded] = field(default_factory=dict, compare=False, repr=False)
    """Filled on the way: by field and limit, the counts of each sign that is heeded."""

    def hear(self, text: str) -> None:
        """Remember how the words of a text are written."""
        for word in words(text):
            key = stem(word)
            known = self.words.get(key)
            if known is None or (len(word), word) < (len(known), known):
                self.words[key] = word

    def spell(self, sign: str) -> str:
        """A sign in whole words; of a stem that no text was heard with, a word that has it."""
        if sign.startswith("@"):
            return sign
        return " ".join(self.words.get(part) or _word_of(part) for part in sign.split(" "))

    def values(self, name: str) -> list[str]:
        """JSON texts of the values known for a field, most frequent first."""
        found = [(key[1], table.count) for key, table in self.tables.items() if key[0] == name]
        return [value for value, _ in sorted(found, key=lambda item: (-item[1], item[0]))]

    def observe(self, name: str, units: Sequence[tuple[frozenset[str], frozenset[str]]]) -> None:
        """Count a batch of units (texts or sentences), each with its features and its right values as JSON texts."""
        self.heeded.clear()
        self.seen[name] += len(units)
        shown = Counter(sign for found, _ in units for sign in found)
        for value in sorted({value for _, right in units for value in right}):
            self.tables.setdefault((name, value), Table())
        for (owner, value), table in self.tables.items():
            if owner != name:
                continue
            hits = Counter(sign for found, right in units if value in right for sign in found)
            table.count += sum(value in right for _, right in units)
            for sign in {*hits, *(s for s in table.signs if s in shown)}:
                pair = table.signs.setdefault(sign, [0, 0])
                pair[0] += hits[sign]
                pair[1] += shown[sign]

    def score(self, name: str, value: str, found: frozenset[str], limit: int) -> float:
        """Log odds that the value is right for a unit with these features."""
        table, seen = self.tables.get((name, value), _UNSEEN), self.seen[name]
        if not seen:
            return 0.0
        prior = math.log((table.count + 0.5) / (seen - table.count + 0.5))
        evidence = sum(table.weight(sign, seen) for sign in list(table.signs)[:limit] if sign in found)
        return prior + DAMP * evidence

    def one_of(self, name: str, values: Sequence[str], found: frozenset[str], limit: int) -> dict[str, float]:
        """Log odds, up to a constant, of values of which exactly one is right, for a text with these features.

        Naive Bayes over the signs of all values: what the rules that list a sign leave of its texts is shared among the
        other values by their own frequency, so that a sign of one value speaks against the others.
        """
        seen = self.seen[name]
        if not seen:
            return dict.fromkeys(values, 0.0)
        total = seen + SEEN_NEVER * len(values)
        base = {v: (self.tables.get((name, v), _UNSEEN).count + SEEN_NEVER) / total for v in values}
        scores = {value: math.log(share) for value, share in base.items()}
        signs = self._heeded(name, limit)
        for sign in sorted(found & signs.keys()):
            told, shown = signs[sign]
            left = max(0.0, 1 - sum(told.values()))
            others = sum(base[v] for v in values if v not in told) or 1.0
            for value in values:
                share = told[value] if value in told else left * base[value] / others
                scores[value] += DAMP * math.log((shown * share / base[value] + SHRINK) / (shown + SHRINK))
        return scores

    def _heeded(self, name: str, limit: int) -> _Heeded:
        """Of each sign that more than chance speaks for: the share of its texts by value, and all of them.

        A sign has to be among the first ``limit`` of its rule, and to surprise by half the log of a third of the texts
        seen: Schwarz's criterion (1978), but with nothing at first, when every hint helps (measured; docs/log.md).
        """
        known = self.heeded.get((name, limit))
        if known is not None:
            return known
        signs: _Heeded = {}
        bar = 0.5 * math.log(max(1.0, self.seen[name] / FEW))
        for (owner, value), table in self.tables.items():
            for sign in list(table.signs)[:limit] if owner == name else ():
                if table.surprise(sign, self.seen[name]) >= bar:
                    (told, shown), (a, b) = signs.get(sign, ({}, 0)), table.signs[sign]
                    signs[sign] = ({**told, value: a / b}, max(shown, b))
        self.heeded[name, limit] = signs
        return signs

    def item_score(self, name: str, values: Sequence[str], found: frozenset[str], limit: int) -> float:
        """Log odds that a unit has any of the values at all, from all their signs together."""
        seen, count = self.seen[name], 0
        pooled: dict[str, list[int]] = {}
        for value in values:
            table = self.tables.get((name, value), _UNSEEN)
            count += table.count
            for sign in list(table.signs)[:limit]:
                if sign in found:
                    pair = pooled.setdefault(sign, [0, 0])
                    pair[0] += table.signs[sign][0]
                    pair[1] = max(pair[1], table.signs[sign][1])
        count = min(count, seen)
        every = Table(count, {s: [min(a, b), b] for s, (a, b) in pooled.items()})
        prior = math.log((count + 0.5) / (seen - count + 0.5))
        return prior + DAMP * sum(every.weight(sign, seen) for sign in every.signs)

    def pruned(self, keep: int, common: int = 0) -> Knowledge:
        """The same knowledge with at most ``keep`` signs per value, the strongest first.

        Of a field with one right value also up to ``common`` signs that say nothing so far, the most frequent first:
        forgotten, they would be counted anew from the next batch in which chance makes them look like signs.
        """
        slim = Knowledge(Counter(self.seen), {}, {k: Counter(v) for k, v in self.sizes.items()}, self.words)
        for (name, value), table in self.tables.items():
            seen = self.seen[name]
            good = [s for s in table.signs if table.signs[s][0] and table.weight(s, seen) > LEAST_WEIGHT]
            several = name in self.sizes or "." in name
            rank = table.strength if several else table.gain
            good = sorted(good, key=lambda s: (-rank(s, seen), " " in s, s))[: keep if several else min(keep, ONE_OF)]
            rest = [] if several or not common else sorted(
                (s for s in table.signs if table.signs[s][1] > 1 and table.weight(s, seen) <= LEAST_WEIGHT),
                key=lambda s: (-table.signs[s][1], s),
            )  # fmt: skip
            if not several:
                good.sort(key=lambda s: s in STOP)  # what a reader looks for first comes first
            kept = [*good, *rest[:common]]
            slim.tables[name, value] = Table(table.count, {s: list(table.signs[s]) for s in kept})
        return slim

    def frequent(self, values: int) -> Knowledge:
        """The same knowledge with only so many values, the most frequent ones."""
        ranked = sorted(self.tables, key=lambda key: (-self.tables[key].count, key))
        chosen = set(ranked[:values])
        kept = {key: table for key, table in self.tables.items() if key in chosen}
        return Knowledge(Counter(self.seen), kept, self.sizes, self.words)

    def render(self, units: str = "texts") -> str:
        """The rules as lines of an instruction; empty when nothing is known."""
        lines = []
        for name in sorted(self.seen):
            unit = "sentences" if "." in name else "texts"
            for value in self.values(name):
                table = self.tables[name, value]
                says = [s for s in table.signs if table.weight(s, self.seen[name]) > LEAST_WEIGHT]
                when, common = (_listed([f"{self.spell(s)} ({table.signs[s][0]}/{table.signs[s][1]})" for s in some])
                                for some in (says, [s for s in table.signs if s not in says]))  # fmt: skip
                rule = f"- Call {name} {value}{f' when it says {when}' if when else ''}."
                rule += f" Right in {table.count} of {self.seen[name]} {unit}"
                lines.append(f"{rule}{f'; as common elsewhere: {common}' if common else ''}.")
        for name, sizes in sorted(self.sizes.items()):
            spread = ", ".join(f"{size} x{count}" for size, count in sorted(sizes.items()))
            lines.append(f"- {name}: list lengths {spread}")
        return "\n".join([HEADING, *lines]) if lines else ""


def parse(text: str) -> tuple[str, Knowledge]:
    """Split an instruction into what people wrote and the rules in it; repeated rules are added up."""
    knowledge, human = Knowledge(), []
    totals: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        bare = line.strip()
        whole, size = _RULE.match(bare), _SIZE.match(bare)
        rule = whole or _SHORT_RULE.match(bare)
        if rule:
            name, value = rule.group(1), rule.group(2)
            count, seen, signs = rule.group("count"), rule.group("seen"), rule.group("signs")
            table = knowledge.tables.setdefault((name, value), Table())
            table.count += int(count)
            per_value = totals.setdefault(name, {})
            per_value[value] = per_value.get(value, 0) + int(seen)
            common = whole.group("common") if whole else None
            for said, a, b in [pair for part in (signs, common) for pair in _SIGN.findall(part or "")]:
                sign = said
                if whole and not said.startswith("@"):
                    sign = " ".join(map(stem, said.split(" ")))
                    knowledge.hear(said)
                pair = table.signs.setdefault(sign, [0, 0])
                pair[0] += int(a)
                pair[1] += int(b)
        elif size:
            counter = knowledge.sizes.setdefault(size.group(1), Counter())
            for length, count in re.findall(r"(\d+) x(\d+)", size.group(2)):
                counter[int(length)] += int(count)
        elif bare.lstrip("# ") != HEADING:
            human.append(line)
    for name, per_value in totals.items():
        knowledge.seen[name] = max(per_value.values())
    return "\n".join(human).rstrip(), knowledge


def _word_of(part: str) -> str:
    """A word with a stem: most stems are words themselves."""
    return next((part + ending for ending in ENDINGS if stem(part + ending) == part), part)


def _listed(signs: Sequence[str]) -> str:
    """Signs as a person lists them."""
    return signs[0] if len(signs) == 1 else f"{', '.join(signs[:-1])} or {signs[-1]}" if signs else ""


def as_json(value: object) -> str:
    """The text by which a value is named in a rule."""
    return json.dumps(value, ensure_ascii=False)


def join(human: str, knowledge: Knowledge, keep: int) -> str:
    """An instruction: what people wrote, then the rules, with fewer signs where they would not fit."""
    common = COMMON
    slim = knowledge.pruned(keep, common)
    while keep > LEAST_SIGNS and len(slim.render()) > LONGEST:
        keep, common = (keep, common // 2) if common else (max(LEAST_SIGNS, int(0.8 * keep)), 0)
        slim = knowledge.pruned(keep, common)
    rules = slim.render()
    if len(rules) > LONGEST:
        rules = slim.frequent(len(slim.tables) * LONGEST // len(rules)).render()
    if rules and _SECTION.search(human):
        rules = f"# {rules}"  # a section of its own, or the rules would be part of the last one
    return f"{human}\n\n{rules}" if rules else human


def cautious(current: str, new: str, limit: int) -> str:
    """A new instruction that differs from the current one in so many lines at most: the first ones that it changes.

    A line that replaces another, because it is about the same value, takes its place.
    """
    old, lines = current.splitlines(), new.splitlines()
    added = [line for line in lines if line.strip() and line not in old]
    places = {_subject(line): place for place, line in enumerate(old) if line not in lines}
    result = list(old)
    for line in added[:limit]:
        place = places.get(_subject(line))
        if place is None:
            result.append(line)
        else:
            result[place] = line
    return "\n".join(result)


def _subject(line: str) -> str:
    """What a rule is about: its field and value."""
    rule = _RULE.match(line.strip()) or _SHORT_RULE.match(line.strip())
    return f"{rule.group(1)} {rule.group(2)}" if rule else line.split(" in ")[0]


def usual_sizes(sizes: Counter[int]) -> Sequence[int]:
    """Every list length seen, once per occurrence, in order."""
    return sorted(sizes.elements())
