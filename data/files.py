"""The files that a person means by a path, a folder or a pattern."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from core.errors import UsageError


def find_files(source: str, root: Path, suffixes: Sequence[str]) -> tuple[Path, list[Path]]:
    """The files of a file name, a folder or a glob pattern, in a stable order, and the folder that all of them are in.

    Args:
        source: What was typed, relative to ``root``.
        root: Where a relative source begins.
        suffixes: Endings of files that are taken from a folder; hidden ones and what is in hidden folders are not.

    Raises:
        UsageError: If there are none.
    """
    path = root / Path(source).expanduser()
    if path.is_file():
        return path.parent, [path]
    if path.is_dir():
        inside = (p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
        found = sorted(p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts))
        if not found:
            raise UsageError(f"{source}: the folder has no {', '.join(suffixes)}")
        return path, found
    found = sorted(Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file())
    if not found:
        raise UsageError(f"{source}: there is no such file or folder, and no file fits it as a pattern (in {root})")
    parents = [set(match.parents) for match in found]
    return max(set.intersection(*parents), key=lambda parent: len(parent.parts)), found
