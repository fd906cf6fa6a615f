"""The student: answers any signature from rules, demos and, failing those, the wording of its fields and labels."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from offline.agent import Worker, tools_of
from offline.learning import KEPT, MAX_LABEL_WORDS, SENTENCE, SPEAKER, is_prose, learn
from offline.reading import Demo, FieldInfo, Frame, Reading
from offline.rules import Knowledge, as_json, parse
from offline.shapes import OutputShape, record_shape
from offline.text import Unit, features, sentences, signs, stem, units, words
from offline.writing import worked_examples

_LITERAL = re.compile(r"^(?:Literal|Optional\[Literal|Union\[Literal)\[(.*?)\]")
_LIST_LITERAL = re.compile(r"^list\[Literal\[(.*)\]\]$")
_BULLET = re.compile(r"^\s*[-*]\s*[`'\"]?([\w /-]+?)[`'\"]?\s*[:=-]\s+(.*)$")
_LIMIT = re.compile(
    r"(?:at most|up to|no more than|~|about|under|maximum(?: of)?)\s*(\d+)\s*(words?|items?|sentences?)", re.I
)


DEFAULT_LIMIT = 40
"""Words of a free text where nothing says how many."""
WORDING, WORDING_BESIDE_RULES = 1.0, 4.0
"""Weight of a label's own words; beside rules, whose log odds have a larger scale, more."""
LIST_SIGNS = 16
"""Signs a label that are heeded where several labels may be right: each is decided alone, and long texts show many."""
ITEM_BAR = -0.8
"""Log odds from which a sentence is taken for an item; a wrong item costs less than a missed one."""


@dataclass(frozen=True)
class Skill:
    """What a size of the model can do.

    Attributes:
        signs: How many signs it heeds per rule.
        demos: How many demos it looks at.
        pairs: Whether it sees word pairs.
        curiosity: As an agent: the chance of a lookup that nobody asked for.
    """

    signs: int
    demos: int
    pairs: bool
    curiosity: float


def labels_of(kind: str) -> list[Any] | None:
    """The values of a Literal type as written in a prompt."""
    match = _LITERAL.match(kind)
    if not match:
        return None
    return _values(match.group(1))


def _values(inside: str) -> list[Any]:
    try:
        return list(ast.literal_eval(f"[{inside}]"))
    except (SyntaxError, ValueError):
        return []


def material(inputs: tuple[tuple[str, str], ...]) -> str:
    """All inputs as one text."""
    return "\n".join(text for _, text in inputs)


@lru_cache(maxsize=512)
def knowledge_of(instruction: str) -> tuple[str, Knowledge]:
    """The rules in an instruction; treated as read-only by every caller."""
    return parse(instruction)


class Student:
    """Answers one request."""

    def __init__(self, skill: Skill, reading: Reading) -> None:
        self.skill, self.reading = skill, reading
        self.human, self.knowledge = knowledge_of(reading.frame.instruction)
        self.text = material(reading.inputs)
        self.found, self.signs = features(self.text, skill.pairs), signs(self.text)
        self.hints = _hints(self.human)
        self.demos = (*worked_examples(self.human), *reading.demos)[-skill.demos :]

    def answer(self) -> dict[str, Any]:
        """A valid value for every output field."""
        return {info.name: self.value(info) for info in self.reading.frame.outputs}

    def value(self, info: FieldInfo) -> Any:
        """A valid value for one field."""
        kind = info.type
        labels = labels_of(kind)
        if labels:
            return self.one_of(info.name, labels)
        tools = tools_of(info.schema)
        if tools:
            return Worker(tools, self.reading, self.skill.curiosity).step()
        many = _LIST_LITERAL.match(kind)
        if many:
            return self.some_of(info.name, _values(many.group(1)))
        if kind.startswith("list[") or info.schema.startswith('{"type": "array"'):
            return self.records(info)
        if kind == "bool":
            return self.one_of(info.name, [True, False])
        if kind in ("int", "float"):
            return self.number(info)
        return self.free_text(info)

    def scores(self, name: str, labels: list[Any], *, one: bool) -> dict[str, float]:
        """Evidence for each label: rules, demos, wording; ``one`` says that exactly one of them is right."""
        keys = [as_json(label) for label in labels]
        votes, limit = self.votes(name), self.skill.signs
        if one:
            result = self.knowledge.one_of(name, keys, self.signs, limit)
        else:
            result = {key: self.knowledge.score(name, key, self.found, min(limit, LIST_SIGNS)) for key in keys}
        wording = WORDING_BESIDE_RULES if one and self.knowledge.seen[name] else WORDING
        for key, label in zip(keys, labels, strict=True):
            result[key] += 5.0 * votes.get(key, 0.0) + wording * self.wording(name, str(label))
        return result

    def votes(self, name: str) -> dict[str, float]:
        """Similarity-weighted votes of the demos, normalised by all demos' similarity."""
        votes: dict[str, float] = {}
        total = 1e-9
        for inputs, outputs in self.demos:
            answer = dict(outputs).get(name)
            if answer is None:
                continue
            theirs = features(material(inputs), self.skill.pairs)
            likeness = len(self.found & theirs) / (1 + (len(self.found) * len(theirs)) ** 0.5)
            total += likeness
            for value in _demo_values(answer):
                votes[value] = votes.get(value, 0.0) + likeness
        return {value: weight / total * min(1.0, 6 * total) for value, weight in votes.items()}

    def wording(self, name: str, label: str) -> float:
        """How much of a label's own words, and of what the instruction says about it, the text shows."""
        own = {stem(w) for w in words(label.replace("_", " "))}
        said = {stem(w) for w in words(self.hints.get(label.casefold(), ""))} - own
        here = sum(w in self.found for w in own) / len(own) if own else 0.0
        told = sum(w in self.found for w in said) / (4 + len(said)) if said else 0.0
        return here + told

    def one_of(self, name: str, labels: list[Any]) -> Any:
        """The label with the most evidence; the earliest on a tie."""
        scores = self.scores(name, labels, one=True)
        return max(labels, key=lambda label: (round(scores[as_json(label)], 9), -labels.index(label)))

    def some_of(self, name: str, labels: list[Any]) -> list[Any]:
        """Labels with odds for them, within the lengths that examples showed."""
        scores = self.scores(name, labels, one=False)
        ranked = sorted(labels, key=lambda label: (-round(scores[as_json(label)], 9), labels.index(label)))
        sizes = self.knowledge.sizes.get(name)
        low, high = (min(sizes), max(sizes)) if sizes else (1, 2)
        informed = bool(self.knowledge.seen[name]) or bool(self.demos)
        bar = 0.0 if self.knowledge.seen[name] else (1.2 if informed else 0.35)
        chosen = [label for label in ranked if scores[as_json(label)] > bar]
        chosen = chosen[:high]
        return chosen if len(chosen) >= low else ranked[: max(low, 0)]

    def number(self, info: FieldInfo) -> float | int:
        """A number that rules, demos or the text suggest, inside the stated bounds."""
        known = [json.loads(v) for v in self.knowledge.values(info.name)]
        votes = self.votes(info.name)
        options = [v for v in known if isinstance(v, (int, float)) and not isinstance(v, bool)]
        options += [v for v in map(_number, votes) if v is not None and v not in options]
        if options:
            value: float = self.one_of(info.name, options)
        else:
            seen = re.findall(r"-?\d+(?:\.\d+)?", self.text)
            value = float(seen[0]) if seen else 0.0
        for word, sign in (("greater than or equal to", 1), ("less than or equal to", -1)):
            bound = re.search(rf"{word}: (-?[\d.]+)", info.description)
            if bound and sign * value < sign * float(bound.group(1)):
                value = float(bound.group(1))
        return int(value) if info.type == "int" or float(value).is_integer() else value

    def free_text(self, info: FieldInfo) -> Any:
        """A known short answer, or an extract: the sentences that rules or examples single out, else the first ones."""
        if "None" in info.type and not self.text:
            return None
        knowledge = self.knowledge_about(f"{info.name}.sentence")
        limit = next(
            (int(n) for n, unit in _LIMIT.findall(self.human) if unit.lower().startswith("word")), DEFAULT_LIMIT
        )
        if knowledge is not None:
            return self.extract(info.name, knowledge, limit)
        known = self.knowledge.values(info.name)
        votes = {v: weight for v, weight in self.votes(info.name).items() if len(v.split()) <= MAX_LABEL_WORDS}
        if known or votes:
            options = [json.loads(v) for v in known] or [json.loads(v) for v in sorted(votes)]
            return self.one_of(info.name, options)
        if self.skill.pairs and limit > DEFAULT_LIMIT:
            return self.central(limit)
        out: list[str] = []
        for sentence in sentences(self.text):
            if out and len(" ".join([*out, sentence]).split()) > limit:
                break
            out.append(sentence)
        return " ".join(" ".join(out).split()[:limit])

    def central(self, limit: int) -> str:
        """What the text comes back to most, in its own order; the larger model can do this without being told how."""
        parts = [unit for unit in units(self.text, pairs=False) if "@tool" not in unit.signs]
        ranked = sorted(range(len(parts)), key=lambda i: ("@central" not in parts[i].signs, i))
        chosen: list[int] = []
        used = 0
        for place in ranked:
            size = len(parts[place].text.split())
            if used + size <= limit or not chosen:
                chosen.append(place)
                used += size
        return " ".join(" ".join(parts[place].text for place in sorted(chosen)).split()[:limit])

    def extract(self, name: str, knowledge: Knowledge, limit: int) -> str:
        """The sentences most likely to be kept, in their own order, as many as fit the usual length."""
        sizes = sorted(knowledge.sizes.get(name, Counter()).elements())
        usual = sizes[len(sizes) // 2] if sizes else limit
        room = usual if limit == DEFAULT_LIMIT else min(limit, usual)
        parts = units(self.text, self.skill.pairs)
        worth = [knowledge.score(f"{name}.sentence", KEPT, unit.signs, self.skill.signs) for unit in parts]
        chosen: list[int] = []
        used = 0
        for place in sorted(range(len(parts)), key=lambda i: (-round(worth[i], 9), i)):
            size = len(parts[place].text.split())
            if used + size <= room or not chosen:
                chosen.append(place)
                used += size
        return " ".join(parts[place].text for place in sorted(chosen))

    def knowledge_about(self, key: str) -> Knowledge | None:
        """Rules that speak of a key, or else what the demos show of it."""
        if self.knowledge.seen[key]:
            return self.knowledge
        shown = knowledge_of_demos(self.demos, self.skill.pairs)
        return shown if shown.seen[key] else None

    def records(self, info: FieldInfo) -> list[Any]:
        """Items found sentence by sentence."""
        shape = record_shape(info.schema)
        if shape is None:
            known = [json.loads(v) for v in self.knowledge.values(info.name)]
            if known:
                return self.some_of(info.name, known)
            shape = OutputShape(None, (), None)
        key = f"{info.name}.{shape.label or 'item'}"
        knowledge = self.knowledge_about(key)
        ranked = self.ranked_units(info.name, shape, knowledge)
        if knowledge is not None:
            sizes = knowledge.sizes.get(info.name)
            high = max(sizes) if sizes else 3
            chosen = [item for item in ranked if item[0] > ITEM_BAR][:high]
            if not chosen and sizes and min(sizes) > 0:
                chosen = ranked[:1]
        else:
            chosen = ranked[:2]
        chosen.sort(key=lambda item: item[1])
        return [self.record(info.name, shape, label, unit, knowledge) for _, _, label, unit in chosen]

    def record(self, name: str, shape: OutputShape, label: Any, unit: Unit, knowledge: Knowledge | None) -> Any:
        """A record of one sentence, its other fields as the rules say."""
        made = shape.build(label, unit.text)
        for field_name, kind in shape.others if knowledge is not None else ():
            key = f"{name}.{field_name}"
            values = knowledge.values(key) if knowledge is not None and kind == "string" else []
            if knowledge is None or not values:
                continue
            best = max(values, key=lambda v: round(knowledge.score(key, v, unit.signs, self.skill.signs), 9))
            said = json.loads(best)
            made[field_name] = {SPEAKER: unit.speaker, SENTENCE: unit.text}.get(said, said)
        return made

    def ranked_units(
        self, name: str, shape: OutputShape, knowledge: Knowledge | None
    ) -> list[tuple[float, int, Any, Unit]]:
        """(score, position, label, sentence), best first."""
        key = f"{name}.{shape.label or 'item'}"
        options = list(shape.labels) or ["item"]
        texts = [as_json(label) for label in options]
        ranked = []
        for position, unit in enumerate(units(self.text, self.skill.pairs)):
            scored = []
            for order, label in enumerate(options):
                if knowledge is not None:
                    score = knowledge.score(key, texts[order], unit.signs, self.skill.signs)
                else:
                    said = {
                        stem(w) for w in words(f"{label} {self.hints.get(str(label).casefold(), '')}") if len(w) > 3
                    }
                    score = sum(w in unit.signs for w in said) / (len(said) + 4) ** 0.5
                scored.append((score, -order, label))
            best = max(scored, key=lambda item: (round(item[0], 9), item[1]))
            worth = knowledge.item_score(key, texts, unit.signs, self.skill.signs) if knowledge is not None else best[0]
            ranked.append((worth, position, best[2], unit))
        ranked.sort(key=lambda item: (-round(item[0], 9), item[1]))
        return ranked


@lru_cache(maxsize=512)
def _hints(human: str) -> dict[str, str]:
    """What an instruction's bullet list says about each label."""
    found = {}
    for line in human.splitlines():
        match = _BULLET.match(line)
        if match:
            found[match.group(1).strip().casefold()] = match.group(2)
    return found


def _demo_values(answer: str) -> list[str]:
    """A demo's answer as rule values: each element of a list, or the value itself."""
    if answer in ("True", "False"):
        return [answer.lower()]
    try:
        value = json.loads(answer)
    except json.JSONDecodeError:
        value = answer
    return [as_json(v) for v in value] if isinstance(value, list) else [as_json(value)]


def _number(text: str) -> float | None:
    try:
        value = json.loads(text)
        return float(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError):
        return None


@lru_cache(maxsize=256)
def knowledge_of_demos(demos: tuple[Demo, ...], pairs: bool) -> Knowledge:
    """What demos show of fields that are prose or lists of records; treated as read-only by every caller."""
    knowledge, cases = Knowledge(), []
    for inputs, outputs in demos:
        values = {name: _demo_value(text) for name, text in outputs}
        long = {name: v for name, v in values.items() if is_prose(v) or (isinstance(v, list) and _has_records(v))}
        cases.append((material(inputs), long))
    learn(knowledge, cases, pairs=pairs)
    return knowledge


def _demo_value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _has_records(value: list[Any]) -> bool:
    return any(isinstance(v, Mapping) or is_prose(v) for v in value)


def write(frame: Frame, answer: Mapping[str, Any]) -> str:
    """The answer in the format that the prompt asked for."""
    if frame.json:
        return json.dumps(dict(answer), ensure_ascii=False)
    parts = []
    for name, value in answer.items():
        text = (
            value
            if isinstance(value, str)
            else str(value)
            if isinstance(value, (bool, int, float)) or value is None
            else json.dumps(value, ensure_ascii=False)
        )
        parts.append(f"[[ ## {name} ## ]]\n{text}")
    return "\n\n".join([*parts, "[[ ## completed ## ]]"])
