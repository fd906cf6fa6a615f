"""A catalog: an ordered, named set of things a person may choose from."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from core.errors import UsageError


class Named(Protocol):
    """Anything with a name; the name is what people type."""

    @property
    def name(self) -> str:
        """What people type."""
        ...


Member = TypeVar("Member", bound=Named)


class Catalog(Generic[Member]):
    """An immutable lookup by name that answers a wrong name with the nearest right one.

    Args:
        kind: The noun for error messages, such as ``optimizer``.
        members: The members in the order in which they are listed to people.

    Raises:
        ValueError: If two members share a name.
    """

    def __init__(self, kind: str, members: Sequence[Member]) -> None:
        self.kind = kind
        self._members = {member.name: member for member in members}
        if len(self._members) != len(members):
            raise ValueError(f"two members of the {kind} catalog share a name: {[m.name for m in members]}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names in catalog order."""
        return tuple(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def get(self, name: str) -> Member:
        """Return the member called ``name``.

        Raises:
            UsageError: If there is none; the message lists the catalog and the nearest name.
        """
        if name in self._members:
            return self._members[name]
        raise UsageError(
            f"unknown {self.kind} {name!r}; known: {', '.join(self.names)}", hint=did_you_mean(name, self.names)
        )


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """Return ``did you mean 'x'?`` for the nearest known word, or None when nothing is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else None
