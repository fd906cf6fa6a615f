"""Text from outside on its way to a person's eyes: it may be read, but it may not steer what shows it."""

from __future__ import annotations

import re
from typing import TextIO

MARK = "\N{REPLACEMENT CHARACTER}"
"""What stands where a character was that may not pass."""
_LINE_ENDS = re.compile(r"\r\n|[\u2028\u2029]")
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline, DEL, C1: escape sequences begin with one of these
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates of writing direction
    r"\ud800-\udfff]"  # halves of a surrogate pair: they cannot be written as UTF-8
)


def harmless(text: object) -> str:
    """Text in which nothing moves a cursor, sets a clipboard or a title, or turns the writing direction round.

    Newlines and tabs stay and other line ends become newlines; every other control character is replaced by
    :data:`MARK`, so that a reader sees that something was there. What followed it, such as the ``[31m`` of an escape
    sequence, is shown as it is. The result can be encoded as UTF-8.

    Reference: ECMA-48 (control functions); Unicode Standard Annex 9 (bidirectional formatting characters).
    """
    return _STEERING.sub(MARK, _LINE_ENDS.sub("\n", str(text)))


def for_stream(text: str, stream: TextIO) -> str:
    """What to write to ``stream``: harmless text on a terminal, and the very same text into a pipe or a file."""
    return harmless(text) if stream.isatty() else text
