"""Error texts: freed of what differs from case to case, and gathered into clusters of the same error."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MOST_TEXTS = 2_000
"""Distinct texts that are clustered, the most frequent ones; what is beyond stays as it is."""
DISTANCE = 0.5
"""Cosine distance up to which two texts are neighbours."""
CHARS = 400
_PLACES = (
    (re.compile(r"https?://\S+"), "URL"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.I), "ID"),
    (re.compile(r"0x[0-9a-f]+|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b", re.I), "ID"),
    (re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\][\w.\-]+){2,}"), "PATH"),
    (re.compile(r"'[^'\n]{1,200}'|\"[^\"\n]{1,200}\"|`[^`\n]{1,200}`"), "VALUE"),
    (re.compile(r"\b\w*\d\w*\b"), "N"),
)


def normalised(text: str) -> str:
    """An error text with addresses, ids, paths, quoted values and numbers replaced by words in capitals.

    >>> normalised("KeyError: 'sku-7' at line 42 of /srv/app/main.py")
    'keyerror: VALUE at line N of PATH'
    """
    found = text[: CHARS * 4].strip().lower()
    for pattern, word in _PLACES:
        found = pattern.sub(word, found)
    return re.sub(r"\s+", " ", found)[:CHARS]


@dataclass(frozen=True)
class ErrorCluster:
    """Errors that say the same.

    Attributes:
        name: Its most frequent normalised text.
        texts: All its normalised texts, the most frequent first.
        count: How many errors there are.
    """

    name: str
    texts: tuple[str, ...]
    count: int


def cluster_errors(errors: Iterable[str], distance: float = DISTANCE) -> tuple[ErrorCluster, ...]:
    """Gather errors into clusters, the largest first.

    Texts are normalised, weighed by tf-idf over words and word pairs, and joined while neighbours are within
    ``distance`` (DBSCAN with clusters of one): what chains of similar texts connect is one cluster. Nothing is drawn at
    random.

    Reference: M. Ester et al. (1996), "A density-based algorithm for discovering clusters", KDD-96.
    """
    counts = Counter(normalised(text) for text in errors if text.strip())
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    labels = _labels(ranked[:MOST_TEXTS], distance)
    members: dict[int, list[str]] = {}
    for label, text in zip(labels, ranked, strict=False):
        members.setdefault(label, []).append(text)
    gathered = [*members.values(), *([text] for text in ranked[MOST_TEXTS:])]
    found = [ErrorCluster(texts[0], tuple(texts), sum(counts[text] for text in texts)) for texts in gathered]
    return tuple(sorted(found, key=lambda one: (-one.count, one.name)))


def by_text(clusters: Sequence[ErrorCluster]) -> Mapping[str, str]:
    """From a normalised text to the name of its cluster."""
    return {text: cluster.name for cluster in clusters for text in cluster.texts}


def _labels(texts: Sequence[str], distance: float) -> list[int]:
    if len(texts) < 2:
        return list(range(len(texts)))
    from sklearn.cluster import DBSCAN
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"[^\W_]+", lowercase=False, sublinear_tf=True)
    try:
        weights = words.fit_transform(texts)
    except ValueError:  # no text has a word
        return list(range(len(texts)))
    return DBSCAN(eps=distance, min_samples=1, metric="cosine").fit_predict(weights).tolist()
