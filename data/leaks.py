"""Rows that are the same, or nearly the same, on both sides of a split."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.corpus import Row

SHINGLE = 5
NEAR = 0.8
COMMON = 200
"""A shingle that more rows than this share is boilerplate and proposes no pairs."""

_WORD = re.compile(r"\w+", re.UNICODE)


def normalised(inputs: Mapping[str, Any]) -> str:
    """A row's inputs without case, punctuation and white space; equal texts are exact duplicates."""
    return " ".join(_WORD.findall(_flat(inputs).casefold()))


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


def find_duplicates(rows: Sequence[Row]) -> Clusters:
    """Find exact duplicates by normalised input, and near ones by Jaccard similarity of word 5-grams of at least 0.8.

    A near cluster holds rows that are connected by near pairs, exact duplicates included.
    """
    by_text: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_text[normalised(row.inputs)].append(row.id)
    exact = tuple(tuple(ids) for ids in by_text.values() if len(ids) > 1)
    first = {ids[0]: text for text, ids in by_text.items()}
    shingles = {row_id: _shingles(text) for row_id, text in first.items()}
    pairs = [
        (a, b)
        for a, b in _candidates(shingles)
        if len(shingles[a] & shingles[b]) >= NEAR * len(shingles[a] | shingles[b])
    ]
    return Clusters(exact, tuple(tuple(sorted(group)) for group in _connected([*exact, *pairs])))


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    tokens = text.split()
    if len(tokens) < SHINGLE:
        return frozenset({tuple(tokens)})
    return frozenset(tuple(tokens[i : i + SHINGLE]) for i in range(len(tokens) - SHINGLE + 1))


def _candidates(shingles: Mapping[str, frozenset[tuple[str, ...]]]) -> set[tuple[str, str]]:
    """Pairs that share a rare shingle and are of similar size; every near pair is among them.

    A pair with Jaccard similarity s shares at least s of the larger set, so that it must share one of the first
    (1 - s) * size + 1 shingles in any fixed order (prefix filtering, Chaudhuri et al., 2006). Ordered by rarity.
    """
    frequency: dict[tuple[str, ...], int] = defaultdict(int)
    for found in shingles.values():
        for shingle in found:
            frequency[shingle] += 1
    holders: dict[tuple[str, ...], list[str]] = defaultdict(list)
    pairs: set[tuple[str, str]] = set()
    for row_id, found in shingles.items():
        prefix = sorted(found, key=lambda s: (frequency[s], s))[: int((1 - NEAR) * len(found)) + 1]
        for shingle in prefix:
            if frequency[shingle] > COMMON:
                continue
            for other in holders[shingle]:
                smaller, larger = sorted((len(found), len(shingles[other])))
                if smaller >= NEAR * larger:
                    pairs.add((other, row_id))
            holders[shingle].append(row_id)
    return pairs


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
