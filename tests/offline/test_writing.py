"""What the embedded writer and student make of a metaprompt's words: rows, worked examples, the old wording."""

import pytest

from offline.reflector import reflect
from offline.writing import EXAMPLES_HEADING, Orders, orders_of, worked_examples
from programs.metaprompt import ImprovePrompt

ROWS = [{"Inputs": {"note": f"river {n}"}, "Feedback": f'- kind: expected "water" ({n})'} for n in range(4)]


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        ("Quote two worked examples, each an input with its right answer.", Orders(examples=2)),
        ("At the end, add 4 complete examples.", Orders(examples=4)),
        ("Show the reader some solved cases.", Orders(examples=3)),
        ("Never include worked examples.", Orders()),
        ("Include worked examples. On second thought, do not include worked examples.", Orders()),
        ("Look at no more than three rows.", Orders(rows=3)),
        ("Only read the first 2 examples.", Orders(rows=2)),
        ("Write the instruction from scratch.", Orders(fresh=True)),
        ("Discard the old instruction, but keep its wording where it works.", Orders(fresh=True)),
        ("Keep the wording of the current instruction.", Orders()),
        ("Improve it.", Orders()),
        (ImprovePrompt.instructions, Orders()),
    ],
)
def test_orders_are_read_from_words(text, orders):
    assert orders_of(text) == orders


def test_worked_examples_are_quoted_once_and_read_again_as_demos():
    first = reflect("Sort notes.", ROWS[:2], keep=5, pairs=False, output=None, orders=Orders(examples=3))
    again = reflect(first, ROWS, keep=5, pairs=False, output=None, orders=Orders(examples=3))
    assert again.count(EXAMPLES_HEADING) == 1
    assert again.startswith("Sort notes.\n")
    assert worked_examples(again) == tuple(((("note", f"river {n}"),), (("kind", "water"),)) for n in range(3))
    taught = [*ROWS[:1], {"Inputs": {}, "Feedback": "Next time: Mind the weather."}]
    later = reflect(first, taught, keep=5, pairs=False, output=None, orders=Orders(examples=3))
    assert later.startswith("Sort notes.\n\nGuidelines:\n1. Mind the weather.\n\nWorked examples:\n\nInput: ")
    plain = reflect("Sort notes.", ROWS, keep=5, pairs=False, output=None)
    assert worked_examples(plain) == ()
    assert "Right in 4 of 4 texts." in plain
    assert "Right in 1 of 1 texts." in reflect("", ROWS, keep=5, pairs=False, output=None, orders=Orders(rows=1))


def test_advice_that_most_feedback_gives_becomes_a_guideline_once():
    rows = [{"Inputs": {}, "Feedback": f"Lost {n}. Next time: Quote two worked examples."} for n in range(3)]
    rows.append({"Inputs": {}, "Feedback": "Fine. Next time: Be kind to animals."})
    once = reflect("Improve it.", rows, keep=5, pairs=False, output=None)
    assert once == "Improve it.\n\nGuidelines:\n1. Quote two worked examples."
    assert reflect(once, rows, keep=5, pairs=False, output=None) == once
