"""``sessions contrast``: do two groups of sessions differ, task by task."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import By, Chosen, SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from sessions.contrast import Contrast
    from sessions.group import Group

EXAMPLE = "python cli.py sessions contrast --by model --reference gpt-4o"


def command(
    place: SessionPlace,
    chosen: Chosen,
    by: By,
    reference: Annotated[
        str | None, typer.Option(metavar="GROUP", help="What the others are compared with; the largest when omitted.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="What to compare; success_rate when omitted.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seeds permutations.")] = 1337,
) -> Outcome:
    """Compare groups with a reference: effect, interval, p, corrected for everything that is asked together."""
    from sessions.contrast import against
    from sessions.metrics import METRICS

    wanted = [METRICS.get(name) for name in dict.fromkeys(metric or ["success_rate"])]
    with place.open() as store:
        groups = store.tally(wanted, by.fields() or ["model"], chosen.chain())
    chosen_one = _reference(groups, reference)
    found = against(groups, chosen_one, wanted, seed=seed)
    return Outcome({"reference": chosen_one.name, "contrasts": [asdict(one) for one in found]}, _table(found))


def _reference(groups: tuple[Group, ...], named: str | None) -> Group:
    from core.errors import UsageError

    if len(groups) < 2:
        raise UsageError(
            f"a contrast needs two groups; received {len(groups)}", hint="group by another field, as in --by experiment"
        )
    if named is None:
        return max(groups, key=lambda group: group.sessions)
    for group in groups:
        if group.name == named:
            return group
    raise UsageError(f"--reference: received {named!r}; allowed: {', '.join(group.name for group in groups)}")


def _table(found: tuple[Contrast, ...]) -> str:
    from reports.numbers import quantity
    from sessions.metrics import METRICS

    lines: list[str] = []
    for one in found:
        unit = METRICS.get(one.metric).unit
        head = f"{one.second} against {one.first}, {one.metric}: "
        if one.effect is None:
            lines.append(f"{head}nothing to compare")
            continue
        interval = "" if one.low is None else f" (95 % {_signed(one.low, unit)} to {_signed(one.high, unit)})"
        verdict = "differs" if one.p_adjusted <= 0.05 else "cannot tell"
        lines.append(
            f"{head}{_signed(one.effect, unit)}{interval}, p {one.p_adjusted:.4f} corrected: {verdict}\n"
            f"    {quantity(one.first_value, unit)} -> {quantity(one.second_value, unit)}; {one.tasks:,} tasks, "
            f"{sum(one.sessions):,} sessions, {sum(one.left_out):,} left out; "
            f"{'paired, ' if one.paired else ''}{one.method}"
        )
    return "\n".join(lines)


def _signed(value: float | None, unit: str) -> str:
    from reports.numbers import quantity

    return f"{'-' if (value or 0) < 0 else '+'}{quantity(abs(value or 0), unit)}"
