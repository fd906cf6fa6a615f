"""Openings of a holdout are counted by what its rows say: no salt, spelling or task name makes a used row new."""

import sqlite3

import pytest

from data.corpus import Corpus, Row
from data.leaks import row_fingerprint
from data.splits import HoldoutIdentity, Splits
from stats.holdout import opening_alpha
from tracking.store import Store


@pytest.fixture
def store(tmp_path):
    with_store = Store(tmp_path / "mlruns" / "proven.db")
    yield with_store
    with_store.close()


def holdout(*texts, gold="a"):
    rows = tuple(Row(f"r{text}", {"text": str(text)}, {"label": gold}) for text in texts)
    return Splits((), (), rows).holdout_identity


def numbers(*ranges):
    return holdout(*(number for one in ranges for number in one))


def test_each_opening_of_the_same_rows_has_the_next_number_and_a_smaller_level(store):
    opened = [store.open_holdout("t", numbers(range(50)), f"r{run}", "c") for run in range(3)]
    assert opened == [1, 2, 3]
    assert opening_alpha(0.05, opened[2]) < opening_alpha(0.05, opened[0]) / 8


def test_the_same_run_and_candidate_have_one_opening_however_often_they_ask(store):
    rows = numbers(range(50))
    assert [store.open_holdout("t", rows, "r1", "c") for _ in range(3)] == [1, 1, 1]
    assert store.open_holdout("t", rows, "r2", "c") == 2
    assert store.open_holdout("t", rows, "r1", "c") == 1
    assert store.openings_that_count(rows) == 2


def test_another_candidate_of_the_same_run_is_another_opening(store):
    assert store.open_holdout("t", numbers(range(50)), "r1", "c1") == 1
    assert store.open_holdout("t", numbers(range(50)), "r1", "c2") == 2


def test_another_task_name_does_not_make_the_rows_new(store):
    store.open_holdout("t", numbers(range(50)), "r1", "c")
    assert store.open_holdout("renamed", numbers(range(50)), "r2", "c") == 2


def test_spaces_case_punctuation_ids_and_gold_do_not_make_the_rows_new(store):
    before = Splits((), (), (Row("1", {"text": "Where is my parcel?"}, {"label": "a"}),)).holdout_identity
    after = Splits((), (), (Row("2", {"text": "where is my  parcel "}, {"label": "b"}),)).holdout_identity
    assert before.fingerprint != after.fingerprint
    store.open_holdout("t", before, "r1", "c")
    assert store.openings_that_count(after) == 1
    assert store.open_holdout("t", after, "r1", "c") == 1  # the same job with the same rows
    assert store.open_holdout("t", after, "r2", "c") == 2


@pytest.mark.parametrize(("shared", "number"), [(0, 1), (9, 1), (10, 2), (100, 2)])
def test_an_earlier_opening_counts_from_a_tenth_of_the_rows_on(store, shared, number):
    store.open_holdout("t", numbers(range(100)), "r1", "c")
    assert store.open_holdout("t", numbers(range(100 - shared, 200 - shared)), "r2", "c") == number


def test_the_share_is_of_the_rows_that_are_opened_now(store):
    store.open_holdout("t", numbers(range(1000)), "r1", "c")
    assert store.openings_that_count(numbers(range(20))) == 1  # every one of the twenty has been seen
    assert store.openings_that_count(numbers(range(20), range(5000, 5500))) == 0  # almost all of them are new


def test_the_same_job_with_further_rows_asks_another_question(store):
    """Else rows could be added one by one until the verdict pleases."""
    store.open_holdout("t", numbers(range(100)), "r1", "c")
    assert store.open_holdout("t", numbers(range(101)), "r1", "c") == 2


def test_looking_how_many_count_opens_nothing(store):
    rows = numbers(range(50))
    assert [store.openings_that_count(rows) for _ in range(2)] == [0, 0]
    assert store.open_holdout("t", rows, "r1", "c") == 1


def test_inputs_without_a_letter_or_digit_are_told_apart():
    one, two, again = (Row("r", {"text": text}, {}) for text in ("🙂", "🙁", " 🙂 "))
    assert row_fingerprint(one) != row_fingerprint(two)
    assert row_fingerprint(one) == row_fingerprint(again)


def test_an_older_file_keeps_its_openings_and_learns_their_rows_when_they_are_opened_again(tmp_path):
    path = tmp_path / "proven.db"
    rows, moved = numbers(range(50)), numbers(range(49), [777])
    Store(path).close()
    with sqlite3.connect(path) as old:
        old.executescript("drop table holdout_rows; alter table runs drop column told; pragma user_version = 3;")
        old.execute("insert into openings values ('t', ?, 'r1', 'c', '2026-01-01')", (rows.fingerprint,))
    old.close()
    store = Store(path)
    assert store.openings_that_count(moved) == 0
    assert store.open_holdout("t", rows, "r1", "c") == 1
    assert store.openings_that_count(moved) == 1
    assert store.open_holdout("t", rows, "r2", "c") == 2
    store.close()


def test_the_rows_of_a_holdout_are_stored_once(store, tmp_path):
    for run in range(5):
        store.open_holdout("t", numbers(range(50)), f"r{run}", "c")
    with sqlite3.connect(tmp_path / "mlruns" / "proven.db") as db:
        assert db.execute("select count(*) from holdout_rows").fetchone()[0] == 50
    db.close()


def test_an_identity_is_the_same_for_rows_in_any_order(tmp_path):
    rows = tuple(Row(str(i), {"text": f"t{i}"}, {"label": "a"}) for i in range(9))
    splits = [Splits((), (), tuple(part)) for part in (rows, reversed(rows))]
    assert splits[0].holdout_identity == splits[1].holdout_identity
    assert isinstance(splits[0].holdout_identity, HoldoutIdentity)
    assert splits[0].holdout_identity.fingerprint == Corpus(rows, tmp_path).fingerprint
