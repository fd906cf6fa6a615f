"""``playbook inject``: the active entries as a text for a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.flags import Book
from commands.outcome import Outcome

EXAMPLE = "python cli.py playbook inject --key support --out playbook.txt"


def command(
    book: Book,
    audience: Annotated[str, typer.Option(help="Whose entries: student or teacher.")] = "student",
    chars: Annotated[int, typer.Option(min=50, help="Most characters.")] = 1000,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Write the text there.")] = None,
) -> Outcome:
    """Print the text that tells an agent its playbook; exits 1 where there is nothing to tell."""
    from core.files import write_text
    from playbook.pamphlet import pamphlet

    made = pamphlet(book.open().read(book.key).active(audience), chars)
    if not made.text:
        hint = "raise --chars" if made.left_out else "see: python cli.py playbook list --all"
        return Outcome(vars(made), f"nothing to tell: no active entry fits\n  hint: {hint}", code=1)
    if out is not None:
        write_text(Path(out).expanduser(), made.text + "\n")
    left = f"\n{len(made.left_out)} entries did not fit into {chars} characters" if made.left_out else ""
    return Outcome(vars(made), (f"wrote {out}, sha256 {made.digest[:16]}" if out else made.text) + left)
