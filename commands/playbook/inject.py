"""``playbook inject``: the active entries as a text for a prompt, or as the configuration of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import Book
from commands.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE = "python cli.py playbook inject --key support --out playbook.txt"


def command(
    book: Book,
    audience: Annotated[str, typer.Option(help="Whose entries: student or teacher.")] = "student",
    chars: Annotated[int, typer.Option(min=50, help="Most characters.")] = 1000,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Write the text there.")] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="YAML with a `learning` block.")] = None,
    into: Annotated[
        str | None,
        typer.Option(metavar="CONFIG", help="Write --out as a configuration of an experiment that inherits from this."),
    ] = None,
) -> Outcome:
    """Print the text that tells an agent its playbook; exits 1 where there is nothing to tell."""
    from core.errors import UsageError
    from core.files import write_text
    from playbook.learning import read_learning
    from playbook.pamphlet import pamphlet

    if into is not None and out is None:
        raise UsageError("--into needs --out FILE, the configuration that is written")
    if config is not None and not read_learning(Path(config).expanduser()).apply_to_prompts:
        return Outcome({"text": ""}, f"nothing to tell: {config} switches apply_to_prompts off", code=1)
    made = pamphlet(book.open().read(book.key).active(audience), chars)
    if not made.text:
        hint = "raise --chars" if made.left_out else "see: python cli.py playbook list --all"
        return Outcome(vars(made), f"nothing to tell: no active entry fits\n  hint: {hint}", code=1)
    if out is not None:
        text = made.text + "\n" if into is None else _config(book, into, Path(out).stem, made.entries)
        write_text(Path(out).expanduser(), text)
    left = f"\n{len(made.left_out)} entries did not fit into {chars} characters" if made.left_out else ""
    return Outcome(vars(made), (f"wrote {out}, sha256 {made.digest[:16]}" if out else made.text) + left)


def _config(book: Book, parent: str, name: str, entries: Sequence[str]) -> str:
    """A configuration that tells its agent the entries, and whose sessions carry the learning key.

    Raises:
        UsageError: If the parent is none that there is.
    """
    import json

    from experiments.config import find_experiment, load_experiment
    from playbook.pamphlet import told

    root = book.find().root
    base, known = load_experiment(parent, root=root), book.open().read(book.key)
    return (
        json.dumps(
            {
                "experiment_id": name,
                "parent": str(find_experiment(parent, root)),
                "description": f"With the playbook of {book.key}, version {known.version}",
                "guidelines": [*base.guidelines, *(told(known.entries[entry]) for entry in entries)],
                "tags": {**base.tags, "learning_key": book.key, "playbook_version": str(known.version)},
            },
            ensure_ascii=False,
            indent=1,
        )
        + "\n"
    )
