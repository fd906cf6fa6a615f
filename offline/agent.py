"""An agent's next step, for a record with one call out of several tools: the embedded model as a weak worker.

It takes from the request what is to be done and with which codes, looks things up before it acts as the instruction
asks it to, heeds what a lookup says against an action, turns to what the request names instead, and reports. It has
habits of its own only in so far as it now and then looks at what nobody asked it to, forgets a lookup or an action.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from offline.guidelines import Preferences, ToolSpec, preferences, root, roots
from offline.reading import Reading
from offline.rules import parse

ASKED, FORBIDDEN = 0.96, 0.03
"""Chances of a lookup that the text asks for, and that it forbids."""
SLIP = 0.02
"""Chance of leaving an action out."""
_LINE = re.compile(r"^\d+\. (\w+) (\{.*?\}) -> (\{.*\})$", re.M)
_SO_FAR = re.compile(r"so_far|history|trajectory|steps|log")
_INSTEAD = re.compile(r"\b(if|otherwise|instead|should|or (?!none|not)(?=[^.]*\b(?:if|as many)\b))", re.I)
_LEAVE_OUT = re.compile(r"\b(without (?:it|one|the coupon)|at full price|leave it out)\b", re.I)
_AS_MANY = re.compile(r"\b(as many as|what is (?:there|left)|whatever is|what you have|the rest)\b", re.I)
_NUMBERS = "one two three four five six seven eight nine ten eleven twelve"
_NUMBERED = {**{word: i for i, word in enumerate(_NUMBERS.split(), 1)}, "a": 1, "an": 1, "twenty": 20, "dozen": 12}
_LEFT = frozenset(map(root, ("stock", "available", "left", "remaining")))


@dataclass(frozen=True)
class Call:
    """A call of a tool with its arguments."""

    tool: str
    arguments: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The call as text."""
        return f"{self.tool} {json.dumps(dict(self.arguments), sort_keys=True)}"


@dataclass(frozen=True)
class Errand:
    """One action that the request asks for, and what it names instead, in order."""

    call: Call
    instead: tuple[Call | None, ...] = ()
    """``None`` stands for leaving the action out."""
    as_many: bool = False
    """Whether a smaller quantity will do."""


@lru_cache(maxsize=64)
def tools_of(schema: str) -> tuple[ToolSpec, ...]:
    """The tools among which a record's schema lets choose; none where it is no such record."""
    try:
        parsed = json.loads(schema)
    except json.JSONDecodeError:
        return ()
    for part in parsed.get("properties", {}).values():
        options = part.get("oneOf") or part.get("anyOf") or ()
        known = [parsed.get("$defs", {}).get(option.get("$ref", "").rsplit("/", 1)[-1], {}) for option in options]
        specs = [_tool(option) for option in known]
        found = tuple(spec for spec in specs if spec is not None)
        if len(found) == len(options) > 1 and any(spec.ends for spec in found):
            return found
    return ()


def _tool(schema: Mapping[str, Any]) -> ToolSpec | None:
    fields = dict(schema.get("properties", {}))
    name = fields.pop("tool", {}).get("const")
    return ToolSpec(name, schema.get("description", ""), fields) if name else None


@lru_cache(maxsize=256)
def _preferences(instruction: str, tools: tuple[ToolSpec, ...]) -> Preferences:
    human, _ = parse(instruction)
    return preferences(human, tools)


@dataclass(frozen=True)
class Worker:
    """Decides on the next call of one session.

    Args:
        tools: What it may call.
        reading: The prompt: instruction, demos, the request and the session so far.
        curiosity: Chance of a lookup that nobody asked for.
    """

    tools: tuple[ToolSpec, ...]
    reading: Reading
    curiosity: float = 0.1

    @property
    def request(self) -> str:
        """The inputs without the session so far."""
        return "\n".join(text for name, text in self.reading.inputs if not _SO_FAR.search(name))

    def step(self) -> dict[str, Any]:
        """The record to answer with: situation, plan, whether it is over, and the call."""
        made = self.history()
        call, waiting = self.next_call(made)
        spec = next(tool for tool in self.tools if tool.name == call.tool)
        return {
            "situation": f"{len(made)} calls made, {len(waiting)} actions left",
            "remaining_steps": [*dict.fromkeys(errand.call.tool for errand in waiting)][:5],
            "task_completed": spec.ends,
            "call": {"tool": call.tool, **call.arguments},
        }

    def history(self) -> dict[str, Mapping[str, Any]]:
        """Every call of the session so far, with what came of it."""
        found = {}
        for _, text in self.reading.inputs:
            for name, arguments, result in _LINE.findall(text):
                try:
                    found[Call(name, json.loads(arguments)).key] = json.loads(result)
                except json.JSONDecodeError:
                    continue
        return found

    def next_call(self, made: Mapping[str, Mapping[str, Any]]) -> tuple[Call, list[Errand]]:
        """What to call next, and the errands that are not done yet."""
        errands = errands_of(self.request, self.tools)
        wishes = self.wishes()
        for place, errand in enumerate(errands):
            if errand.call.tool in wishes.shunned or self.chance("slip", errand.call.key) < SLIP:
                continue
            call = self._towards(errand, made, wishes)
            if call is not None:
                return call, errands[place:]
            if self._given_up(errand, made):
                return self.report("refused"), errands[place:]
        return self.report("done" if errands else "refused"), []

    def _options(self, errand: Errand, made: Mapping[str, Mapping[str, Any]]) -> Iterator[Call]:
        """The calls that would do an errand, the one asked for first, until one of them has been made."""
        for option in (errand.call, *errand.instead):
            if option is None:
                return
            yield option
            smaller = self._as_many(option, made) if errand.as_many else None
            if smaller is not None:
                yield smaller

    def _towards(self, errand: Errand, made: Mapping[str, Mapping[str, Any]], wishes: Preferences) -> Call | None:
        """The next call of an errand; None when it is done or nothing is left to try."""
        for option in self._options(errand, made):
            came = made.get(option.key)
            if came is not None and "error" not in came:
                return None
            if came is not None:
                continue
            for lookup in self.lookups_before(option, wishes):
                if lookup.key not in made:
                    return lookup
            if not self._spoken_against(option, made, wishes):
                return option
        return None

    def _given_up(self, errand: Errand, made: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether an errand that has no next call ended undone, and not because it may be left out."""
        options = [*self._options(errand, made)]
        if any(option.key in made and "error" not in made[option.key] for option in options):
            return False
        return None not in errand.instead

    def lookups_before(self, action: Call, wishes: Preferences) -> list[Call]:
        """The lookups that this session makes before an action: those about what the action is about, as it likes."""
        found = []
        for tool in self.tools:
            if not tool.looks or not set(tool.arguments) & set(action.arguments):
                continue
            arguments = {name: _argument(name, schema, action) for name, schema in tool.arguments.items()}
            if None not in arguments.values() and self.chance("look", tool.name) < self._liking(tool.name, wishes):
                found.append(Call(tool.name, arguments))
        return found

    def _liking(self, name: str, wishes: Preferences) -> float:
        wish = wishes.lookups.get(name, 0.0)
        return self.curiosity + wish * (ASKED - self.curiosity if wish > 0 else self.curiosity - FORBIDDEN)

    def wishes(self) -> Preferences:
        """What the instruction asks for; of lookups that it is silent on, those that the demos show."""
        told = _preferences(self.reading.frame.instruction, self.tools)
        shown = {
            tool.name: 1.0
            for tool in self.tools
            for _, outputs in self.reading.demos
            for _, text in outputs
            if tool.looks and f'"{tool.name}"' in text
        }
        return replace(told, lookups={**shown, **told.lookups})

    def _spoken_against(self, action: Call, made: Mapping[str, Mapping[str, Any]], wishes: Preferences) -> bool:
        if wishes.never_refuse:
            return False
        return any(_refuses(made[look.key], action, self.tools) for look in self._looked_up(action, made))

    def _looked_up(self, action: Call, made: Mapping[str, Mapping[str, Any]]) -> Iterator[Call]:
        for tool in self.tools:
            if tool.looks and set(tool.arguments) & set(action.arguments):
                call = Call(tool.name, {n: _argument(n, schema, action) for n, schema in tool.arguments.items()})
                if call.key in made:
                    yield call

    def _as_many(self, action: Call, made: Mapping[str, Mapping[str, Any]]) -> Call | None:
        """The same action with the quantity that there is."""
        for look in self._looked_up(action, made):
            for name, value in made[look.key].items():
                if _is_amount_left(name, value) and value > 0:
                    amounts = {n: min(v, value) if _is_number(v) else v for n, v in action.arguments.items()}
                    return Call(action.tool, amounts)
        return None

    def report(self, outcome: str) -> Call:
        """The call that ends the session."""
        spec = next(tool for tool in self.tools if tool.ends)
        values: dict[str, Any] = {}
        for name, schema in spec.arguments.items():
            said = outcome if outcome in _allowed(schema) else _plain(schema)
            values[name] = said if said != "" else f"The task is {outcome}."
        return Call(spec.name, values)

    def chance(self, *about: str) -> float:
        """A number in [0, 1) that is the same throughout a session."""
        text = "\0".join((self.reading.frame.instruction, self.request, str(self.reading.seed), *about))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56


def _allowed(schema: Mapping[str, Any]) -> Sequence[Any]:
    return schema.get("enum", ())


def _plain(schema: Mapping[str, Any]) -> Any:
    """A value of a field that nothing is known about."""
    if _allowed(schema):
        return _allowed(schema)[0]
    return {"integer": 1, "number": 1.0, "boolean": False, "array": [], "object": {}}.get(str(schema.get("type")), "")


def _argument(name: str, schema: Mapping[str, Any], action: Call) -> Any:
    """What a lookup before an action is asked with: the action's own argument, or the word that names the action."""
    if name in action.arguments:
        return action.arguments[name]
    about = set(map(root, action.tool.split("_")))
    return next((value for value in _allowed(schema) if root(str(value)) in about), None)


def _refuses(result: Mapping[str, Any], action: Call, tools: Sequence[ToolSpec]) -> bool:
    """Whether a lookup's result speaks against an action: an error, a plain no, or less than is wanted.

    A no that names actions (``can_be_cancelled``) speaks against those alone.
    """
    if "error" in result:
        return True
    named = {word for tool in tools if not tool.looks for word in tool.named}
    about = set(map(root, action.tool.split("_")))
    wanted = [value for value in action.arguments.values() if _is_number(value)]
    for name, value in result.items():
        words = {root(word) for word in name.split("_")} & named
        if value is False and (not words or words & about):
            return True
        if _is_amount_left(name, value) and any(value < amount for amount in wanted):
            return True
    return False


def _is_amount_left(name: str, value: Any) -> bool:
    return _is_number(value) and bool({root(word) for word in name.split("_")} & _LEFT)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def errands_of(request: str, tools: Sequence[ToolSpec]) -> list[Errand]:
    """The actions that a request asks for, in the order of the tools, each with its arguments."""
    asked, instead = _parts(request)
    errands: list[Errand] = []
    acting = [tool for tool in tools if not tool.looks and not tool.ends]
    own = {tool.name: set(tool.named).difference(*(t.named for t in acting if t is not tool)) for tool in acting}
    for tool in acting:
        coded = {name: str(s["pattern"]) for name, s in tool.arguments.items() if "pattern" in s}
        if not coded:
            continue
        name, pattern = next(iter(coded.items()))
        alone = sum(pattern in map(_pattern, other.arguments.values()) for other in acting) == 1
        for number, clause in asked:
            if alone or own[tool.name] & roots(clause):
                for code, amount in _codes(clause, pattern):
                    others = tuple(
                        Call(tool.name, _arguments(tool, name, other, more or amount))
                        for place, part in instead
                        if place >= number and (alone or not _named_elsewhere(part, tool, acting))
                        for other, more in _codes(part, pattern)
                        if other != code
                    )
                    out = (None,) if _LEAVE_OUT.search(" ".join(part for _, part in instead)) and alone else ()
                    as_many = any(_AS_MANY.search(part) for _, part in instead)
                    errands.append(Errand(Call(tool.name, _arguments(tool, name, code, amount)), others + out, as_many))
    about = frozenset[str]().union(*(tool.roots for tool in acting if tool.name in {e.call.tool for e in errands}))
    errands += [
        Errand(Call(tool.name, {})) for tool in acting if not tool.arguments and tool.roots & about - {root("order")}
    ]
    errands = list({errand.call.key: errand for errand in errands}.values())
    return sorted(errands, key=lambda errand: [tool.name for tool in acting].index(errand.call.tool))


def _named_elsewhere(part: str, tool: ToolSpec, acting: Sequence[ToolSpec]) -> bool:
    """Whether a part names another action, and not this one."""
    said = roots(part)
    others = {word for other in acting if other is not tool for word in other.named} - set(tool.named)
    return bool(said & others) and not said & set(tool.named)


def _pattern(schema: Mapping[str, Any]) -> Any:
    return schema.get("pattern")


def _parts(request: str) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """The sentences that ask and the parts that say what to do instead, each with its number."""
    asked, instead = [], []
    for number, sentence in enumerate(re.split(r"(?<=[.!?])\s+", request)):
        mark = _INSTEAD.search(sentence)
        head = sentence if mark is None else sentence[: mark.start()]
        if head.strip():
            asked.append((number, head))
        if mark is not None:
            instead.append((number, sentence[mark.start() :]))
    return asked, instead


def _codes(text: str, pattern: str) -> list[tuple[str, int | None]]:
    """The codes of a pattern in a text, each once, with the number that stands before it."""
    inner = pattern.removeprefix("^").removesuffix("$")
    found: dict[str, int | None] = {}
    end = 0
    for match in re.finditer(rf"(?<![\w#-]){inner}(?![\w-])", text):
        before = re.findall(r"(?<![\w#-])\d+(?![\w-])|[A-Za-z]+", text[end : match.start()])
        numbers = [
            int(w) if w.isdigit() else _NUMBERED[w.casefold()]
            for w in before
            if w.isdigit() or w.casefold() in _NUMBERED
        ]
        found.setdefault(match.group(), numbers[-1] if numbers else None)
        end = match.end()
    return [*found.items()]


def _arguments(tool: ToolSpec, name: str, code: str, amount: int | None) -> dict[str, Any]:
    """The arguments of a tool: its code, and the amount where it takes one."""
    values: dict[str, Any] = {}
    for field, schema in tool.arguments.items():
        if field == name:
            values[field] = code
        else:
            values[field] = amount if amount and schema.get("type") == "integer" else _plain(schema)
    return values
