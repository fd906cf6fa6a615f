"""Near-duplicates: exactly the pairs that comparing every row with every other would find."""

import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import near_duplicates
from data.corpus import Row
from data.leaks import exact_duplicates, find_duplicates, normalised
from data.near_duplicates import COMMON


def by_comparing_all(rows):
    """Clusters by the definition: 5-grams of words, Jaccard similarity of at least 0.8, connected."""
    texts = {row.id: normalised(row.inputs).split() for row in rows}
    grams = {key: {tuple(t[i : i + 5]) for i in range(len(t) - 4)} or {tuple(t)} for key, t in texts.items()}
    cluster = {key: {key} for key in grams}
    for a, b in combinations(grams, 2):
        if len(grams[a] & grams[b]) >= 0.8 * len(grams[a] | grams[b]) and cluster[a] is not cluster[b]:
            cluster[a] |= cluster[b]
            for member in cluster[b]:
                cluster[member] = cluster[a]
    return {frozenset(group) for group in cluster.values() if len(group) > 1}


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    vocabulary=st.sampled_from([2, 8, 30, 300]),
    length=st.sampled_from([3, 6, 12, 60]),
    count=st.integers(2, 60),
)
def test_clusters_are_those_of_comparing_all_pairs(seed, vocabulary, length, count):
    draw, words = random.Random(seed), [f"w{i}" + "É" * (i % 3 == 0) for i in range(vocabulary)]
    texts = []
    for _ in range(count):
        if texts and draw.random() < 0.6:
            copied = draw.choice(texts).split()
            for _ in range(draw.randint(0, 3)):
                copied[draw.randrange(len(copied))] = draw.choice(words)
            texts.append(draw.choice([" ", "  ", ", "]).join(copied))
        else:
            texts.append(" ".join(draw.choices(words, k=max(1, round(draw.gauss(length, 2))))))
    rows = [Row(f"r{i}", {"text": text}, {}) for i, text in enumerate(texts)]
    assert {frozenset(group) for group in find_duplicates(rows).near} == by_comparing_all(rows)
    assert find_duplicates(rows).exact == exact_duplicates(rows)


def test_a_similarity_of_exactly_four_fifths_is_near():
    words = [f"w{i}" for i in range(13)]
    rows = [Row("a", {"text": " ".join(words)}, {}), Row("b", {"text": " ".join([*words[:12], "x"])}, {})]
    assert find_duplicates(rows).near == (("a", "b"),)  # 8 of 10 shingles


def test_boilerplate_that_more_than_two_hundred_rows_share_proposes_no_pairs():
    frame = " ".join(f"frame{i}" for i in range(60))
    rows = [Row(f"r{i}", {"text": f"{frame} n{i}"}, {}) for i in range(COMMON + 1)]
    assert find_duplicates(rows).near == ()
    assert len(find_duplicates(rows[:COMMON]).near[0]) == COMMON


def test_beside_boilerplate_one_shared_shingle_is_enough_to_be_compared():
    boilerplate = " ".join(f"b{n}" for n in range(60))
    texts = [f"p{n} q{n} r{n} s{n} t{n} x{n} {boilerplate}" for n in range(250)]
    texts[7] = texts[3].replace("x3", "x7")
    found = find_duplicates([Row(f"r{n}", {"text": text}, {}) for n, text in enumerate(texts)])
    assert found.near == (("r3", "r7"),)


@given(st.text(st.characters(codec="ascii")))
def test_plain_text_is_normalised_like_any_other(text):
    assert normalised({"text": text + "ß"}).removesuffix("ss").strip() == normalised({"text": text})


@given(st.lists(st.text("ab ü\n", max_size=30), max_size=12), st.integers(1, 40))
def test_words_are_hashed_alike_wherever_a_batch_of_texts_ends(texts, size):
    plain = [" ".join(text.split()) for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "BATCH", size)
        batches = [(first, *near_duplicates._word_hashes(batch)) for first, batch in near_duplicates._batches(plain)]
    words = [word for text in plain for word in text.split()]
    owners = [number for number, text in enumerate(plain) for _ in text.split()]
    hashed = [int(h) for _, found, _ in batches for h in found]
    assert [int(o) + first for first, _, found in batches for o in found] == owners
    named = dict(zip(words, hashed, strict=True))
    assert [named[word] for word in words] == hashed
    assert len(set(named.values())) == len(named)
