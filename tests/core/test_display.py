"""Text from outside may be read on a terminal, but it may not steer it."""

import io
import os
import pty

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.display import for_stream, harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, tab\there\nand a line", "plain, tab\there\nand a line"),
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("\x1b]52;c;cm0gLXJmIC8=\x07", "\ufffd]52;c;cm0gLXJmIC8=\ufffd"),  # would fill the clipboard
        ("\x1b]0;title\x1b\\", "\ufffd]0;title\ufffd\\"),
        ("\x9b2J cleared by a C1 control", "\ufffd2J cleared by a C1 control"),
        ("safe\rrm -rf /", "safe\ufffdrm -rf /"),  # would write over the line
        ("windows\r\nline", "windows\nline"),
        ("a\u2028b", "a\nb"),
        ("user\u202enimda\u202c \u2067x\u2069 \u200f", "user\ufffdnimda\ufffd \ufffdx\ufffd \ufffd"),
        ("half an emoji \ud83d", "half an emoji \ufffd"),
        ("whole emoji \U0001f469\u200d\U0001f52c and ünïcödé", "whole emoji \U0001f469\u200d\U0001f52c and ünïcödé"),
    ],
)
def test_what_steers_a_terminal_is_marked_and_the_rest_stays(text, shown):
    assert harmless(text) == shown


@given(st.text(st.characters()))
@settings(deadline=None)
def test_nothing_but_newline_and_tab_is_left_of_the_controls(text):
    shown = harmless(text)
    shown.encode()
    assert not [c for c in shown if (ord(c) < 32 or 127 <= ord(c) < 160) and c not in "\n\t"]
    assert harmless(shown) == shown


def test_a_pipe_or_file_gets_every_byte_and_a_terminal_gets_harmless_text():
    text = "\x1b]52;c;aGk=\x07 \u202e"
    assert for_stream(text, io.StringIO()) == text
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal:
        assert for_stream(text, terminal) == "\ufffd]52;c;aGk=\ufffd \ufffd"
    os.close(ours)
