"""Edits of several candidates in one text, asking nobody: what harms is taken back, what helps is folded in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimizers.race.texts import Change
from stats.edits import Array


def numbers(edits: int) -> list[int]:
    """The edits in a set: the places of its bits, that of the seed left out."""
    return [e for e in range(1, edits.bit_length()) if edits >> e & 1]


def total(effects: Array, edits: int) -> Array:
    """Draws of the quality of a set of edits, from draws of their effects."""
    return effects[:, [0, *numbers(edits)]].sum(1)


@dataclass
class Draft:
    """A candidate that is being put together."""

    parts: dict[str, str]
    edits: int

    def take_back(self, changes: Sequence[Change | None], drawn: Array) -> None:
        """Undo the edits whose drawn effect is negative, the worst first; what others are built on stays."""
        for edit in sorted(numbers(self.edits), key=lambda e: drawn[e]):
            change = changes[edit]
            if change is None or drawn[edit] >= 0:
                continue
            text = change.taken_from(self.parts[change.part])
            if text is not None:
                self.parts[change.part] = text
                self.edits &= ~(1 << edit)

    def fold_in(self, changes: Sequence[Change | None], drawn: Array, helps: Sequence[bool]) -> None:
        """Make the edits that it has not and that help, the best first; one that has nothing to go by is left out."""
        sure = [e for e in range(1, len(changes)) if helps[e] and not self.edits >> e & 1]
        for edit in sorted(sure, key=lambda e: -drawn[e]):
            change = changes[edit]
            text = None if change is None else change.made_in(self.parts[change.part])
            if change is not None and text is not None and text != self.parts[change.part]:
                self.parts[change.part] = text
                self.edits |= 1 << edit
