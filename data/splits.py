"""Train, dev and holdout: a pure function of the rows' ids and a salt."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.catalog import did_you_mean
from core.errors import DataError
from core.optimization import SplitInfo
from core.plain import canonical
from core.section import Section
from data.corpus import Corpus, Row, fingerprint
from data.leaks import Clusters, find_duplicates, row_fingerprint

NAMES = ("train", "dev", "holdout")
RANK = {name: rank for rank, name in enumerate(NAMES)}


class Fractions(Section):
    """Shares of train and dev; the rest is holdout."""

    train: float = Field(default=0.4, gt=0, lt=1)
    dev: float = Field(default=0.2, gt=0, lt=1)

    @model_validator(mode="after")
    def _leaves_a_holdout(self) -> Self:
        if self.train + self.dev >= 1:
            raise ValueError(f"train + dev = {self.train + self.dev:g} leaves no holdout; their sum must be below 1")
        return self


class SplitSection(Section):
    """How rows become train, dev and holdout."""

    salt: str = "1"
    tags: Literal["use", "ignore"] = Field(default="use", description="Whether a row's own split field counts.")
    fractions: Fractions = Fractions()
    counts: dict[Literal["train", "dev", "holdout"], int] | None = None
    stride: int | None = Field(
        default=None, ge=2, description="Every N-th untagged row, the first included, is holdout."
    )
    stratify_by: str | None = None
    leaks: Literal["error", "drop"] = Field(default="error", description="What to do with duplicates in two splits.")

    @field_validator("salt", mode="before")
    @classmethod
    def _salt_is_text(cls, salt: Any) -> Any:
        return str(salt) if isinstance(salt, int) and not isinstance(salt, bool) else salt

    @field_validator("counts")
    @classmethod
    def _all_three(cls, counts: dict[str, int] | None) -> dict[str, int] | None:
        if counts is not None and (set(counts) != {"train", "dev", "holdout"} or min(counts.values()) < 1):
            raise ValueError("counts needs train, dev and holdout, each at least 1")
        return counts

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        others = [name for name in ("counts", "stratify_by") if getattr(self, name) is not None]
        if self.stride is not None and others:
            raise ValueError(
                f"stride places every N-th row, which {' and '.join(others)} would undo; name only one way"
            )
        if self.counts is not None and "fractions" in self.model_fields_set:
            raise ValueError("counts and fractions both say how many rows a split gets; name only one of them")
        return self


@dataclass(frozen=True)
class HoldoutIdentity:
    """What a holdout is recognised by when it is opened again.

    ``fingerprint`` names exactly these ids, inputs and gold; ``rows`` are what each row's inputs say, see
    :func:`data.leaks.row_fingerprint`, and stay the same under another salt, task or spelling.
    """

    fingerprint: str
    rows: frozenset[str]


@dataclass(frozen=True)
class Splits:
    """The three splits; disjoint by id and by normalised input, near-duplicates on one side."""

    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    holdout: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def info(self) -> SplitInfo:
        """Sizes and fingerprints."""
        return SplitInfo(
            len(self.train),
            len(self.dev),
            len(self.holdout),
            fingerprint([*self.train, *self.dev, *self.holdout]),
            fingerprint(self.holdout),
        )

    @property
    def holdout_identity(self) -> HoldoutIdentity:
        """What the holdout is recognised by."""
        return HoldoutIdentity(fingerprint(self.holdout), frozenset(row_fingerprint(row) for row in self.holdout))


def position(row_id: str, salt: str) -> float:
    """A row's place in [0, 1), which depends on nothing but its id and the salt."""
    digest = hashlib.sha256(f"{salt}\0{row_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def make_splits(corpus: Corpus, config: SplitSection) -> Splits:
    """Split a corpus as a task's ``split`` section says.

    An explicit ``split`` field wins unless ``tags`` is ``ignore``. Untagged rows are placed by ``position``: by
    ``fractions`` a row keeps its split when others are appended; with ``counts`` the rows nearest to the front are
    taken, and with ``stratify_by`` each split gets its share of every value of that gold field, so that appended rows
    may replace some. ``stride`` sends every N-th untagged row, starting with the first, to the holdout.

    Raises:
        DataError: If a split is empty, an exact duplicate straddles splits, there is nothing to learn, or no row has
            the field of ``stratify_by``.
    """
    rows = list(corpus.rows)
    if len(rows) < 10 and not (config.tags == "use" and all(row.split for row in rows)):
        raise DataError(
            f"{corpus.path}: {len(rows)} rows are too few to split into train, dev and holdout",
            hint="at least 10; below 20 holdout rows nothing can be promoted",
        )
    _check_stratum(corpus, config.stratify_by)
    notes = _constant_fields(rows, corpus)
    duplicates = find_duplicates(rows)
    groups = _groups(rows, duplicates)
    placed = _place(rows, groups, config)
    placed, leak_notes = _keep_together(placed, groups, duplicates, config, corpus)
    if config.counts:
        placed = _trim(placed, config.counts, config.salt)
    splits = {name: tuple(row for row in rows if placed.get(row.id) == name) for name in NAMES}
    empty = [name for name in NAMES if not splits[name]]
    if empty:
        sizes = ", ".join(f"{name} {len(splits[name])}" for name in NAMES)
        raise DataError(
            f"{corpus.path}: no rows for {' and '.join(empty)} ({sizes})",
            hint="tag rows with split train, dev and holdout, or set split.tags to ignore",
        )
    return Splits(splits["train"], splits["dev"], splits["holdout"], (*notes, *leak_notes))


def _check_stratum(corpus: Corpus, field: str | None) -> None:
    names = sorted({name for row in corpus.rows for name in row.gold})
    if field is not None and field not in names:
        raise DataError(
            f"{corpus.path}: split.stratify_by: no row has gold for {field!r}; it has {', '.join(names) or 'no gold'}",
            hint=did_you_mean(field, names),
        )


def _constant_fields(rows: Sequence[Row], corpus: Corpus) -> list[str]:
    names = sorted({name for row in rows for name in row.gold})
    constant = [name for name in names if _same_everywhere([row.gold.get(name) for row in rows])]
    if names and len(constant) == len(names):
        raise DataError(
            f"{corpus.path}: every row has the same label, so there is nothing to learn",
            hint="a corpus needs at least two classes",
        )
    return [f"field {name!r} has the same value in every row" for name in constant]


def _same_everywhere(values: Sequence[Any]) -> bool:
    first = canonical(values[0])
    return all(canonical(value) == first for value in values)


def _groups(rows: Sequence[Row], duplicates: Clusters) -> dict[str, str]:
    """Row id -> the key it shares with the rows that must stay with it: its group, or a near-duplicate."""
    keys = {row.id: f"group:{row.group}" if row.group is not None else f"row:{row.id}" for row in rows}
    alias: dict[str, str] = {}

    def find(key: str) -> str:
        while key in alias:
            key = alias[key]
        return key

    for cluster in duplicates.near:
        first = find(keys[cluster[0]])
        for member in cluster[1:]:
            other = find(keys[member])
            if other != first:
                alias[max(first, other)] = min(first, other)
                first = find(first)
    return {row_id: find(key) for row_id, key in keys.items()}


def _place(rows: Sequence[Row], groups: Mapping[str, str], config: SplitSection) -> dict[str, str]:
    tags = {row.id: row.split for row in rows if row.split and config.tags == "use"}
    placed: dict[str, str] = dict(tags)
    untagged = [row for row in rows if row.id not in tags]
    if config.stride:
        for index, row in enumerate(untagged):
            placed[row.id] = "holdout" if index % config.stride == 0 else "train"
    elif config.counts:
        tagged = Counter(tags.values())
        wanted = {name: max(0, config.counts[name] - tagged[name]) for name in NAMES}
        placed.update(_dealt(untagged, groups, config, wanted))
    elif config.stratify_by is not None:
        shares = config.fractions
        wanted = {"train": shares.train, "dev": shares.dev, "holdout": 1 - shares.train - shares.dev}
        placed.update(_dealt(untagged, groups, config, wanted))
    else:
        edges = (config.fractions.train, config.fractions.train + config.fractions.dev)
        for row in untagged:
            place = position(groups[row.id], config.salt)
            placed[row.id] = "train" if place < edges[0] else "dev" if place < edges[1] else "holdout"
    if "dev" not in placed.values():
        share = config.fractions.dev / (config.fractions.dev + config.fractions.train)
        _carve_dev(placed, groups, share, f"dev/{config.salt}")
    return placed


def _carve_dev(placed: dict[str, str], groups: Mapping[str, str], share: float, salt: str) -> None:
    """Move a share of the train rows to dev; of a train split with two groups or more, at least one goes and one stays.

    Whole groups move, so that dev holds nothing that train has seen.
    """
    places = {groups[row_id]: position(groups[row_id], salt) for row_id, name in placed.items() if name == "train"}
    ordered = sorted(places, key=lambda key: places[key])
    count = sum(place < share for place in places.values())
    moved = set(ordered[: min(max(count, 1), len(ordered) - 1)])
    for row_id, name in placed.items():
        if name == "train" and groups[row_id] in moved:
            placed[row_id] = "dev"


def _dealt(
    rows: Sequence[Row], groups: Mapping[str, str], config: SplitSection, wanted: Mapping[str, float]
) -> dict[str, str]:
    """Deal whole groups, in order of position, to the split that is furthest from the number or share it wants."""
    members: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        members[groups[row.id]].append(row)
    total = sum(wanted.values())
    placed: dict[str, str] = {}
    if not total:
        return placed
    strata: dict[str, list[str]] = defaultdict(list)
    for key in sorted(members, key=lambda k: position(k, config.salt)):
        strata[_stratum(members[key][0], config.stratify_by)].append(key)
    filled = [0] * len(NAMES)
    asked = [wanted[name] for name in NAMES]
    for stratum in sorted(strata):
        here, here_total = [0] * len(NAMES), 0
        for key in strata[stratum]:
            size = len(members[key])
            here_total += size
            lack = [(here[i] - here_total * number / total, filled[i], i) for i, number in enumerate(asked)]
            chosen = min(lack)[2]
            here[chosen] += size
            filled[chosen] += size
            for row in members[key]:
                placed[row.id] = NAMES[chosen]
    return placed


def _stratum(row: Row, field: str | None) -> str:
    if field is None:
        short = (n for n in sorted(row.gold) if isinstance(row.gold[n], (str, bool)) and len(str(row.gold[n])) <= 40)
        field = next(short, None)
    if field is None:
        return ""
    value = row.gold.get(field)
    return _label(value) if isinstance(value, str) else canonical(value)


@lru_cache(maxsize=4096)
def _label(text: str) -> str:
    """The same few labels stand in many rows."""
    return canonical(text)


def _keep_together(
    placed: Mapping[str, str], groups: Mapping[str, str], duplicates: Clusters, config: SplitSection, corpus: Corpus
) -> tuple[dict[str, str], list[str]]:
    """Where tags tear duplicates apart, drop the copies on the less protected side, or refuse."""
    first: dict[str, str] = {}
    apart = {groups[row_id] for row_id, name in placed.items() if first.setdefault(groups[row_id], name) != name}
    if not apart:
        return dict(placed), []
    torn: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row_id, name in placed.items():
        if groups[row_id] in apart:
            torn[groups[row_id]][name].append(row_id)
    exact = [ids for ids in duplicates.exact if len({placed.get(i) for i in ids}) > 1]
    if exact and config.leaks == "error":
        raise DataError(
            f"{corpus.path}: {len(exact)} inputs stand in two splits, such as rows {', '.join(exact[0])}",
            hint="remove them, or set split.leaks to drop: the copies outside the holdout are then left out",
        )
    kept = dict(placed)
    dropped = 0
    for names in torn.values():
        keep = max(names, key=lambda name: RANK[name])
        for name, ids in names.items():
            if name != keep:
                dropped += len(ids)
                for row_id in ids:
                    del kept[row_id]
    return kept, [f"{dropped} rows are left out because a duplicate or a row of their group is in another split"]


def _trim(placed: Mapping[str, str], counts: Mapping[Any, int], salt: str) -> dict[str, str]:
    """Keep as many rows of each split as were asked for, those nearest to the front."""
    kept = {}
    for name in NAMES:
        ids = sorted((i for i, n in placed.items() if n == name), key=lambda i: position(i, salt))
        kept.update(dict.fromkeys(ids[: counts[name]], name))
    return kept
