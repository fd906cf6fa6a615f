"""Texts that are nearly the same: word 5-grams compared by Jaccard similarity, among as few pairs as are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

SHINGLE = 5
NEAR = 0.8
COMMON = 200
"""A shingle that more texts than this share is boilerplate and proposes no pairs."""
BATCH = 1_000_000
"""Characters that are hashed together."""
ALIKE = 3
"""Of their rarest shingles, how many two texts must share to be looked at."""
PAIRS = 1_000_000
"""Pairs whose shared shingles are counted together; of texts with many there may be more."""
BLOCK = 20_000
"""Pairs that are looked at together."""
LOOK = 8
"""Shingles that are looked up first."""
BASE = 0xD6E8FEB86659FD93
"""An odd number, so that it has an inverse modulo 2**64."""
ROUNDING = 1e-9
MIX = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]


def near_pairs(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of distinct texts whose 5-grams have a Jaccard similarity of at least 0.8, enough to connect all of them.

    A pair is left out when others connect its texts already, and when everything that it shares is boilerplate. Texts
    with fewer than five words have one shingle, themselves, and so no near neighbour.

    Pairs are proposed by hashes and decided by the words. A pair with similarity s shares at least s of the larger set,
    so that it must share k of the first (1 - s) * size + k shingles in any fixed order, here by rarity (prefix
    filtering, Chaudhuri et al., 2006; with k above 1, Wang et al., 2012). Texts of few words share one by chance, not
    three.
    """
    hashes, owners = _shingles(texts)
    joined = _Joined(len(texts))
    shared = _Shared(hashes, owners, len(texts))
    for block in _proposed(hashes, owners, len(texts)):
        for a, b in shared.near(block):
            if not joined.together(a, b) and _near(texts[a], texts[b]):
                joined.join(a, b)
                yield a, b


def _near(one: str, other: str) -> bool:
    a, b = _words(one), _words(other)
    smaller, larger = sorted((len(a), len(b)))
    return smaller >= NEAR * larger and len(a & b) >= NEAR * len(a | b)


def _words(text: str) -> frozenset[tuple[str, ...]]:
    tokens = text.split()
    return frozenset(tuple(tokens[i : i + SHINGLE]) for i in range(len(tokens) - SHINGLE + 1))


def _shingles(texts: Sequence[str]) -> tuple[Hashes, Indices]:
    """A hash of every distinct shingle of every text, and the text that each belongs to."""
    hashes: list[Hashes] = [np.empty(0, np.uint64)]
    owners: list[Indices] = [np.empty(0, np.int64)]
    for first, batch in _batches(texts):
        words, owner = _word_hashes(batch)
        if len(words) < SHINGLE:
            continue
        owner += first
        inside = owner[: 1 - SHINGLE] == owner[SHINGLE - 1 :]
        found, owner = _rolled(words)[inside], owner[: 1 - SHINGLE][inside]
        own = found ^ (owner.view(np.uint64) * MIX)
        order = np.argsort(own)
        kept = order[np.concatenate([[True], own[order][1:] != own[order][:-1]])] if len(order) else order
        hashes.append(found[kept])
        owners.append(owner[kept])
    return np.concatenate(hashes), np.concatenate(owners)


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """Texts of some :data:`BATCH` characters together, each time with the number of the first."""
    first = size = 0
    for number, text in enumerate(texts):
        if size + len(text) > BATCH and number > first:
            yield first, texts[first:number]
            first, size = number, 0
        size += len(text) + 1
    if first < len(texts):
        yield first, texts[first:]


def _word_hashes(texts: Sequence[str]) -> tuple[Hashes, Indices]:
    """A hash of each word, in their order, and the text that it stands in.

    A word's hash is the polynomial of its bytes, modulo 2**64: one running sum over all texts gives those of all words.
    """
    data = np.frombuffer("\n".join(texts).encode("utf-8", "surrogatepass"), np.uint8)
    ends = np.append(np.flatnonzero((data == 32) | (data == 10)), len(data))
    starts = np.append(0, ends[:-1] + 1)
    starts, ends = starts[ends > starts], ends[ends > starts]
    running = np.append(np.uint64(0), np.cumsum(data.astype(np.uint64) * _powers(BASE, len(data))))
    words = (running[ends] - running[starts]) * _powers(pow(BASE, -1, 2**64), len(data))[starts]
    return words, np.searchsorted(np.flatnonzero(data == 10), starts).astype(np.int64)


def _powers(base: int, count: int) -> Hashes:
    """The first powers, modulo 2**64."""
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.cumprod(factors)


def _rolled(words: Hashes) -> Hashes:
    """One hash for each window of five words, in their order."""
    total = np.zeros(len(words) - SHINGLE + 1, np.uint64)
    for place in range(SHINGLE):
        total = (total ^ (total >> np.uint64(29))) * MIX
        total += words[place : len(words) - SHINGLE + 1 + place]
    return total


def _proposed(hashes: Hashes, owners: Indices, count: int) -> Iterator[Indices]:
    """Pairs of texts that share enough of their rarest shingles, each pair once, at most :data:`BLOCK` together."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    kind = np.empty(len(hashes), np.int64)
    kind[order] = np.cumsum(np.append(False, ordered[1:] != ordered[:-1])[: len(hashes)])
    often = np.bincount(kind)
    del order, ordered
    shared = often[kind] > 1
    sizes = np.bincount(owners, minlength=count)
    kind, owner = kind[shared], owners[shared]
    room = sizes - np.ceil(NEAR * sizes - ROUNDING).astype(np.int64) + ALIKE
    room -= sizes - np.bincount(owner, minlength=count)  # what nobody shares comes first and proposes nothing
    rarest_first = owner * (COMMON + 2)  # by text, then by rarity, then by kind: one number for all three
    rarest_first += np.minimum(often, COMMON + 1)[kind]
    rarest_first *= len(often)
    rarest_first += kind
    del kind, owner, shared  # of a large corpus each is as large as its texts
    rarest_first.sort()
    rest, kind = np.divmod(rarest_first, max(1, len(often)))
    del rarest_first
    owner, often = np.divmod(rest, COMMON + 2)
    del rest
    held = np.bincount(owner, minlength=count)
    inside = np.arange(len(owner)) - (np.cumsum(held) - held)[owner] < room[owner]
    kind, often, owner = kind[inside], often[inside], owner[inside]
    wanted = np.minimum(sizes, ALIKE)
    wanted[owner[often > COMMON]] = 1  # what is boilerplate may be shared, and is not counted
    for pairs, times in _counted(kind[often <= COMMON], owner[often <= COMMON], count):
        enough = pairs[times >= wanted[pairs].min(axis=1)]
        for start in range(0, len(enough), BLOCK):
            yield enough[start : start + BLOCK]


def _counted(kind: Indices, owner: Indices, count: int) -> Iterator[tuple[Indices, Indices]]:
    """Every two texts that hold something of one kind, and how many kinds they both hold; some million at a time."""
    kind, owner = np.divmod(np.sort(kind * count + owner), count)
    partners = np.cumsum(np.bincount(kind))[kind] - np.arange(len(kind)) - 1  # those after it, of its kind
    places = np.argsort(owner, kind="stable")  # of one text together, so that its pairs are counted together
    total, holders = np.cumsum(partners[places]), owner[places]
    start = done = 0
    while start < len(places):
        last = min(int(np.searchsorted(total, done + PAIRS)), len(places) - 1)
        stop = int(np.searchsorted(holders, holders[last], side="right"))
        some = places[start:stop]
        many = partners[some]
        nth = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many)
        both = np.sort(np.repeat(owner[some], many) * count + owner[np.repeat(some + 1, many) + nth])
        firsts = np.flatnonzero(np.append(True, both[1:] != both[:-1])[: len(both)])
        yield np.stack(np.divmod(both[firsts], count), axis=1), np.diff(np.append(firsts, len(both)))
        start, done = stop, int(total[stop - 1])


class _Shared:
    """How many shingles two texts share, by their hashes, for many pairs at once."""

    def __init__(self, hashes: Hashes, owners: Indices, count: int) -> None:
        order = np.argsort(owners, kind="stable")
        self._hashes = hashes[order]
        self._sizes = np.bincount(owners, minlength=count)
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._own = np.sort(hashes ^ (owners.view(np.uint64) * MIX))

    def near(self, both: Indices) -> list[tuple[int, int]]:
        """The pairs that are near by their hashes; equal hashes of different words only add some."""
        if not len(both):
            return []
        sizes = self._sizes[both]
        smaller, larger = sizes.min(axis=1), sizes.max(axis=1)
        missing = smaller - np.ceil(NEAR * (smaller + larger) / (1 + NEAR) - ROUNDING).astype(np.int64)
        for first in (LOOK, int(smaller.max())):  # most pairs lack too many among the first few
            looked = np.minimum(smaller, first)
            kept = looked - self._common(both, looked) <= missing
            both, smaller, missing = both[kept], smaller[kept], missing[kept]
        return [(int(a), int(b)) for a, b in both]

    def _common(self, both: Indices, looked: Indices) -> Indices:
        """How many of the first so many shingles of each pair's smaller text the other one has."""
        swapped = self._sizes[both[:, 0]] > self._sizes[both[:, 1]]
        asked, other = np.where(swapped, both[:, 1], both[:, 0]), np.where(swapped, both[:, 0], both[:, 1])
        pair = np.repeat(np.arange(len(both)), looked)
        place = np.arange(len(pair)) - np.repeat(np.cumsum(looked) - looked, looked)
        wanted = self._hashes[self._starts[asked][pair] + place] ^ (other[pair].view(np.uint64) * MIX)
        found = np.minimum(np.searchsorted(self._own, wanted), len(self._own) - 1)
        return np.bincount(pair[self._own[found] == wanted], minlength=len(both))


class _Joined:
    """Which texts are connected so far."""

    def __init__(self, count: int) -> None:
        self._root = list(range(count))

    def _find(self, item: int) -> int:
        root = self._root
        while root[item] != item:
            root[item] = root[root[item]]
            item = root[item]
        return item

    def together(self, a: int, b: int) -> bool:
        return self._find(a) == self._find(b)

    def join(self, a: int, b: int) -> None:
        self._root[self._find(a)] = self._find(b)
