"""Finding things in JSON of any shape: dotted paths, and the rows of nested lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final


class Missing:
    """What a path that leads nowhere finds; None is a value."""

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()


@dataclass(frozen=True)
class Place:
    """A value inside a document.

    Attributes:
        value: The value.
        key: Under which key of a mapping, or at which index of a list, it stood; None at the top.
        above: The place it was in.
        line: Line of the file, or number of the element in a file that is one JSON document.
        file: The file's path below what was imported, without its ending.
    """

    value: Any
    key: str | int | None = None
    above: Place | None = None
    line: int = 0
    file: str = ""

    @property
    def where(self) -> str:
        """The way to it inside its document, as in ``runs.0.tasks.7: ``; empty at the top."""
        keys: list[str] = []
        at: Place | None = self
        while at is not None and at.key is not None:
            keys.insert(0, str(at.key))
            at = at.above
        return f"{'.'.join(keys)}: " if keys else ""

    def find(self, path: str) -> Any:
        """The value at a dotted path, or ``MISSING``.

        Numbers are indices of lists, negative ones from the end. ``^name`` looks one level of rows further up,
        ``^^name`` two. ``$key`` is where the row stood, ``$line`` its line, ``$file`` the name of its file,
        ``$path`` the file's path below what was imported.
        """
        if path.startswith("^"):
            return MISSING if self.above is None else self.above.find(path[1:])
        if path == "$key":
            return MISSING if self.key is None else self.key
        if path in ("$line", "$file", "$path"):
            return {"$line": self.line, "$file": self.file.rsplit("/", 1)[-1], "$path": self.file}[path]
        return _inside(self.value, path)

    def rows(self, path: str) -> Iterator[Place]:
        """The places that a path with stars leads to: ``runs.*.tasks.*`` is every element of every run's tasks.

        A star stands for each element of a list or each value of a mapping, and makes a level of rows.
        """
        head, star, rest = path.partition("*")
        inner = self.value if not (head := head.strip(".")) else _inside(self.value, head)
        if not star:
            if isinstance(inner, list) and not head:
                yield from self.rows("*")  # one JSON document with a list of rows
            elif not isinstance(inner, Missing):
                yield self if not head else Place(inner, head, self, self.line, self.file)
            return
        items = inner.items() if isinstance(inner, Mapping) else enumerate(inner) if isinstance(inner, list) else ()
        for key, value in items:
            below = Place(value, key, self, self.line, self.file)
            yield from below.rows(rest.strip(".")) if rest.strip(".") else (below,)


def _inside(value: Any, path: str) -> Any:
    """Follow a path; a key that itself holds dots is preferred to a path through it."""
    if path == ".":
        return value
    if type(value) is dict and path in value:
        return value[path]
    parts = path.split(".")
    at = 0
    while at < len(parts):
        if isinstance(value, Mapping):
            end = next((end for end in range(len(parts), at, -1) if ".".join(parts[at:end]) in value), None)
            if end is None:
                return MISSING
            value, at = value[".".join(parts[at:end])], end
        elif isinstance(value, Sequence) and not isinstance(value, str) and parts[at].lstrip("-").isdigit():
            index = int(parts[at])
            if not -len(value) <= index < len(value):
                return MISSING
            value, at = value[index], at + 1
        else:
            return MISSING
    return value
