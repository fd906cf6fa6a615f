"""Comparators: how one produced value agrees with one gold value, as a score in [0, 1].

Conventions shared by all of them: values are compared as canonical JSON (keys sorted; ``1`` equals ``1.0``; ``True``
never equals ``1``; ``"1"`` never equals ``1``); a field that is absent on both sides agrees; null is not absent.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol, Self

from core.catalog import Catalog
from core.plain import canonical
from metrics.matching import best_matching


class _Absent:
    """The type of :data:`ABSENT`."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()
"""Stands for a field that is not there at all; different from null."""


class Comparator(Protocol):
    """Agreement of one value with gold.

    A member of the catalog is a class with a ``name``, a ``summary`` and ``of``, which makes it from what a task file
    says about the field.
    """

    def compare(self, gold: Any, produced: Any) -> float:
        """Return the agreement in [0, 1]; either side may be :data:`ABSENT`."""
        ...


class _Plain:
    """A comparator without settings."""

    @classmethod
    def of(cls, spec: Any) -> Self:
        """Make it; the field's other keys do not matter."""
        return cls()


def _same(gold: Any, produced: Any) -> bool:
    if gold is ABSENT or produced is ABSENT:
        return gold is produced
    return canonical(gold) == canonical(produced)


class Exact(_Plain):
    """1 when both are the same JSON value, else 0."""

    name: ClassVar[str] = "exact"
    summary: ClassVar[str] = "the same JSON value"

    def compare(self, gold: Any, produced: Any) -> float:
        """Return 1.0 or 0.0."""
        return float(_same(gold, produced))


class Categorical(Exact):
    """The same for labels; they also make a confusion table."""

    name: ClassVar[str] = "categorical"
    summary: ClassVar[str] = "the same label"


class Boolean(Exact):
    """The same for truth values; the text ``"true"`` is not one."""

    name: ClassVar[str] = "boolean"
    summary: ClassVar[str] = "the same truth value"


@dataclass(frozen=True)
class Number:
    """1 when the numbers differ by at most ``tolerance`` (absolute) or ``relative`` times the gold, else 0."""

    tolerance: float = 0.0
    relative: float = 0.0
    name: ClassVar[str] = "number"
    summary: ClassVar[str] = "equal within a tolerance"

    @classmethod
    def of(cls, spec: Any) -> Self:
        """With the field's ``tolerance``, where it has one."""
        return cls(tolerance=getattr(spec, "tolerance", None) or 0.0)

    def compare(self, gold: Any, produced: Any) -> float:
        """Return 1.0 or 0.0; anything but two finite numbers falls back on equality."""
        if not (_is_number(gold) and _is_number(produced)):
            return float(_same(gold, produced))
        allowed = max(self.tolerance, self.relative * abs(gold))
        return float(abs(gold - produced) <= allowed + 1e-12 * max(1.0, abs(gold)))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Date(_Plain):
    """1 when both texts name the same calendar day, in ISO form or a plain variant of it."""

    name: ClassVar[str] = "date"
    summary: ClassVar[str] = "the same calendar day"

    def compare(self, gold: Any, produced: Any) -> float:
        """Return 1.0 or 0.0; texts that are no dates fall back on equality."""
        left, right = _day(gold), _day(produced)
        if left is None or right is None:
            return float(_same(gold, produced))
        return float(left == right)


_DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y")


def _day(value: Any) -> dt.date | None:
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        return dt.datetime.fromisoformat(text).date()
    except ValueError:
        pass
    for form in _DATE_FORMATS:
        try:
            return dt.datetime.strptime(text, form).date()  # noqa: DTZ007 - a calendar day has no zone
        except ValueError:
            continue
    return None


def _elements(value: Any) -> set[str]:
    """The set of an array's canonical elements; a scalar is an array of one, null and absent are empty."""
    if value is ABSENT or value is None:
        return set()
    if isinstance(value, (list, tuple, set, frozenset)):
        return {canonical(v) for v in value}
    return {canonical(value)}


@dataclass(frozen=True)
class SetJaccard(_Plain):
    """Size of the intersection over size of the union; order and duplicates do not count; two empty sets agree."""

    name: ClassVar[str] = "set_jaccard"
    summary: ClassVar[str] = "shared elements over all elements"

    def compare(self, gold: Any, produced: Any) -> float:
        """Return the Jaccard index."""
        left, right = _elements(gold), _elements(produced)
        return len(left & right) / len(left | right) if left | right else 1.0


@dataclass(frozen=True)
class SetF1(_Plain):
    """Harmonic mean of precision and recall over the elements; two empty sets agree."""

    name: ClassVar[str] = "set_f1"
    summary: ClassVar[str] = "harmonic mean of precision and recall over elements"

    def compare(self, gold: Any, produced: Any) -> float:
        """Return the F1 score."""
        left, right = _elements(gold), _elements(produced)
        if not left and not right:
            return 1.0
        return 2 * len(left & right) / (len(left) + len(right))


_WORD = re.compile(r"\w+", re.UNICODE)


def words(text: str) -> list[str]:
    """Lower-case words of a text."""
    return _WORD.findall(text.casefold())


@dataclass(frozen=True)
class Text(_Plain):
    """Token F1: harmonic mean of precision and recall over the bag of lower-case words (as in SQuAD).

    Reference: Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text", 2016, section 6.1.
    """

    name: ClassVar[str] = "text"
    summary: ClassVar[str] = "harmonic mean of precision and recall over words"

    def compare(self, gold: Any, produced: Any) -> float:
        """Return the token F1; two texts without a word agree."""
        if not (isinstance(gold, str) and isinstance(produced, str)):
            return float(_same(gold, produced))
        left, right = Counter(words(gold)), Counter(words(produced))
        if not left and not right:
            return 1.0
        shared = sum((left & right).values())
        return 2 * shared / (sum(left.values()) + sum(right.values()))


@dataclass(frozen=True)
class Records:
    """Agreement of two lists of records under the best one-to-one matching.

    A pair scores the weighted mean of its fields; the sum over the optimal assignment is divided by the length of the
    longer list, so that a missing and an invented record cost the same. Two empty lists agree.

    The matching is :func:`metrics.matching.best_matching`.
    """

    fields: Mapping[str, Comparator]
    weights: Mapping[str, float] = field(default_factory=dict)
    name: ClassVar[str] = "records"
    summary: ClassVar[str] = "the best one-to-one matching of two lists of records"

    def __post_init__(self) -> None:
        if not self.fields:
            raise ValueError("records: name at least one field to compare")

    @classmethod
    def of(cls, spec: Any) -> Self:
        """With the comparators and weights of the records' own fields.

        Raises:
            ValueError: If the field names none.
        """
        fields = getattr(spec, "fields", None)
        if not fields:
            raise ValueError("to compare records a field needs 'fields', and type records")
        return cls(
            {name: sub.comparison() for name, sub in fields.items()}, {name: sub.weight for name, sub in fields.items()}
        )

    def pair(self, gold: Any, produced: Any) -> float:
        """Agreement of one record with one record."""
        left = gold if isinstance(gold, Mapping) else {}
        right = produced if isinstance(produced, Mapping) else {}
        total = sum(self.weights.get(name, 1.0) for name in self.fields)
        return (
            sum(
                self.weights.get(name, 1.0) * comparator.compare(left.get(name, ABSENT), right.get(name, ABSENT))
                for name, comparator in self.fields.items()
            )
            / total
        )

    def match(self, gold: Any, produced: Any) -> list[tuple[int, int, float]]:
        """The best matching as (gold index, produced index, score), in gold order."""
        left, right = _records(gold), _records(produced)
        if not left or not right:
            return []
        scores = [[self.pair(g, p) for p in right] for g in left]
        return [(i, j, scores[i][j]) for i, j in best_matching(scores)]

    def compare(self, gold: Any, produced: Any) -> float:
        """Return the matched agreement over the longer list's length."""
        longest = max(len(_records(gold)), len(_records(produced)))
        return sum(score for _, _, score in self.match(gold, produced)) / longest if longest else 1.0


def _records(value: Any) -> Sequence[Any]:
    if value is ABSENT or value is None:
        return []
    return value if isinstance(value, (list, tuple)) else [value]


COMPARATORS: Catalog[Any] = Catalog(
    "comparator", (Exact, Categorical, Boolean, Number, Date, SetJaccard, SetF1, Text, Records)
)
"""The comparators that a task file may name."""
