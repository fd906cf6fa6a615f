"""Worlds in which a search for prompts can be judged: scores and reflections cost nothing, and the truth is known.

A world is drawn from a seed. Rows are scored with luck and noise, a reflection writes a new text from the rows that it
is shown, and the true quality of every text has a closed form. Everything is a pure function of its arguments and the
world's seed, so that a search can be replayed and continued.

| world | what is to be found | what makes it hard |
|---|---|---|
| rule | 12 hidden rules; a row needs one or two of them | nothing hurts: accepting every proposal finds them all |
| rule-real | the same | reflections garble and forget; more than 14 lines cost 2 points each |
| smooth | small gains on topics, graded scores | proposals harm a little on average |
| misled | as rule-real | the feedback on 30 % of the rows names a rule that no row needs |
| pair | 6 rules in each of two predictors | 40 % of the rows need one in each; a rule in the wrong place does nothing |
| null, null-c, smooth-null | nothing: all texts are equal | in null-c half of a row's luck is the same for every text |
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

TRAIN, DEV = 100, 50
START = "Answer the question."
Texts = Mapping[str, str]
"""Predictor -> its text."""
Shown = Sequence[tuple[str, float, str]]
"""What a reflection sees: row, score, feedback."""


class World(Protocol):
    """What a search may ask (rows, ``score``, ``propose``), and what only the benchmark may (the truth)."""

    name: str
    seed: int
    noise: float
    train: tuple[str, ...]
    dev: tuple[str, ...]
    seed_texts: Texts
    target: float
    """The true quality that counts as reached; infinite where nothing can be gained."""

    def score(self, texts: Texts, row: str) -> tuple[float, str]:
        """The score of a row in [0, 1] and the feedback on it."""
        ...

    def propose(self, texts: Texts, predictor: str, shown: Shown, nonce: int) -> str:
        """One reflection: a new text for the predictor. Another ``nonce`` is another try."""
        ...

    def truth(self, texts: Texts) -> float:
        """The mean quality without noise over all rows that could have been drawn."""
        ...

    def expected(self, texts: Texts) -> float:
        """The mean score, noise included, over all rows that could have been drawn."""
        ...


@dataclass
class _Known:
    """What was worked out about a set of texts: scores by place of the row; which rules it has."""

    scores: list[float]
    have: int = 0


@dataclass
class _Rows:
    """The rows of a world, and what is known of the texts that were asked about."""

    train: tuple[str, ...]
    dev: tuple[str, ...]
    place: dict[str, int]
    known: dict[tuple[str, ...], _Known] = field(default_factory=dict)
    truths: dict[tuple[str, ...], tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, train: int, dev: int) -> _Rows:
        rows = tuple(f"train-{n}" for n in range(train)), tuple(f"dev-{n}" for n in range(dev))
        return cls(*rows, {row: place for place, row in enumerate(itertools.chain(*rows))})


def _chance(count: int, *key: object) -> NDArray[np.float64]:
    """So many numbers in [0, 1) that the key alone decides."""
    drawn = hashlib.shake_128(repr(key).encode()).digest(8 * count)
    return (np.frombuffer(drawn, "<u8") >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _normal(count: int, *key: object) -> NDArray[np.float64]:
    return special.ndtri(_chance(count, *key) + 2.0**-54)


def _dice(*key: object) -> random.Random:
    return random.Random(hashlib.blake2b(repr(key).encode(), digest_size=8).digest())


@dataclass(frozen=True)
class Rules:
    """What is hidden, and how well it is found. Sets of rules are bit masks."""

    needs: Mapping[int, float]
    """The rules that a row needs, all of them -> share of such rows."""
    homes: Mapping[str, int]
    """Predictor -> the rules that work in it; one that stands elsewhere does nothing."""
    careless: bool = False
    """Whether reflections fail to mend 30 % of what they see, and drop or garble a line 20 % of the time."""
    room: float = math.inf
    """Lines that a text may have after its first; each one more costs two points."""
    misled: float = 0.0
    """Share of rows whose feedback names a rule that nothing needs."""


RULES, FLOOR, CROWDING, MOST_CROWDING = 12, 0.2, 0.02, 0.5


def _one_or_two() -> dict[int, float]:
    """Two thirds of the rows need one rule, a third needs two."""
    singles = {1 << rule: 2 / 3 / RULES for rule in range(RULES)}
    pairs = list(itertools.combinations(range(RULES), 2))
    return singles | {1 << first | 1 << second: 1 / 3 / len(pairs) for first, second in pairs}


def _one_in_each() -> dict[int, float]:
    """30 % of the rows need a rule of the first six, 30 % one of the others, 40 % one of each."""
    half = RULES // 2
    singles = {1 << rule: 0.6 / RULES for rule in range(RULES)}
    pairs = itertools.product(range(half), range(half, RULES))
    return singles | {1 << first | 1 << second: 0.4 / half**2 for first, second in pairs}


LINE = re.compile(r"^RULE (\d+)$", re.MULTILINE)
NAMED = re.compile(r"missing RULE (\d+)")


class RuleWorld:
    """Right or wrong: a row is right if its rules stand where they work, or by luck (20 % of the rows, always).

    Crowding then turns a right answer into a wrong one, and noise turns any answer around. Both depend on text and row.
    """

    target = 0.90

    def __init__(self, name: str, seed: int, noise: float, rules: Rules, train: int = TRAIN, dev: int = DEV) -> None:
        self.name, self.seed, self.noise, self.rules = name, seed, noise, rules
        self._rows = _Rows.of(train, dev)
        self.train, self.dev = self._rows.train, self._rows.dev
        self.seed_texts: Texts = dict.fromkeys(rules.homes, START)
        dice, count = _dice("rules", seed), train + dev
        self._need = np.array(dice.choices(list(rules.needs), list(rules.needs.values()), k=count))
        self._lucky = _chance(count, "lucky", seed) < FLOOR
        wrong = np.flatnonzero(_chance(count, "misled", seed) < rules.misled)
        self._wrong = {int(place): dice.randrange(RULES, 2 * RULES) for place in wrong}
        self._needs = np.array(list(rules.needs)), np.array(list(rules.needs.values()))

    def score(self, texts: Texts, row: str) -> tuple[float, str]:
        """1 or 0; the feedback on a wrong answer names one rule that is missing, and not where it belongs."""
        known, place = self._know(texts), self._rows.place[row]
        score = known.scores[place]
        if score:
            return score, "ok"
        need = int(self._need[place])
        missing = need & ~known.have or need
        rule = self._wrong.get(place, (missing & -missing).bit_length() - 1)
        return score, f"missing RULE {rule}"

    def propose(self, texts: Texts, predictor: str, shown: Shown, nonce: int) -> str:
        """The rules that feedback names are added; where there is none, a note."""
        text = texts[predictor]
        named = [int(rule) for _, _, feedback in shown for rule in NAMED.findall(feedback)]
        if not self.rules.careless:
            return f"{text}\nRULE {named[0]}" if named else f"{text}\n# note {nonce}"
        key = tuple(texts[name] for name in self.rules.homes)
        dice = _dice("reflection", self.seed, key, predictor, [row for row, _, _ in shown], nonce)
        lines = text.split("\n")
        added = [f"RULE {rule}" for rule in dict.fromkeys(named) if dice.random() < 0.7][:3]
        if dice.random() < 0.2 and len(lines) > 1:
            place = dice.randrange(1, len(lines))
            lines[place : place + 1] = [] if dice.random() < 0.5 else [lines[place] + "?"]
        return "\n".join(lines + (added or [f"# note {nonce}"]))

    def truth(self, texts: Texts) -> float:
        """Share of all rows that are right."""
        return self._truths(texts)[0]

    def expected(self, texts: Texts) -> float:
        """Share of all rows that are scored as right."""
        return self._truths(texts)[1]

    def _truths(self, texts: Texts) -> tuple[float, float]:
        key = tuple([texts[name] for name in self.rules.homes])
        known = self._rows.truths.get(key)
        if known is None:
            masks, shares = self._needs
            covered = float(shares[(masks & ~self._have(key)) == 0].sum())
            truth = (covered + (1 - covered) * FLOOR) * (1 - self._crowding(key))
            known = self._rows.truths[key] = truth, truth * (1 - self.noise) + (1 - truth) * self.noise
        return known

    def _know(self, texts: Texts) -> _Known:
        key = tuple([texts[name] for name in self.rules.homes])
        known = self._rows.known.get(key)
        if known is None:
            known = self._rows.known[key] = self._work_out(key)
        return known

    def _work_out(self, key: tuple[str, ...]) -> _Known:
        have, crowding, count = self._have(key), self._crowding(key), len(self._need)
        luck = _chance(2 * count, "luck", self.seed, key)
        right = ((self._need & ~have) == 0) | self._lucky
        if crowding:
            right &= luck[:count] >= crowding
        if self.noise:
            right ^= luck[count:] < self.noise
        return _Known(right.astype(float).tolist(), have)

    def _have(self, key: tuple[str, ...]) -> int:
        have = 0
        for text, works in zip(key, self.rules.homes.values(), strict=True):
            for rule in LINE.findall(text):
                have |= 1 << int(rule) & works
        return have

    def _crowding(self, key: Sequence[str]) -> float:
        too_many = sum(max(0, text.count("\n") - self.rules.room) for text in key)
        return min(MOST_CROWDING, CROWDING * too_many)


class NullWorld:
    """Every text is right on 70 % of the rows by luck; ``shared`` of a row's luck is the same for all texts."""

    target = math.inf
    rate = 0.7

    def __init__(self, name: str, seed: int, noise: float, shared: float, train: int = TRAIN, dev: int = DEV) -> None:
        self.name, self.seed, self.noise, self.shared = name, seed, noise, shared
        self._rows = _Rows.of(train, dev)
        self.train, self.dev = self._rows.train, self._rows.dev
        self.seed_texts: Texts = {"main": START}
        self._luck = _chance(train + dev, "shared", seed)

    def score(self, texts: Texts, row: str) -> tuple[float, str]:
        """1 or 0; the feedback says nothing."""
        key = (texts["main"],)
        known = self._rows.known.get(key)
        if known is None:
            own, mixed = _chance(2 * len(self._luck), "luck", self.seed, key).reshape(2, -1)
            right = np.where(mixed < self.shared, self._luck, own) < self.rate
            known = self._rows.known[key] = _Known(right.astype(float).tolist())
        return known.scores[self._rows.place[row]], "luck"

    def propose(self, texts: Texts, predictor: str, shown: Shown, nonce: int) -> str:
        """A note more."""
        return f"{texts[predictor]}\n# note {nonce}"

    def truth(self, texts: Texts) -> float:
        """The same for every text."""
        return self.rate

    expected = truth


TOPICS, ROW_SD, LUCK_SD, FIT_LINES, LINE_COST = 8, 0.12, 0.1, 10, 0.005
COMMON, COMMON_SD, OWN_SD, SEEN = -0.02, 0.05, 0.08, 0.04
EDIT = re.compile(r"^EDIT ([0-9a-f]{10}) topics ([\d ]*)$")


class SmoothWorld:
    """Graded: a text has a quality on each of eight topics, and each line of it moves them.

    A line's effect is normal: -2 points on average and 5 points of spread common to all topics, 8 points of spread for
    each topic, and 4 points more on the topics that the reflection saw go wrong. A line counts once however often it
    stands there; what is above .7 saturates towards .97; lines beyond the tenth cost half a point each.
    """

    def __init__(
        self, name: str, seed: int, noise: float, flat: bool = False, train: int = TRAIN, dev: int = DEV
    ) -> None:
        self.name, self.seed, self.noise, self.flat = name, seed, noise, flat
        self._rows = _Rows.of(train, dev)
        self.train, self.dev = self._rows.train, self._rows.dev
        self.seed_texts: Texts = {"main": START}
        dice, count = np.random.default_rng([seed, 811]), train + dev
        self._start = dice.normal(0.55, 0.10, TOPICS)
        self._topic = dice.integers(0, TOPICS, count)
        self._ease = dice.normal(0, ROW_SD, count)
        self._said = [f"weak on topic {topic}" for topic in self._topic]
        self._effects: dict[str, NDArray[np.float64] | float] = {}
        self.target = math.inf if flat else self.truth(self.seed_texts) + 0.1

    def score(self, texts: Texts, row: str) -> tuple[float, str]:
        """A number in [0, 1]; the feedback on .8 and less names the topic."""
        place = self._rows.place[row]
        score = self._know(texts).scores[place]
        return score, "ok" if score > 0.8 else self._said[place]

    def propose(self, texts: Texts, predictor: str, shown: Shown, nonce: int) -> str:
        """A line more, with an effect that text, rows and nonce decide."""
        text, rows = texts[predictor], sorted(row for row, _, _ in shown)
        drawn = hashlib.blake2b(repr((self.seed, text, rows, nonce)).encode(), digest_size=5).hexdigest()
        topics = sorted({int(self._topic[self._rows.place[row]]) for row, score, _ in shown if score < 0.8})
        return f"{text}\nEDIT {drawn} topics {' '.join(map(str, topics))}"

    def truth(self, texts: Texts) -> float:
        """Mean score without noise."""
        return self._truths(texts)[0]

    def expected(self, texts: Texts) -> float:
        """Mean score with noise: a little nearer to .5, because scores end at 0 and 1."""
        return self._truths(texts)[1]

    def _truths(self, texts: Texts) -> tuple[float, float]:
        key = (texts["main"],)
        known = self._rows.truths.get(key)
        if known is None:
            quality = self._quality(key[0])
            truth, expected = (_clipped_mean(quality, math.hypot(ROW_SD, LUCK_SD, sd)) for sd in (0.0, self.noise))
            known = self._rows.truths[key] = truth, expected
        return known

    def _know(self, texts: Texts) -> _Known:
        key = (texts["main"],)
        known = self._rows.known.get(key)
        if known is None:
            quality = self._quality(texts["main"])
            luck = _normal(len(self._topic), "luck", self.seed, key)
            spread = math.hypot(LUCK_SD, self.noise)
            scores = np.minimum(np.maximum(quality[self._topic] + self._ease + spread * luck, 0), 1)
            known = self._rows.known[key] = _Known(scores.tolist())
        return known

    def _quality(self, text: str) -> NDArray[np.float64]:
        if self.flat:
            return self._start
        lines = text.split("\n")[1:]
        effects = sum(map(self._effect, dict.fromkeys(lines)), np.zeros(TOPICS))
        plain = self._start + effects - LINE_COST * max(0, len(lines) - FIT_LINES)
        return np.where(plain < 0.7, plain, 0.7 + 0.27 * np.tanh((plain - 0.7) / 0.27))

    def _effect(self, line: str) -> NDArray[np.float64] | float:
        effect = self._effects.get(line)
        if effect is None:
            edit, effect = EDIT.match(line), 0.0
            if edit is not None:
                drawn = _normal(1 + TOPICS, "edit", self.seed, edit[1])
                effect = COMMON + COMMON_SD * drawn[0] + OWN_SD * drawn[1:]
                effect[[int(topic) for topic in edit[2].split()]] += SEEN
            self._effects[line] = effect
        return effect


def _clipped_mean(means: NDArray[np.float64], sd: float) -> float:
    """Mean over the topics of a normal variable that is cut off at 0 and 1.

    ``E max(X - a, 0) = sd G((m - a) / sd)`` with ``G(z) = z Phi(z) + phi(z)``; the cut at 1 takes away the same at 1.
    """

    def above(z: NDArray[np.float64]) -> NDArray[np.float64]:
        return z * special.ndtr(z) + np.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    return float((sd * (above(means / sd) - above((means - 1) / sd))).mean())


_PLAIN = Rules(_one_or_two(), {"main": (1 << RULES) - 1})
_REAL = replace(_PLAIN, careless=True, room=14)
_HALF = (1 << RULES // 2) - 1
_PAIR = Rules(_one_in_each(), {"first": _HALF, "second": _HALF << RULES // 2}, careless=True, room=8)
MAKERS: Mapping[str, Callable[[str, int, float], World]] = {
    "rule": partial(RuleWorld, rules=_PLAIN),
    "rule-real": partial(RuleWorld, rules=_REAL),
    "smooth": SmoothWorld,
    "misled": partial(RuleWorld, rules=replace(_REAL, misled=0.3)),
    "pair": partial(RuleWorld, rules=_PAIR),
    "null": partial(NullWorld, shared=0.0),
    "null-c": partial(NullWorld, shared=0.5),
    "smooth-null": partial(SmoothWorld, flat=True),
}
NULLS = ("null", "null-c", "smooth-null")


def world(name: str, seed: int, noise: float = 0.0) -> World:
    """The world of that name and seed. ``noise``: share of scores turned around, or sd of graded ones.

    Raises:
        ValueError: If there is no world of that name.
    """
    if name not in MAKERS:
        raise ValueError(f"world: received {name!r}, there are {', '.join(MAKERS)}")
    return MAKERS[name](name, seed, noise)
