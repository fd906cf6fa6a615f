"""A playbook over time: what comes into force, what leaves it, and that nothing is ever forgotten."""

import threading

import pytest

from core.errors import StoreError, UsageError
from playbook.book import Change, Playbook, PlaybookStore, slug
from playbook.entry import Lifecycle, read_entry
from playbook.impact import Impact, Matched
from playbook.learning import LearningSection
from playbook.lifecycle import prune_reason, pruning, retirement, revision
from playbook.rubric import judge, quality

AT = "2026-01-02T03:04:05+00:00"
LEARNING = LearningSection.model_validate({"schema": {"allowed_runtime_handles": ["logs.*"]}})


def judged(pattern, handle="logs.search", audience="student", effect="It helps."):
    return judge(
        read_entry(
            {
                "cue": {"type": "keyword", "pattern": pattern},
                "action": {"imperative": "Search.", "handle": handle},
                "expected_effect": effect,
                "audience": audience,
            }
        ),
        LEARNING,
    )


@pytest.fixture
def store(tmp_path):
    return PlaybookStore(tmp_path / "books")


def synthesised(store, *batch, helpful=()):
    return store.revise(
        "agent", "proposed", lambda known: (revision(known, batch, helpful=helpful), quality(batch, AT)), at=AT
    )


def states(book):
    return {entry.cue.pattern: entry.lifecycle.value for entry in book.entries.values()}


def test_what_is_proposed_comes_into_force_and_what_is_not_leaves_it(store):
    synthesised(store, judged("legacy"))
    book = synthesised(store, judged("validate"))

    assert states(book) == {"legacy": "deprecated", "validate": "active"}
    assert book.version == 2
    assert [change.why for _, change in book.history(judged("legacy").entry.id)] == [
        "passed the gates",
        "not proposed again",
    ]


def test_a_batch_of_failures_leaves_everything_as_it_was_and_is_recorded(store):
    synthesised(store, judged("legacy"))
    book = synthesised(store, judged("bad", handle="shell"))

    assert states(book) == {"legacy": "active", "bad": "rejected"}
    assert book.revisions[-1].changes[0].why == "actionability: 'shell' is the handle of no tool"
    assert book.revisions[-1].quality.gate_failures["actionability"] == 1


def test_one_failure_does_not_take_its_siblings_along(store):
    book = synthesised(store, judged("good"), judged("bad", handle="shell"))
    assert states(book) == {"good": "active", "bad": "rejected"}


def test_a_good_entry_is_not_lost_by_being_left_out_once(store):
    synthesised(store, judged("helps"), judged("does not"))
    book = synthesised(store, judged("new"), helpful={judged("helps").entry.id})
    assert states(book) == {"helps": "active", "does not": "deprecated", "new": "active"}


def test_entries_of_another_audience_are_left_alone(store):
    synthesised(store, judged("for teachers", audience="teacher"))
    book = synthesised(store, judged("for students"))
    assert [entry.cue.pattern for entry in book.active("teacher")] == ["for teachers"]
    assert len(book.active()) == 2


def test_the_same_lesson_keeps_where_it_came_from(store):
    first, again = judged("same"), judged("same", effect="It still helps.")
    object.__setattr__(first.entry.provenance, "session_id", "s1")
    synthesised(store, first)
    book = synthesised(store, again)

    (entry,) = book.active()
    assert (entry.provenance.session_id, entry.expected_effect) == ("s1", "It still helps.")


def used(hits=0, fired=0, sessions=15, delta=None, adoption=None, tasks=2):
    return Impact("e", sessions, fired, hits, 0, 0, adoption, fired / sessions, None, None, delta, None,
                  tuple(f"t{i}" for i in range(tasks)), None, 0, None, Matched(0))  # fmt: skip


@pytest.mark.parametrize(
    ("impact", "reason"),
    [
        (used(), "too_specific"),
        (used(hits=5, fired=5, delta=0.5 - 0.6), "harmful"),
        (used(hits=4, fired=4, delta=0.5 - 0.6), ""),
        (used(hits=12, fired=15, sessions=20, delta=0.0, adoption=0.6), "neutral"),
        (used(hits=12, fired=15, sessions=20, delta=0.0, adoption=0.5), ""),
        (used(hits=20, fired=20, sessions=25, delta=0.2, tasks=1), "no_transfer"),
        (used(hits=20, fired=20, sessions=25, delta=0.8 - 0.6, tasks=2), ""),
        (used(sessions=5), ""),
    ],
)
def test_what_use_shows_to_be_no_good_is_pruned(impact, reason):
    assert prune_reason(impact) == reason


def test_what_is_pruned_or_retired_stays_on_record(store):
    book = synthesised(store, judged("rare"), judged("kept"))
    rare, kept = (judged(name).entry for name in ("rare", "kept"))
    book = store.revise(
        "agent", "pruned", lambda known: (pruning(known, {rare.id: used(), kept.id: used(fired=9)}), None)
    )
    assert states(book) == {"rare": "deprecated", "kept": "active"}
    assert book.history(rare.id)[-1][1].why == "too_specific"

    book = store.revise("agent", "retired", lambda known: (retirement(known, kept, "of no use"), None))
    assert states(book)["kept"] == "deprecated"
    version = book.version
    assert store.revise("agent", "retired", lambda known: (retirement(known, kept, "again"), None)).version == version


def test_history_is_read_back_as_it_was_written(store):
    book = synthesised(store, judged("a"), judged("b", handle="shell"))
    before = store.path("agent").read_bytes()
    again = synthesised(store, judged("a"), judged("c"))

    assert store.read("agent") == again
    assert again.revisions[0] == book.revisions[0]
    assert store.path("agent").read_bytes().startswith(before)
    assert store.keys() == ("agent",)
    assert store.read("nobody") == Playbook("nobody")


def test_writers_at_the_same_time_lose_nothing(store):
    def add(number):
        change = Change(judged(f"cue {number}").entry, "added")
        store.revise("agent", "added", lambda known: ((change,), None))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    book = store.read("agent")
    assert [revision.version for revision in book.revisions] == list(range(1, 9))
    assert len(book.active()) == 8


@pytest.mark.parametrize(
    ("damage", "said"),
    [(lambda text: text[:-40], r":2: cannot be read"),
     (lambda text: text.replace('"version":1', '"version":7'), "version 7 where 1"),
     (lambda text: "{}\n", ":1: cannot be read"), (lambda text: "", "names no learning key")],
)  # fmt: skip
def test_a_damaged_history_is_named_and_not_written_over(store, damage, said):
    synthesised(store, judged("a"))
    path = store.path("agent")
    path.write_text(damage(path.read_text("utf-8")), "utf-8")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=said):
        synthesised(store, judged("b"))
    assert path.read_bytes() == before


def test_an_entry_is_found_by_the_beginning_of_its_name(store):
    book = synthesised(store, judged("a"), judged("b"))
    one = judged("a").entry
    assert book.find(one.id).id == one.id
    assert book.find(one.id.removeprefix("playbook-entry-")[:6]).id == one.id
    with pytest.raises(UsageError, match="no such entry"):
        book.find("zzz")


def test_no_two_keys_share_a_file():
    keys = [
        "tenant::agent-alpha-01",
        "tenant::agent-alpha-02",
        "abc123",
        "ABC123",
        "!!invalid!!",
        "invalid",
        "",
        "!",
        "é",
    ]
    names = [slug(key) for key in keys]
    assert len({name.lower() for name in names}) == len(keys)
    assert names[2] == "abc123"
    assert names[4].startswith("invalid-")
    assert names[6].startswith("learning_unknown-")
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in names)


def test_a_lifecycle_is_one_of_three():
    assert [state.value for state in Lifecycle] == ["active", "deprecated", "rejected"]
