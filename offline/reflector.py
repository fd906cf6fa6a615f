"""The reflector: induces rules from what it is shown of inputs, answers and feedback, and merges them into a prompt."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from offline.learning import is_prose, learn
from offline.rules import Knowledge, Table, as_json, join, parse
from offline.writing import AS_USUAL, Orders, with_examples

_LINE = re.compile(r"^- (\w+): (?:(correct) - |.*?expected )(.*)$", re.M)
_PLAIN = re.compile(r"(?:expected|correct (?:answer|label|value) (?:is|was)|should (?:be|have been))[: ]+(.+)", re.I)
_WITHOUT = re.compile(r"\b([a-z]+(?:_[a-z]+)+)\b[^.\n]*\bwithout\b[^.\n]*?\b([a-z]+(?:_[a-z]+)+)\b")
_ADVICE = re.compile(r"\b(?:Next time|It would help to|Better)[,:] ([A-Za-z][^.\n]{10,200}\.)")
_LISTED = re.compile(r"^(?:(\d+)\.|[-*]) ")
_EXAMPLE = re.compile(r"Example\((\{.*?\})\) \(input_keys=(\{.*?\}|None)\)", re.S)


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


KEPT_SIGNS = 60
_NOTHING = object()


def first_json(text: str) -> Any:
    """The JSON value at the beginning of a text."""
    try:
        return json.JSONDecoder().raw_decode(text.strip())[0]
    except json.JSONDecodeError:
        return _NOTHING


def reflect(
    current: str,
    examples: Sequence[Mapping[str, Any]],
    *,
    keep: int,
    pairs: bool,
    output: str | None,
    orders: Orders = AS_USUAL,
) -> str:
    """A new instruction: the rules updated by these examples, and the human text unchanged unless the orders say so."""
    human, knowledge = parse(current)
    cases, quoted = [], []
    for example in examples if orders.rows is None else examples[: orders.rows]:
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
            quoted.append((inputs if isinstance(inputs, Mapping) else {"input": text}, gold))
    learn(knowledge, cases, pairs=pairs)
    human = _with_lessons(human, [str(example.get("Feedback", "")) for example in examples])
    human = with_examples(human, quoted, orders.examples) if orders.examples else human
    return join(human, knowledge, keep)


def merge(current: str, texts: Sequence[str]) -> str:
    """The current instruction with the rules of all; of a rule that several have, the one with most counts."""
    human, _ = parse(current)
    joined = Knowledge()
    for text in texts:
        _, known = parse(text)
        for name, seen in known.seen.items():
            joined.seen[name] = max(joined.seen[name], seen)
        for key, table in known.tables.items():
            if key not in joined.tables or joined.tables[key].count < table.count:
                joined.tables[key] = table
        joined.words.update(known.words)
        for name, sizes in known.sizes.items():
            joined.sizes[name] = joined.sizes.get(name, Counter()) | sizes
    return join(human, joined, KEPT_SIGNS)


def _with_lessons(human: str, feedback: Sequence[str]) -> str:
    """The text with a guideline for what most feedback advises, and for what most sessions did without something."""
    advised = Counter(advice for text in feedback for advice in {*_ADVICE.findall(text)})
    for advice, count in sorted(advised.items()):
        if 2 * count >= len(feedback) and advice not in human:
            human = _with_guideline(human, advice[0].upper() + advice[1:])
    missed = Counter(pair for text in feedback for pair in {*_WITHOUT.findall(text)})
    often = [pair for pair, count in sorted(missed.items(), key=lambda item: (-item[1], item[0])) if count > 1]
    for act, lookup in often or [pair for pair, _ in missed.most_common(1)]:
        lesson = f"Call {lookup} before {act}."
        human = human if lesson in human else _with_guideline(human, lesson)
    return human


def _with_guideline(text: str, guideline: str) -> str:
    """The text with one more item in the list that it ends with, or with a list."""
    last = _LISTED.match(text.splitlines()[-1]) if text else None
    if last is None:
        return f"{text}\n\nGuidelines:\n1. {guideline}"
    mark = f"{int(last.group(1)) + 1}." if last.group(1) else last.group().strip()
    return f"{text}\n{mark} {guideline}"


def counted(examples: Sequence[Mapping[str, Any]]) -> str:
    """What a reflection can say in words: how many examples tell an expected answer."""
    told = [bool(gold_from_feedback(str(example.get("Feedback", "")))) for example in examples]
    return f"{sum(told)} of {len(told)} examples tell the right answer; which signs go with it is counted into rules."


def advise(given: Mapping[str, str]) -> dict[str, str]:
    """Advice to each module of a program by two runs of it on one row, as dspy.SIMBA asks for it.

    A module is told what the row's right answer shows; where nobody says what is right, what the better run answered.
    What the worse run answered instead is counted as seen and not right, so that advice on many rows adds up.
    """
    names, inputs, right, better, worse = (first_json(given.get(key, "")) for key in _TOLD)
    fields = _fields_by_module(given)
    text = "\n".join(map(str, inputs.values())) if isinstance(inputs, Mapping) else str(inputs)
    gold = next((dict(found) for found in (right, better) if isinstance(found, Mapping) and found), {})
    advice = {}
    for module in names if isinstance(names, list) else []:
        own = fields.get(str(module)) or set(gold)
        knowledge = Knowledge()
        learn(knowledge, [(text, {name: value for name, value in gold.items() if name in own})], pairs=False)
        _not_right(knowledge, gold, worse if isinstance(worse, Mapping) else {})
        advice[str(module)] = join("", knowledge, ADVICE_SIGNS).strip() or _NO_ADVICE
    return advice


_TOLD = ("module_names", "program_inputs", "oracle_metadata", "better_program_outputs", "worse_program_outputs")
_NO_ADVICE = "Answer as the examples with the higher reward do."
ADVICE_SIGNS = 40
"""Signs that a piece of advice names; it is about one row."""


def _fields_by_module(given: Mapping[str, str]) -> dict[str, set[str]]:
    """What each module answered in one of the two runs."""
    found: dict[str, set[str]] = {}
    for key in ("better_program_trajectory", "worse_program_trajectory"):
        steps = first_json(given.get(key, ""))
        for step in steps if isinstance(steps, list) else []:
            if isinstance(step, Mapping) and isinstance(step.get("outputs"), Mapping):
                found.setdefault(str(step.get("module_name")), set()).update(map(str, step["outputs"]))
    return found


def _not_right(knowledge: Knowledge, gold: Mapping[str, Any], worse: Mapping[str, Any]) -> None:
    """Count wrong labels as seen and not right."""
    for name, value in worse.items():
        label = isinstance(value, (str, bool, int, float)) and not is_prose(value)
        if label and knowledge.values(name) and gold.get(name) != value:
            knowledge.tables.setdefault((name, as_json(value)), Table())


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
