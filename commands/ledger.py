"""``ledger``: how much the record of calls holds, and keeping it small."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place
from commands.outcome import Outcome

if TYPE_CHECKING:
    from calls.ledger import Ledger
    from calls.ledger_care import LedgerSize, Pruning

EXAMPLE = "python cli.py ledger --prune-before 2026-06-01 --export old-calls.jsonl"


def command(
    place: Place,
    prune_before: Annotated[
        str | None, typer.Option(metavar="DATE", help="Forget calls made before this day, as in 2026-06-01 (UTC).")
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the calls as JSON lines: all, or those before --prune-before."),
    ] = None,
) -> Outcome:
    """Show the size of the call ledger; export or forget old calls. What an unfinished run needs is kept."""
    import contextlib

    from calls.ledger import Ledger
    from calls.ledger_care import ledger_size, prune
    from core.redact import from_environment
    from tracking.store import UNFINISHED, Store

    where, before = place.find(), _moment(prune_before)
    redact = from_environment(where.root)
    with (
        contextlib.closing(Store(where.mlruns / "proven.db", redact)) as store,
        contextlib.closing(Ledger(where.mlruns / "ledger.db", redact)) as ledger,
    ):
        exported = None if export is None else _export(ledger, Path(export), before)
        needed = sorted({run.task for run in store.runs() if run.state in UNFINISHED})
        pruning = None if before is None else prune(ledger, before, needed)
        size = ledger_size(ledger)
    body: dict[str, Any] = {
        "path": str(where.mlruns / "ledger.db"),
        "bytes": size.bytes,
        "calls": size.calls,
        "oldest": size.oldest,
        "exported": exported,
        "pruned": pruning.pruned if pruning else None,
        "kept_for": needed if pruning else [],
        "kept": pruning.kept if pruning else None,
    }
    lines = [_size(body["path"], size)]
    if exported is not None:
        lines.append(f"exported {exported} calls to {export}")
    if pruning is not None:
        lines.append(_pruned(pruning, prune_before or "", needed))
    return Outcome(body, "\n".join(lines))


def _moment(date: str | None) -> str | None:
    """A day as it is written, once it is known to be one.

    Raises:
        UsageError: If it is no day of the calendar.
    """
    import datetime as dt

    from core.errors import UsageError

    if date is None:
        return None
    try:
        return dt.date.fromisoformat(date).isoformat()
    except ValueError:
        raise UsageError(f"--prune-before: received {date!r}; allowed: a day such as 2026-06-01") from None


def _export(ledger: Ledger, path: Path, before: str | None) -> int:
    """Write calls beside the file, and give it its name once it is whole.

    Raises:
        OutputError: If it cannot be written.
    """
    import os

    from calls.ledger_care import export_calls
    from core.errors import OutputError
    from core.files import keep_private

    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        keep_private(part)
        with part.open("w", encoding="utf-8", newline="") as out:
            count = export_calls(ledger, out, before)
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    return count


def _size(path: str, size: LedgerSize) -> str:
    calls = ", ".join(f"{count} {state}" for state, count in size.calls.items()) or "no calls"
    since = f", the oldest of {size.oldest}" if size.oldest else ""
    return f"{path}: {_megabytes(size.bytes)}, {calls}{since}"


def _pruned(pruning: Pruning, date: str, needed: list[str]) -> str:
    freed = _megabytes(max(0, pruning.bytes_before - pruning.bytes_after))
    kept = f"; kept {pruning.kept} that unfinished runs of {', '.join(needed)} may need" if pruning.kept else ""
    return f"forgot {pruning.pruned} calls from before {date}, {freed} less{kept}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
