"""A reflector that is listened to, and that may be told what to propose; everything else about it is real."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from calls.records import Completion
from offline.reading import read_frame, sections
from offline.student import write
from optimizers.base import Search

Written = Callable[[int, Mapping[str, str]], str]
"""(number of the question, its inputs) -> the new instruction."""
_HINT = re.compile(r"\n\nRespond with ")


class Listening:
    """Stands on the wire of a role: keeps every question, and rewrites the answer where it is told to."""

    def __init__(self, wire, written: Written | None = None) -> None:
        self.wire, self.written = wire, written
        self.asked: list[dict[str, str]] = []
        self.systems: list[str] = []

    def send(self, request, *args):
        """What the real model answers, or what should be proposed."""
        given = dict(sections(_HINT.split(str(request.messages[-1]["content"]))[0]))
        self.asked.append({name: text.strip() for name, text in given.items()})
        self.systems.append(request.system)
        if self.written is None:
            return self.wire.send(request, *args)
        frame, count = read_frame(request.system), len(self.asked)
        values = {field.name: f"idea {count}" for field in frame.outputs}
        values[frame.outputs[-1].name] = self.written(count, self.asked[-1])
        return Completion([write(frame, values)], input_tokens=100, output_tokens=50)


def heard(search: Search, written: Written | None = None) -> Listening:
    """Listen to the search's reflector."""
    line = search.reflector.line
    line.wire = Listening(line.wire, written)
    return line.wire
