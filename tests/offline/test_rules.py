"""Rules as sentences: whole words, the counts in them, and nothing lost on the way there and back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from offline.learning import learn
from offline.rules import Knowledge, join, parse

TEXTS = [
    ("Please delete anything in the queue", {"kind": "fix"}),
    ("Deleting the queue again, anything else", {"kind": "fix"}),
    ("The classes passed; settled on classes", {"kind": "fact"}), ("Nothing happens when it rains", {"kind": "fact"}),
]  # fmt: skip


def learned(cases, pairs=True):
    knowledge = Knowledge()
    learn(knowledge, cases, pairs=pairs)
    return knowledge


def test_a_rule_is_a_sentence_of_whole_words_with_its_counts():
    text = join("Sort.", learned(TEXTS, pairs=False), 4)
    assert (
        '- Call kind "fact" when it says classes (1/1), happens (1/1), nothing (1/1) or it (1/1). '
        "Right in 2 of 4 texts; as common elsewhere: the (1/3)."
    ) in text
    assert '- Call kind "fix" when it says anything (2/2), queue (2/2), again (1/1) or the (2/3). ' in text


def test_what_says_nothing_yet_is_counted_on_and_heeds_nothing():
    cases = [(f"please {word} the box {i}", {"kind": "fix" if word == "mend" else "fact"})
             for i, word in enumerate(["mend", "read"] * 3)]  # fmt: skip
    text = join("Sort.", learned(cases), 60)
    fix = next(line for line in text.splitlines() if '"fix"' in line)
    assert fix.endswith("Right in 3 of 6 texts; as common elsewhere: box (3/6), please (3/6) or the (3/6).")
    _, again = parse(text)
    assert again.tables["kind", '"fix"'].signs["box"] == [3, 6]
    told = again.one_of("kind", ['"fix"', '"fact"'], frozenset({"box"}), 40)
    assert told['"fix"'] == told['"fact"']


def test_a_sign_of_one_value_speaks_against_the_others():
    cases = [(word, {"team": team}) for word, team in [("stove", "a"), ("lawn", "b"), ("roof", "c")] * 5]
    known = learned(cases)
    told = known.one_of("team", ['"a"', '"b"', '"c"'], frozenset({"stove"}), 40)
    assert told['"a"'] > told['"b"'] == told['"c"']


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text("abcdeinsgl or", min_size=1, max_size=40), st.sampled_from(["x", "y"])), min_size=1))
def test_counts_survive_being_written_and_read(cases):
    knowledge = learned([(text, {"kind": label}) for text, label in cases]).pruned(60)
    _, again = parse(join("Sort.", knowledge, 60))
    assert again.seen == knowledge.seen
    assert {k: (t.count, t.signs) for k, t in again.tables.items()} == {
        k: (t.count, t.signs) for k, t in knowledge.tables.items()
    }


def test_the_short_form_is_read_as_it_was_and_written_as_a_sentence():
    short = 'Sort.\n\n- kind: "fix" in 6 of 10 texts; signs: delet 5/5, class 3/4, @digits 2/9'
    human, knowledge = parse(short)
    assert human == "Sort."
    assert knowledge.tables["kind", '"fix"'].signs == {"delet": [5, 5], "class": [3, 4], "@digits": [2, 9]}
    _, again = parse(join(human, knowledge, 60))
    assert again.tables["kind", '"fix"'].signs == {"delet": [5, 5], "class": [3, 4], "@digits": [2, 9]}
