"""What a metaprompt, or a hint to a proposer, asks of whoever writes an instruction, by its words.

A sentence asks for something when it has a verb of writing or reading and the thing in it; a negation turns it round,
and what is said later counts. Nothing here knows any particular sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

EXAMPLES_HEADING = "Worked examples:"
USUAL_EXAMPLES = 3
"""Worked examples where nobody says how many."""
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_NOT = re.compile(r"\b(?:never|not|no|don't|without|avoid|omit|skip|leave out|refrain)\b", re.I)
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: number for number, word in enumerate(_WORDS)}
_COUNT = rf"(\d+|{'|'.join(_NUMBERS)})"
_WRITE = r"\b(?:quot|includ|add|giv|show|put|append|writ|list|end)\w*"
_READ = r"\b(?:look|read|consider|study|use|analys|analyz|learn)\w*"
_EXAMPLES = re.compile(r"\b(?:worked|concrete|solved|full|complete) (?:example|row|case|sample)s?\b", re.I)
_SEVERAL = re.compile(rf"\b{_COUNT} (?:worked|concrete|solved|full|complete)\b", re.I)
_ROWS = re.compile(
    rf"\b(?:only|at most|no more than|up to|not more than)\b[^.;]{{0,20}}?\b{_COUNT} (?:row|example)", re.I
)
_FRESH = re.compile(r"\bfrom scratch\b|\b(?:drop|discard|replac|rewrit)\w* the (?:old|current|whole|entire)\b", re.I)
_KEEP = re.compile(r"\b(?:keep|preserv|leav)\w*\b[^.;]{0,40}\b(?:wording|words|text)\b", re.I)
_SHOWN = re.compile(r"^Input: (\{.*\})\nAnswer: (\{.*\})$", re.M)
Example = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Orders:
    """How an instruction is to be written.

    Attributes:
        rows: Rows that are looked at; None for all of them.
        examples: Rows that are quoted with their right answers.
        fresh: Whether the words of the current instruction go.
    """

    rows: int | None = None
    examples: int = 0
    fresh: bool = False


AS_USUAL = Orders()
"""What is done where nothing is asked for."""


@lru_cache(maxsize=256)
def orders_of(text: str) -> Orders:
    """What a text asks for."""
    rows, examples, fresh = None, 0, False
    for sentence in _SENTENCE.split(text):
        told = not _NOT.search(re.sub(r"\b(?:no|not) more than\b", "at most", sentence, flags=re.I))
        limit = _ROWS.search(sentence)
        if limit and re.search(_READ, sentence, re.I):
            rows = _number(limit[1])
        if _EXAMPLES.search(sentence) and re.search(_WRITE, sentence, re.I):
            count = _SEVERAL.search(sentence)
            examples = (_number(count[1]) if count else USUAL_EXAMPLES) if told else 0
        if _FRESH.search(sentence):
            fresh = told
        elif _KEEP.search(sentence):
            fresh = not told
    return Orders(rows, examples, fresh)


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS[word.lower()]


def with_examples(human: str, cases: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], most: int) -> str:
    """An instruction with rows quoted as worked examples at its end, so many at most; earlier ones stay."""
    text = re.sub(r"\n{3,}", "\n\n", _SHOWN.sub("", human).replace(EXAMPLES_HEADING, "")).strip()
    earlier = [(found[1], found[2]) for found in _SHOWN.finditer(human)]
    new = [(_json(inputs), _json(answer)) for inputs, answer in cases]
    kept = [*earlier, *(pair for pair in new if pair not in earlier)][:most]
    if not kept:
        return human
    return "\n\n".join([text, EXAMPLES_HEADING, *(f"Input: {given}\nAnswer: {answer}" for given, answer in kept)])


@lru_cache(maxsize=512)
def worked_examples(instruction: str) -> tuple[Example, ...]:
    """The worked examples in an instruction, as demos: inputs and answers, each as (field, text)."""
    found = []
    for match in _SHOWN.finditer(instruction):
        try:
            given, answer = json.loads(match[1]), json.loads(match[2])
        except json.JSONDecodeError:
            continue
        found.append((_fields(given), _fields(answer)))
    return tuple(found)


def _fields(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value if isinstance(value, str) else _json(value)) for name, value in values.items())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
