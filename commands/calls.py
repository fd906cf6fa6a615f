"""``calls``: what a run asked and what it was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place, RunName
from commands.outcome import Outcome

if TYPE_CHECKING:
    from calls.ledger_care import Call

EXAMPLE = "python cli.py calls extraction-20260102 --row r17"
HEADS = ("role", "row", "model", "state", "in", "out", "money", "seconds")


def command(
    run: RunName,
    place: Place,
    row: Annotated[str | None, typer.Option(metavar="ID", help="Only this row, with messages and answers.")] = None,
    role: Annotated[str | None, typer.Option(help="Only this role: student, reflector, judge ...")] = None,
) -> Outcome:
    """List the calls that a run has made; those of one row with everything that was said."""
    import contextlib
    from dataclasses import asdict

    from calls.ledger import Ledger
    from calls.ledger_care import calls_of
    from core.redact import from_environment
    from tracking.store import Store

    where = place.find()
    redact = from_environment(where.root)
    with (
        contextlib.closing(Store(where.mlruns / "proven.db", redact)) as store,
        contextlib.closing(Ledger(where.mlruns / "ledger.db", redact)) as ledger,
    ):
        run_id = store.run(run).run_id
        everything = list(calls_of(ledger, run_id))
    found = [call for call in everything if row in (None, call.row_id) and role in (None, call.role)]
    if not found and everything:
        raise _nothing(everything, row, role)
    body = {"run_id": run_id, "calls": [asdict(call) for call in found]}
    if not found:
        return Outcome(body, f"{run_id} has made no calls; answers that it found in the ledger were made by other runs")
    return Outcome(body, _table(found) if row is None else "\n\n".join(map(_told, found)))


def _nothing(calls: list[Call], row: str | None, role: str | None) -> Exception:
    """What to say to a row or role without calls: what there is."""
    from core.catalog import did_you_mean
    from core.errors import UsageError

    roles, rows = sorted({call.role for call in calls}), sorted({call.row_id for call in calls if call.row_id})
    if role is not None and role not in roles:
        return UsageError(f"--role: received {role!r}; this run has {', '.join(roles)}", hint=did_you_mean(role, roles))
    shown = ", ".join(rows[:5]) + (" ..." if len(rows) > 5 else "")
    return UsageError(
        f"--row: received {row!r}; this run has made no such call{f' as {role}' if role else ''}; rows: {shown}",
        hint=did_you_mean(row or "", rows) or "an answer that it found in the ledger was paid by another run",
    )


def _table(calls: list[Call]) -> str:
    lines = [HEADS, *map(_cells, calls)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, "one row with all that was said: --row ID"])


def _cells(call: Call) -> tuple[str, ...]:
    from core.money import money

    tokens = ["-" if count is None else str(count) for count in (call.input_tokens, call.output_tokens)]
    seconds = "-" if call.seconds is None else f"{call.seconds:.2f}"
    paid = money(call.cost_usd) if call.state == "answered" else "-"
    named = [_line(text) for text in (call.role, call.row_id, call.model, call.state)]
    return (*named, *tokens, paid, seconds)


def _told(call: Call) -> str:
    """One call with its messages and its answer."""
    role, row, model, state, tokens_in, tokens_out, paid, seconds = _cells(call)
    head = f"== {role} {model}, row {row}, {state} at {call.at}: {tokens_in} in, {tokens_out} out, {paid}, {seconds} s"
    parts = [head, *(f"-- {message.get('role', '')}\n{_text(message.get('content'))}" for message in call.messages)]
    if call.error:
        parts.append(f"-- error\n{call.error}")
    parts += [f"-- answer\n{_text(output)}" for output in call.outputs or ()]
    return "\n".join(parts)


def _text(content: Any) -> str:
    """A message's content, or an answer: its text where it is one."""
    import json

    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2)


def _line(text: str) -> str:
    """A name on one line of a table."""
    from core.display import harmless

    return " ".join(harmless(text).split()) or "-"
