"""A reflector that is listened to, and that may be told what to propose; everything else about it is real."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping

from offline.reading import read_frame, sections
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
        """Ask the real model, then answer with what should be proposed."""
        given = dict(sections(_HINT.split(str(request.messages[-1]["content"]))[0]))
        self.asked.append({name: text.strip() for name, text in given.items()})
        self.systems.append(request.system)
        answer = self.wire.send(request, *args)
        if self.written is None:
            return answer
        outputs = [field.name for field in read_frame(request.system).outputs]
        text = self.written(len(self.asked), self.asked[-1])
        values = {name: f"idea {len(self.asked)}" for name in outputs[:-1]} | {outputs[-1]: text}
        body = "".join(f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in values.items())
        return dataclasses.replace(answer, outputs=[body + "[[ ## completed ## ]]"])


def heard(search: Search, written: Written | None = None) -> Listening:
    """Listen to the search's reflector."""
    line = search.reflector.line
    line.wire = Listening(line.wire, written)
    return line.wire
