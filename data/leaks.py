"""Rows that are the same, or nearly the same, on both sides of a split."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.corpus import Row

_WORD = re.compile(r"\w+", re.UNICODE)
_ASCII = {code: char.lower() if _WORD.match(char) else " " for code, char in enumerate(map(chr, range(128)))}


def normalised(inputs: Mapping[str, Any]) -> str:
    """A row's inputs without case, punctuation and white space; equal texts are exact duplicates."""
    text = _flat(inputs)
    if text.isascii():  # the same, ten times as fast
        return " ".join(text.translate(_ASCII).split())
    return " ".join(_WORD.findall(text.casefold()))


def row_fingerprint(row: Row) -> str:
    """Sixteen hex digits over what a row's inputs say; id, gold, case, punctuation and white space do not matter.

    Inputs without a letter or digit are taken as they are, because without punctuation nothing of them is left.
    """
    text = normalised(row.inputs) or _flat(row.inputs).strip()
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(_flat(value[key]) for key in sorted(value))
    if isinstance(value, (list, tuple)):
        return " ".join(_flat(v) for v in value)
    return str(value)


@dataclass(frozen=True)
class Clusters:
    """Groups of row ids that belong together; rows in no group stand alone."""

    exact: tuple[tuple[str, ...], ...]
    near: tuple[tuple[str, ...], ...]


def exact_duplicates(rows: Sequence[Row]) -> tuple[tuple[str, ...], ...]:
    """The ids of rows with the same normalised input, for each input that stands more than once."""
    return tuple(tuple(ids) for ids in _by_text(rows).values() if len(ids) > 1)


def find_duplicates(rows: Sequence[Row]) -> Clusters:
    """Find exact duplicates by normalised input, and near ones by Jaccard similarity of word 5-grams of at least 0.8.

    A near cluster holds rows that are connected by near pairs, exact duplicates included.
    """
    from data.near_duplicates import near_pairs  # numpy, which commands that read no corpus do without

    by_text = _by_text(rows)
    exact = tuple(tuple(ids) for ids in by_text.values() if len(ids) > 1)
    first = [ids[0] for ids in by_text.values()]
    pairs = [(first[a], first[b]) for a, b in near_pairs(list(by_text))]
    return Clusters(exact, tuple(sorted(tuple(sorted(group)) for group in _connected([*exact, *pairs]))))


def _by_text(rows: Sequence[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[normalised(row.inputs)].append(row.id)
    return found


def _connected(groups: Sequence[Sequence[str]]) -> list[set[str]]:
    """Union of overlapping groups."""
    root: dict[str, str] = {}

    def find(item: str) -> str:
        while root.setdefault(item, item) != item:
            root[item] = root[root[item]]
            item = root[item]
        return item

    for group in groups:
        for member in group[1:]:
            root[find(member)] = find(group[0])
    members: dict[str, set[str]] = defaultdict(set)
    for item in list(root):
        members[find(item)].add(item)
    return [group for group in members.values() if len(group) > 1]
