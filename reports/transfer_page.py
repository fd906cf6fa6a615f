"""A matrix of transfer as blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.blocks import Banner, Block, Heading, IntervalChart, Paragraph, Report, Table
from reports.numbers import counted, number, signed, span

if TYPE_CHECKING:
    from playbook.gain import Contrast
    from playbook.transfer import Transfer

READ = (
    "A row is where a lesson was learned, a column where it was tried; * is shown, after correction for the number of "
    "cells. On the diagonal it was tried where it was learned, which is no transfer. A task counts once."
)


def transfer_report(found: Transfer, by: str, alone: int) -> Report:
    """The page of a matrix."""
    shown = sum(one.shown for (source, target), one in found.cells.items() if source != target)
    off = sum(source != target for source, target in found.cells)
    sentence = f"Lessons tried where they were not learned: a gain is shown in {shown} of {counted(off, 'cell')}."
    rows = tuple(
        (source, *(_cell(found.cells.get((source, target))) for target in found.groups)) for source in found.groups
    )
    blocks: list[Block] = [
        Banner("Lessons carry over" if shown else "Not shown to carry over", sentence, "good" if shown else "open"),
        Table((f"learned on ({by})", *found.groups), rows),
        Paragraph(READ),
    ]
    for title, family in (
        ("Learned elsewhere, tried on", found.arriving),
        ("Learned on, tried everywhere else", found.leaving),
    ):
        if family:
            told = tuple(
                (name, str(one.tasks), number(one.first), number(one.second), signed(one.delta),
                 span(one.low, one.high, sign=True), f"{one.holm:.3g}", "shown" if one.shown else "not shown")
                for name, one in family.items()
            )  # fmt: skip
            heads = ("", "tasks", "without", "with", "gain", "95 % interval", "p (Holm)", "")
            blocks += [Heading(title), Table(heads, told, (1, 2, 3, 4, 6))]
            drawn = tuple(
                (name, one.delta, one.low, one.high)
                for name, one in family.items()
                if one.delta is not None and one.low is not None and one.high is not None
            )
            blocks += [IntervalChart(drawn)] if drawn else []
    if alone:
        blocks.append(Paragraph(f"{counted(alone, 'session')} had no partner, no outcome or no known source."))
    return Report(f"Transfer by {by}", tuple(blocks))


def _cell(one: Contrast | None) -> str:
    if one is None:
        return "-"
    return f"{signed(one.delta)}{'*' if one.shown else ''} (n={one.tasks}, p={one.holm:.2g})"
