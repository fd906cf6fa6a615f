"""The reflector: induces rules from what it is shown of inputs, answers and feedback, and merges them into a prompt."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from offline.rules import Knowledge, as_json, join, parse
from offline.student import best_sentence
from offline.text import features, sentences

_LINE = re.compile(r"^- (\w+): (?:(correct) - |.*?expected )(.*)$", re.M)
_PLAIN = re.compile(r"(?:expected|correct (?:answer|label|value) (?:is|was)|should (?:be|have been))[: ]+(.+)", re.I)
_EXAMPLE = re.compile(r"Example\((\{.*?\})\) \(input_keys=(\{.*?\}|None)\)", re.S)
_MAX_LABEL_WORDS = 6


def gold_from_feedback(feedback: str) -> dict[str, Any]:
    """What the feedback says each field should have been; fields it does not tell are left out."""
    found = {}
    for match in _LINE.finditer(feedback):
        value = first_json(match.group(3))
        if value is not _NOTHING:
            found[match.group(1)] = value
    return found


def plain_gold(feedback: str) -> Any:
    """The one expected value in feedback of a foreign form, such as ``Expected: high, got low``."""
    match = _PLAIN.search(feedback)
    if not match:
        return _NOTHING
    value = first_json(match.group(1))
    if value is not _NOTHING:
        return value
    return re.split(r"[,;.]\s|\s(?:but|got|instead)\b", match.group(1))[0].strip(" .'\"`")


_NOTHING = object()


def first_json(text: str) -> Any:
    """The JSON value at the beginning of a text."""
    try:
        return json.JSONDecoder().raw_decode(text.strip())[0]
    except json.JSONDecodeError:
        return _NOTHING


def learn(knowledge: Knowledge, cases: Sequence[tuple[str, Mapping[str, Any]]], *, pairs: bool) -> None:
    """Add cases (text, gold by field) to the knowledge."""
    names = sorted({name for _, gold in cases for name in gold})
    for name in names:
        known = [(text, gold[name]) for text, gold in cases if name in gold]
        if any(isinstance(value, list) for _, value in known):
            for _, value in known:
                knowledge.sizes.setdefault(name, Counter())[len(value) if isinstance(value, list) else 1] += 1
        if any(_is_extract(value) for _, value in known):
            _learn_items(knowledge, name, known, pairs)
        else:
            units = [(features(text, pairs), frozenset(_values(value))) for text, value in known]
            knowledge.observe(name, units)


def _is_extract(value: Any) -> bool:
    """Whether a gold value is a list of records or of long texts, to be found sentence by sentence."""
    if not isinstance(value, list):
        return False
    return any(isinstance(v, Mapping) or (isinstance(v, str) and len(v.split()) > _MAX_LABEL_WORDS) for v in value)


def _values(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [as_json(v) for v in values if not isinstance(v, Mapping) and len(str(v).split()) <= _MAX_LABEL_WORDS]


def _learn_items(knowledge: Knowledge, name: str, known: Sequence[tuple[str, Any]], pairs: bool) -> None:
    label = _label_field([v for _, value in known if isinstance(value, list) for v in value])
    units = []
    for text, value in known:
        right: dict[int, set[str]] = {}
        for item in value if isinstance(value, list) else []:
            statement = (
                item
                if isinstance(item, str)
                else max((v for v in item.values() if isinstance(v, str)), key=len, default="")
            )
            place = best_sentence(text, statement)
            if place is not None:
                tag = item.get(label) if isinstance(item, Mapping) and label else "item"
                right.setdefault(place, set()).add(as_json(tag))
        for position, sentence in enumerate(sentences(text)):
            units.append((features(sentence, pairs), frozenset(right.get(position, ()))))
    knowledge.observe(f"{name}.{label or 'item'}", units)


def _label_field(items: Sequence[Any]) -> str | None:
    """The short text field with the fewest distinct values; records only."""
    values: dict[str, set[str]] = {}
    for item in items:
        if isinstance(item, Mapping):
            for key, value in item.items():
                if isinstance(value, str):
                    values.setdefault(key, set()).add(value)
    short = {k: v for k, v in values.items() if all(len(x.split()) <= 3 for x in v)}
    return min(short, key=lambda k: (len(short[k]), k), default=None)


def reflect(current: str, examples: Sequence[Mapping[str, Any]], *, keep: int, pairs: bool, output: str | None) -> str:
    """A new instruction: the human text unchanged, the rules updated by these examples."""
    human, knowledge = parse(current)
    cases = []
    for example in examples:
        inputs, feedback = example.get("Inputs"), str(example.get("Feedback", ""))
        text = "\n".join(map(str, inputs.values())) if isinstance(inputs, Mapping) else str(inputs)
        gold = gold_from_feedback(feedback)
        if not gold:
            value = plain_gold(feedback)
            outputs = example.get("Generated Outputs")
            name = next(iter(outputs), None) if isinstance(outputs, Mapping) else output
            if value is not _NOTHING and name:
                gold = {str(name): value}
        if gold:
            cases.append((text, gold))
    learn(knowledge, cases, pairs=pairs)
    return join(human, knowledge, keep)


def cases_from_examples(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Cases from the ``Example({...}) (input_keys={...})`` texts that MIPROv2's proposer shows."""
    cases = []
    for body, keys in _EXAMPLE.findall(text):
        try:
            values, inputs = ast.literal_eval(body), ast.literal_eval(keys)
        except (SyntaxError, ValueError):
            continue
        if isinstance(values, dict) and isinstance(inputs, (set, tuple, list)):
            gold = {k: v for k, v in values.items() if k not in inputs}
            cases.append(("\n".join(str(values[k]) for k in values if k in inputs), gold))
    return cases
