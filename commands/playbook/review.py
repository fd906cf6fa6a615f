"""``playbook review``: what the active entries change, over recorded sessions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import Book, Chosen
from commands.outcome import Outcome

if TYPE_CHECKING:
    from playbook.impact import Impact

EXAMPLE = "python cli.py playbook review --key support --where tags.learning_key=support"


def command(
    book: Book,
    chosen: Chosen,
    store: Annotated[str | None, typer.Option("--store", metavar="URL", help="Database of sessions.")] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="YAML with a `learning` block.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Deprecate entries that use has shown to be no good.")] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Note in each session's metadata.learning_usage what fired there.")
    ] = False,
) -> Outcome:
    """Say of each active entry whether it fires, is followed and goes with better rewards; highest impact first."""
    from core.redact import from_environment
    from playbook.impact import impacts, totals
    from playbook.learning import read_learning
    from playbook.lifecycle import prune_reason, pruning
    from playbook.usage import in_force, session_usage, with_usage
    from sessions.store import open_sessions

    settings = read_learning(Path(config).expanduser()).usage_tracking if config else None
    books, where = book.open(), book.find()
    known = books.read(book.key)
    with open_sessions(where, store, from_environment(where.root)) as opened:
        seen = list(opened.sessions(chosen.chain(), trajectories=True))
        told = [one for one in seen if one.trajectory is not None]
        usages = [session_usage(in_force(known, session), session, settings) for session in told]
        if record:
            opened.append((with_usage(*pair) for pair in zip(told, usages, strict=True)), replace=True)
    found, whole = impacts(usages), totals(usages)
    if prune:
        by_name = {one.entry_id: one for one in found}
        books.revise(book.key, "pruned after use", lambda known: (pruning(known, by_name), None))
    body = {
        "key": book.key, "sessions": len(usages), "without_trajectory": len(seen) - len(usages),
        "totals": asdict(whole),
        "playbook_impact": [
            {**asdict(one), "transfer_success": one.transfers, "transfer_level": one.level, "prune": prune_reason(one)}
            for one in found
        ],
    }  # fmt: skip
    lines = [_line(one, prune_reason(one)) for one in found]
    tail = f"{len(usages)} sessions; {len(seen) - len(usages)} more have no trajectory"
    note = "differences are observed, not caused; `same tasks` compares each task with itself"
    return Outcome(body, "\n".join([*lines, tail, note]))


def _line(one: Impact, prune: str) -> str:
    def said(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    matched = f"same tasks {said(one.matched.delta, '+.2f')} (n={one.matched.tasks}, p={one.matched.p:.2f})"
    return (
        f"{one.entry_id}  impact {said(one.impact, '+.3f')}  adopted {said(one.adoption_rate, '.0%')} of {one.hits}  "
        f"reward {said(one.reward_delta, '+.2f')}  {matched}  tokens {said(one.token_delta, '+.0f')}  {one.level}"
        + (f"  prune: {prune}" if prune else "")
    )
