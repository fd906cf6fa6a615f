"""Corpora, splits and leaks: every mistake with its place, and splits that depend on nothing but ids and a salt."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import DataError
from data.corpus import Corpus, Row, content_id, read_corpus, safe_name
from data.leaks import find_duplicates, normalised
from data.splits import SplitSection, make_splits, position


def write(path, *rows):
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), "utf-8")
    return path


def config(**given):
    return SplitSection(**given)


def rows(n, **extra):
    return tuple(Row(f"r{i}", {"text": f"text number {i} {i * 7}"}, {"label": "ab"[i % 2]}, **extra) for i in range(n))


def corpus(items, tmp_path):
    return Corpus(tuple(items), tmp_path / "c.jsonl")


def test_scalars_become_fields_and_missing_ids_come_from_the_content(tmp_path):
    found = read_corpus(write(tmp_path / "c.jsonl", {"input": "a", "label": 1}, "", {"input": {"x": 1}, "label": None}))
    assert found.rows[0].inputs == {"input": "a"}
    assert found.rows[0].gold == {"label": 1}
    assert found.rows[0].id == content_id({"input": "a"})
    assert found.rows[1].gold == {"label": None}


def test_ids_keep_their_colons_and_scenario_id_wins(tmp_path):
    found = read_corpus(write(tmp_path / "c.jsonl", {"scenarioId": "skill:x", "id": "y", "input": "a", "label": "b"}))
    assert found.rows[0].id == "skill:x"
    assert safe_name("skill:blueprint-launch") == "skill__blueprint-launch"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["{"], "c.jsonl:1: not JSON"),
        (["[1]"], "c.jsonl:1: a row is an object"),
        ([{"id": "a", "label": "x"}], "c.jsonl:1: the row has no input"),
        ([{"input": "a"}], "no label"),
        ([{"input": "a", "label": "x", "split": "trian"}], "did you mean 'train'"),
        ([{"id": "a", "input": "1", "label": "x"}, {"id": "a", "input": "2", "label": "x"}], "first seen at line 1"),
        ([""], "no rows"),
    ],
)
def test_each_mistake_says_where_it_is(tmp_path, lines, says):
    with pytest.raises(DataError) as caught:
        read_corpus(write(tmp_path / "c.jsonl", *lines))
    assert says in str(caught.value)


def test_all_mistakes_are_reported_together(tmp_path):
    with pytest.raises(DataError) as caught:
        read_corpus(write(tmp_path / "c.jsonl", "{", {"input": "a"}, "nope"))
    assert len(str(caught.value).splitlines()) == 3


def test_rows_that_are_too_long_and_files_that_are_not_utf8(tmp_path):
    with pytest.raises(DataError, match="allowed are 50"):
        read_corpus(write(tmp_path / "c.jsonl", {"input": "x" * 100, "label": "y"}), max_row_bytes=50)
    (tmp_path / "l.jsonl").write_bytes('{"input": "ü"}'.encode("latin-1"))
    with pytest.raises(DataError, match=r"l\.jsonl:1: not UTF-8"):
        read_corpus(tmp_path / "l.jsonl")


def test_csv_by_convention_and_by_prefix(tmp_path):
    (tmp_path / "a.csv").write_text('id,text,label\n1,"hello\nworld",x\n2,bye,y\n', "utf-8")
    found = read_corpus(tmp_path / "a.csv")
    assert [(r.id, dict(r.inputs), dict(r.gold)) for r in found.rows] == [
        ("1", {"text": "hello\nworld"}, {"label": "x"}),
        ("2", {"text": "bye"}, {"label": "y"}),
    ]
    (tmp_path / "b.csv").write_text('input.a,input.b,label.n,label.tags\n1,2,3.5,"[""x""]"\n', "utf-8")
    row = read_corpus(tmp_path / "b.csv").rows[0]
    assert row.inputs == {"a": "1", "b": "2"}
    assert row.gold == {"n": 3.5, "tags": ["x"]}


def test_the_fingerprint_does_not_depend_on_order(tmp_path):
    items = rows(5)
    assert corpus(items, tmp_path).fingerprint == corpus(reversed(items), tmp_path).fingerprint
    assert corpus(items, tmp_path).fingerprint != corpus(items[1:], tmp_path).fingerprint


def test_the_stride_sends_the_first_untagged_row_to_the_holdout(tmp_path):
    tagged = list(rows(12))
    tagged[2] = Row("r2", tagged[2].inputs, tagged[2].gold, "holdout")
    splits = make_splits(corpus(tagged, tmp_path), config(stride=4))
    assert [r.id for r in splits.holdout] == ["r0", "r2", "r5", "r9"]


def test_53_untagged_rows_with_stride_4_give_14_holdout_rows(tmp_path):
    splits = make_splits(corpus(rows(53), tmp_path), config(stride=4))
    assert len(splits.holdout) == 14
    assert len(splits.train) + len(splits.dev) == 39


def test_tags_win_and_a_missing_dev_is_carved_out_of_train(tmp_path):
    items = [Row(r.id, r.inputs, r.gold, "holdout" if i < 20 else "train") for i, r in enumerate(rows(80))]
    splits = make_splits(corpus(items, tmp_path), config())
    assert {r.id for r in splits.holdout} == {f"r{i}" for i in range(20)}
    assert splits.dev


def test_one_sided_tags_are_refused_with_a_remedy(tmp_path):
    items = [Row(r.id, r.inputs, r.gold, "train") for r in rows(40)]
    with pytest.raises(DataError, match=r"no rows for holdout[\s\S]*split\.tags"):
        make_splits(corpus(items, tmp_path), config())


def test_one_class_is_nothing_to_learn_and_three_rows_are_too_few(tmp_path):
    with pytest.raises(DataError, match="nothing to learn"):
        make_splits(corpus([Row(r.id, r.inputs, {"label": "a"}) for r in rows(40)], tmp_path), config())
    with pytest.raises(DataError, match="too few"):
        make_splits(corpus(rows(3), tmp_path), config())


def test_counts_are_met_and_stratified(tmp_path):
    splits = make_splits(corpus(rows(200), tmp_path), config(counts={"train": 60, "dev": 40, "holdout": 100}))
    assert (len(splits.train), len(splits.dev), len(splits.holdout)) == (60, 40, 100)
    for part in (splits.train, splits.dev, splits.holdout):
        share = sum(r.gold["label"] == "a" for r in part) / len(part)
        assert 0.45 <= share <= 0.55


def test_a_group_never_straddles_splits(tmp_path):
    items = [Row(r.id, r.inputs, r.gold, None, f"g{i // 5}") for i, r in enumerate(rows(200))]
    splits = make_splits(corpus(items, tmp_path), config())
    groups = [{r.group for r in part} for part in (splits.train, splits.dev, splits.holdout)]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]


def test_an_exact_duplicate_across_tagged_splits_is_an_error_and_can_be_dropped(tmp_path):
    items = [Row(r.id, r.inputs, r.gold, ("train", "dev", "holdout")[i % 3]) for i, r in enumerate(rows(60))]
    items.append(Row("copy", {"text": "TEXT number 0, 0!"}, {"label": "a"}, "holdout"))
    with pytest.raises(DataError, match="stand in two splits, such as rows r0, copy"):
        make_splits(corpus(items, tmp_path), config())
    splits = make_splits(corpus(items, tmp_path), config(leaks="drop"))
    assert "r0" not in {r.id for r in splits.train}
    assert "copy" in {r.id for r in splits.holdout}


def test_near_duplicates_are_found_and_kept_on_one_side(tmp_path):
    words = " ".join(f"w{i}" for i in range(60))
    items = [*rows(40), Row("n1", {"text": words}, {"label": "a"}), Row("n2", {"text": words + " end"}, {"label": "b"})]
    assert find_duplicates(items).near == (("n1", "n2"),)
    for salt in "abcdefgh":
        splits = make_splits(corpus(items, tmp_path), config(salt=salt))
        sides = [{"n1", "n2"} & {r.id for r in part} for part in (splits.train, splits.dev, splits.holdout)]
        assert {"n1", "n2"} in sides


def test_normalising_ignores_case_punctuation_and_key_order():
    assert normalised({"b": "X, y", "a": "Q!"}) == normalised({"a": "q", "b": "x Y."})


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(40, 120),
    extra=st.integers(0, 40),
    salt=st.text("abc", min_size=1, max_size=3),
    seed=st.integers(0, 9),
)
def test_splits_are_disjoint_ignore_file_order_and_survive_appending(tmp_path_factory, n, extra, salt, seed):
    folder = tmp_path_factory.getbasetemp()
    base = list(rows(n))
    shuffled = base[:]
    random.Random(seed).shuffle(shuffled)
    before = make_splits(corpus(base, folder), config(salt=salt))
    again = make_splits(corpus(shuffled, folder), config(salt=salt))
    longer = make_splits(corpus(rows(n + extra), folder), config(salt=salt))
    for name in ("train", "dev", "holdout"):
        ids = {r.id for r in getattr(before, name)}
        assert ids == {r.id for r in getattr(again, name)}
        assert ids <= {r.id for r in getattr(longer, name)}
    assert len({r.id for part in (before.train, before.dev, before.holdout) for r in part}) == n


def test_dev_is_carved_out_of_train_with_at_least_one_group_moved_and_one_left(tmp_path):
    """Three groups of train rows and no dev: a third of train is due, by position, but never none and never all."""
    items = rows(18)
    tagged = [Row(r.id, r.inputs, r.gold, "train", "ghi"[i % 3]) for i, r in enumerate(items[:9])]
    held = [Row(r.id, r.inputs, r.gold, "holdout") for r in items[9:]]
    seen = set()
    for salt in map(str, range(120)):
        places = {group: position(f"group:{group}", f"dev/{salt}") for group in "ghi"}
        due = sum(place < 1 / 3 for place in places.values())
        nearest = sorted(places, key=lambda group: places[group])
        splits = make_splits(corpus([*tagged, *held], tmp_path), config(salt=salt))
        assert {r.group for r in splits.dev} == set(nearest[: {0: 1, 1: 1, 2: 2, 3: 2}[due]])
        assert {r.group for r in splits.train} == {"g", "h", "i"} - {r.group for r in splits.dev}
        seen.add(due)
    assert seen == {0, 1, 2, 3}


def test_the_carved_share_is_that_of_dev_among_train_and_dev(tmp_path):
    items = [Row(r.id, r.inputs, r.gold, "holdout" if i < 20 else "train") for i, r in enumerate(rows(220))]
    splits = make_splits(corpus(items, tmp_path), config(fractions={"train": 0.6, "dev": 0.2}))
    expected = {r.id for r in items[20:] if position(f"row:{r.id}", "dev/1") < 0.25}
    assert {r.id for r in splits.dev} == expected


def test_one_train_row_alone_is_not_carved(tmp_path):
    items = [Row(r.id, r.inputs, r.gold, "train" if i == 0 else "holdout") for i, r in enumerate(rows(12))]
    with pytest.raises(DataError, match=r"no rows for dev \(train 1, dev 0, holdout 11\)"):
        make_splits(corpus(items, tmp_path), config())


def test_stratify_by_gives_every_split_its_share_of_each_value_with_fractions_too(tmp_path):
    items = [
        Row(f"r{i}", {"text": f"text {i} {i * 7}"}, {"label": "ab"[i % 2], "rare": "yes" if i < 20 else "no"})
        for i in range(200)
    ]
    spread = {}
    for field in (None, "rare"):
        splits = make_splits(corpus(items, tmp_path), config(salt="3", stratify_by=field))
        parts = (splits.train, splits.dev, splits.holdout)
        spread[field] = [sum(row.gold["rare"] == "yes" for row in part) for part in parts]
        if field:
            assert [len(part) for part in parts] == [80, 40, 80]
    assert spread["rare"] == [8, 4, 8]
    assert spread[None] != [8, 4, 8]


def test_stratify_by_deals_counts_by_the_field_that_is_named(tmp_path):
    items = [
        Row(f"r{i}", {"text": f"text {i} {i * 7}"}, {"a": "xy"[i % 2], "b": "yes" if i < 30 else "no"})
        for i in range(120)
    ]
    splits = make_splits(
        corpus(items, tmp_path), config(counts={"train": 40, "dev": 20, "holdout": 60}, stratify_by="b")
    )
    assert [sum(row.gold["b"] == "yes" for row in part) for part in (splits.train, splits.dev, splits.holdout)] == [
        10,
        5,
        15,
    ]


def test_stratify_by_a_field_that_no_row_has_names_the_nearest(tmp_path):
    with pytest.raises(DataError, match=r"split.stratify_by: no row has gold for 'lable'; it has label\n.*'label'"):
        make_splits(corpus(rows(40), tmp_path), config(stratify_by="lable"))


@pytest.mark.parametrize(
    "given",
    [
        {"stride": 4, "counts": {"train": 4, "dev": 2, "holdout": 4}},
        {"stride": 4, "stratify_by": "label"},
        {"fractions": {"train": 0.5}, "counts": {"train": 4, "dev": 2, "holdout": 4}},
    ],
)
def test_two_ways_to_split_at_once_are_refused(given):
    with pytest.raises(ValidationError, match="name only one"):
        config(**given)
