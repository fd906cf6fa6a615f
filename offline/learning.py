"""Learning from cases: what texts and their right answers show, counted into rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from offline.rules import Knowledge, as_json
from offline.text import best_unit, features, overlap, sentences, signs, units

MAX_LABEL_WORDS = 6
"""A value of more words is prose, to be found in the text rather than chosen."""
SHORT = 3
"""Words of a record's short fields."""
SPEAKER, SENTENCE = "@speaker", "@sentence"
"""Stand in a rule for whoever says the sentence, and for the sentence itself."""
KEPT = as_json("kept")


def learn(knowledge: Knowledge, cases: Sequence[tuple[str, Mapping[str, Any]]], *, pairs: bool) -> None:
    """Add cases (text, gold by field) to the knowledge."""
    for text, _ in cases:
        knowledge.hear(text)
    names = sorted({name for _, gold in cases for name in gold})
    for name in names:
        known = [(text, gold[name]) for text, gold in cases if name in gold]
        if any(is_prose(value) for _, value in known):
            _learn_prose(knowledge, name, known, pairs)
            continue
        if any(isinstance(value, list) for _, value in known):
            for _, value in known:
                knowledge.sizes.setdefault(name, Counter())[len(value) if isinstance(value, list) else 1] += 1
        if any(_is_extract(value) for _, value in known):
            _learn_items(knowledge, name, known, pairs)
        else:
            look = (lambda text: features(text, pairs)) if name in knowledge.sizes else signs
            knowledge.observe(name, [(look(text), frozenset(_values(value))) for text, value in known])


def is_prose(value: Any) -> bool:
    """Whether a value is running text rather than a label."""
    return isinstance(value, str) and len(value.split()) > MAX_LABEL_WORDS


def _is_extract(value: Any) -> bool:
    """Whether a gold value is a list of records or of long texts, to be found sentence by sentence."""
    if not isinstance(value, list):
        return False
    return any(isinstance(v, Mapping) or is_prose(v) for v in value)


def _values(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [as_json(v) for v in values if not isinstance(v, Mapping) and len(str(v).split()) <= MAX_LABEL_WORDS]


def _learn_prose(knowledge: Knowledge, name: str, known: Sequence[tuple[str, Any]], pairs: bool) -> None:
    """Which sentences of a text its retelling keeps, and how long the retelling is, in tens of words."""
    seen = []
    common = _in_several([text for text, _ in known], pairs)
    for text, value in known:
        told = str(value)
        knowledge.sizes.setdefault(name, Counter())[10 * max(1, round(len(told.split()) / 10))] += 1
        kept = {best_unit(text, sentence) for sentence in sentences(told)}
        for position, unit in enumerate(units(text, pairs)):
            seen.append((unit.signs & common, frozenset({KEPT}) if position in kept else frozenset()))
    knowledge.observe(f"{name}.sentence", seen)


def _in_several(texts: Sequence[str], pairs: bool) -> frozenset[str]:
    """Signs that more than one text shows: what only one shows is that text's subject, not a rule."""
    shown = Counter(
        sign for text in set(texts) for sign in frozenset[str]().union(*(u.signs for u in units(text, pairs)))
    )
    return frozenset(sign for sign, count in shown.items() if count > 1 or len(set(texts)) == 1)


def _learn_items(knowledge: Knowledge, name: str, known: Sequence[tuple[str, Any]], pairs: bool) -> None:
    places = [(text, item, best_unit(text, _statement(item))) for text, value in known for item in _list(value)]
    label = _label_field([(text, item, place) for text, item, place in places if isinstance(item, Mapping)])
    seen = []
    for text, value in known:
        right: dict[int, set[str]] = {}
        for item in _list(value):
            place = best_unit(text, _statement(item))
            if place is not None:
                tag = item.get(label) if isinstance(item, Mapping) and label else "item"
                right.setdefault(place, set()).add(as_json(tag))
        for position, unit in enumerate(units(text, pairs)):
            seen.append((unit.signs, frozenset(right.get(position, ()))))
    knowledge.observe(f"{name}.{label or 'item'}", seen)
    _learn_other_fields(knowledge, name, places, label, pairs)


def _learn_other_fields(
    knowledge: Knowledge, name: str, places: Sequence[tuple[str, Any, int | None]], label: str | None, pairs: bool
) -> None:
    """What stands in a record's other fields: the speaker, the sentence itself, or one of a few words."""
    by_field: dict[str, list[tuple[frozenset[str], frozenset[str]]]] = {}
    for text, item, place in places:
        if not isinstance(item, Mapping) or place is None:
            continue
        unit = units(text, pairs)[place]
        main = _main_field(item)
        for field_name, value in item.items():
            if field_name in (label, main) or not isinstance(value, str):
                continue
            short = value if len(value.split()) <= SHORT else ""
            said = SPEAKER if value == unit.speaker else SENTENCE if overlap(unit.text, value) >= 0.5 else short
            if said:
                by_field.setdefault(field_name, []).append((unit.signs, frozenset({as_json(said)})))
    for field_name, seen in sorted(by_field.items()):
        knowledge.observe(f"{name}.{field_name}", seen)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _statement(item: Any) -> str:
    """The text by which an item is found: the longest."""
    if isinstance(item, str):
        return item
    return max((v for v in item.values() if isinstance(v, str)), key=len, default="")


def _main_field(item: Mapping[str, Any]) -> str | None:
    """The first long text of a record, which is what it is about."""
    return next((k for k, v in item.items() if isinstance(v, str) and len(v.split()) > SHORT), None)


def _label_field(places: Sequence[tuple[str, Mapping[str, Any], int | None]]) -> str | None:
    """The short text field with the fewest distinct values that is not mostly the speaker's name; records only."""
    values: dict[str, set[str]] = {}
    spoken: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for text, item, place in places:
        speaker = units(text, False)[place].speaker if place is not None else None
        for key, value in item.items():
            if isinstance(value, str):
                values.setdefault(key, set()).add(value)
                counts[key] += 1
                spoken[key] += bool(speaker) and value == speaker
    short = {k: v for k, v in values.items() if all(len(x.split()) <= SHORT for x in v) and spoken[k] < 0.4 * counts[k]}
    return min(short, key=lambda k: (len(short[k]), k), default=None)
