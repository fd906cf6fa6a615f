"""Corpora, splits and leaks: every mistake with its place, and splits that depend on nothing but ids and a salt."""

import json
import random
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from data.corpus import Corpus, Row, content_id, read_corpus, safe_name
from data.leaks import find_duplicates, normalised
from data.splits import make_splits


def write(path, *rows):
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), "utf-8")
    return path


def config(**given):
    defaults = {"salt": "1", "tags": "use", "counts": None, "stride": None, "stratify_by": None, "leaks": "error"}
    return SimpleNamespace(fractions=SimpleNamespace(train=0.4, dev=0.2), **{**defaults, **given})


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
