"""``sessions patterns``: what goes with failing, loops, and sessions out of the ordinary."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import Chosen, SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from sessions.patterns import Patterns

EXAMPLE = "python cli.py sessions patterns --where model=gpt-4o --since 7d"


def command(
    place: SessionPlace,
    chosen: Chosen,
    limit: Annotated[int, typer.Option(min=1, help="How many of each kind are printed; --json has all.")] = 10,
) -> Outcome:
    """Mine sessions: conditions over-represented among failures, clusters of errors, loops and anomalies."""
    from sessions.patterns import mine

    with place.open() as store:
        found = mine(store.sessions(chosen.chain(), trajectories=True))
    return Outcome(asdict(found), _told(found, limit))


def _told(found: Patterns, limit: int) -> str:
    from reports.blocks import shorten

    lines = [
        f"{found.sessions:,} sessions, {found.tested:,} conditions tested together at 5 %",
        f"more often among failures than chance explains: {len(found.findings):,}",
    ]
    for one in found.findings[:limit]:
        lines.append(
            f"  {shorten(one.what, 90)}: {one.failures:,} of {one.support:,} fail, {one.effect:+.3f} {one.design}, "
            f"p {one.p_adjusted:.4f}; see {', '.join(one.examples)}"
        )
    lines.append(f"errors: {sum(one.count for one in found.errors):,} in {len(found.errors):,} clusters")
    lines += [f"  {one.count:>6,}  {shorten(one.name, 100)}" for one in found.errors[:limit]]
    lines.append(f"loops: {len(found.loops):,}")
    for loop in found.loops[:limit]:
        lines.append(f"  {loop.session} from action {loop.start + 1}: {' > '.join(loop.actions)}, {loop.rounds} times")
    lines.append(f"anomalies: {len(found.anomalies):,}")
    for one in found.anomalies[:limit]:
        lines.append(f"  {one.session}: {one.quantity} {one.value:,.4g}, typically {one.typical:,.4g} (z {one.z:+.1f})")
    return "\n".join(lines)
