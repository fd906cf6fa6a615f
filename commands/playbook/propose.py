"""``playbook propose``: entries pass the rubric's gates or are recorded as rejected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.flags import Book
from commands.outcome import Outcome

EXAMPLE = "python cli.py playbook propose entries.yaml --key support"


def command(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON or YAML with one entry or a list.", show_default=False)
    ],
    book: Book,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="YAML with a `learning` block.")] = None,
    session: Annotated[str, typer.Option(help="Id of the session that it was learned from.")] = "",
    replaces: Annotated[
        bool, typer.Option("--replaces", help="Deprecate active entries that are not among these.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge only; record nothing.")] = False,
) -> Outcome:
    """Judge entries by three gates and four scores, and record them: those that pass come into force."""
    from datetime import UTC, datetime

    from core.errors import UsageError
    from playbook.entry import read_entry
    from playbook.learning import LearningSection, read_learning
    from playbook.lifecycle import revision
    from playbook.rubric import judge, quality

    learning = read_learning(Path(config).expanduser()) if config else LearningSection()
    if not (learning.enabled and learning.update_enabled) and not dry_run:
        raise UsageError(f"{config}: learning is switched off", hint="set enabled and update_enabled, or use --dry-run")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    category = learning.entry_schema.default_scope_category
    entries = [
        read_entry(raw, category=category, where=f"{source}: entry {number}")
        for number, raw in enumerate(_read(Path(source).expanduser()), start=1)
    ]
    found = [replace(one, provenance=replace(one.provenance, session_id=session, created_at=now)) for one in entries]
    batch = [judge(one, learning) for one in found]
    about = quality(batch, now)
    if not dry_run:
        book.open().revise(
            book.key,
            "proposed",
            lambda known: (revision(known, batch, helpful=() if replaces else tuple(known.entries)), about),
            at=now,
        )
    rows = [
        {"id": one.entry.id, "accepted": one.accepted, "total": one.total, "scores": one.scores, "why": one.why,
         "failures": one.failures}
        for one in batch
    ]  # fmt: skip
    lines = [
        f"{one.entry.lifecycle.value:9} {one.total:.2f}  {one.entry.id}  {one.why or one.entry.action.imperative}"
        for one in batch
    ]
    rest = " (nothing was recorded)" if dry_run else ""
    text = "\n".join([*lines, f"{about.passed} of {about.candidates} passed{rest}"])
    return Outcome({"key": book.key, "entries": rows, "quality": vars(about)}, text)


def _read(path: Path) -> list[Any]:
    import yaml

    from core.errors import DataError

    try:
        given = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
    return given if isinstance(given, list) else [given]
