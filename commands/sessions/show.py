"""``sessions show``: one session with everything that is known of it, and its steps."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from sessions.record import Session, Step

EXAMPLE = "python cli.py sessions show tau-air-00-t0"


def command(
    session_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a session (see `sessions list`).")],
    place: SessionPlace,
    chars: Annotated[int, typer.Option(min=0, help="Characters shown of each text of a step.")] = 400,
) -> Outcome:
    """Show one session and its trajectory."""
    with place.open() as store:
        session = store.get(session_id)
    return Outcome(asdict(session), _told(session, chars))


def _told(session: Session, chars: int) -> str:
    lines: list[str] = []
    for name, value in asdict(session).items():
        if name != "trajectory" and value not in (None, "", (), {}):
            lines.append(f"{name:17} {_shown(value)}")
    if session.trajectory is None:
        return "\n".join([*lines, "trajectory        none stored"])
    for number, step in enumerate(session.trajectory, 1):
        lines += ["", *_step(number, step, chars)]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "\n                  ".join(str(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={each}" for key, each in value.items())
    return str(value)


def _step(number: int, step: Step, chars: int) -> list[str]:
    head = f"{number:4} [{step.role}{': ' + step.tool if step.tool else ''}]"
    parts = [("", step.text), ("$ ", step.arguments), ("> ", step.result), ("error: ", step.error)]
    return [head, *(f"     {mark}{text[:chars]}{' ...' * (len(text) > chars)}" for mark, text in parts if text)]
