"""Prompts that carry corpus rows inside them."""

from core.candidate import ProgramPrompts, Prompt
from core.verdict import CheckStatus
from gates.copying import copying_check, corpus_texts
from tests.gates.inputs import CHAMPION

SHORT = [f"the {a} {b} near gate {i}" for i, (a, b) in enumerate([("red", "barn"), ("old", "mill"), ("wet", "dock")])]


def short_rows():
    return corpus_texts((f"t{i}", "train", {"note": text}, {"kind": "land"}) for i, text in enumerate(SHORT))


def with_instruction(text):
    return ProgramPrompts((Prompt("judge", text),))


def test_three_short_inputs_as_a_whole_are_a_leak_and_two_are_not():
    leak = with_instruction("Known answers:\n" + "\n".join(f"- {text.upper()}: land" for text in SHORT))
    found = copying_check(CHAMPION, leak, short_rows())
    assert found.status is CheckStatus.FAIL
    assert "copies 3 corpus rows" in found.message
    two = with_instruction("Such as: " + "; ".join(SHORT[:2]))
    assert copying_check(CHAMPION, two, short_rows()).status is CheckStatus.PASS


def test_short_inputs_that_the_champion_already_quotes_or_that_rows_share_are_not_counted():
    quoted = with_instruction("Such as: " + "; ".join(SHORT))
    assert copying_check(
        quoted, with_instruction(quoted.prompts[0].instruction + " Be brief."), short_rows()
    ).status is (CheckStatus.PASS)
    shared = corpus_texts((f"t{i}", "train", {"note": SHORT[i % 3]}, {"kind": "land"}) for i in range(6))
    assert copying_check(CHAMPION, quoted, shared).status is CheckStatus.PASS


def test_words_must_match_as_words():
    near = with_instruction("; ".join(text + "s" for text in SHORT))
    assert copying_check(CHAMPION, near, short_rows()).status is CheckStatus.PASS
