"""The answer of a matrix in one sentence: which cell to use, or why none can be named."""

from __future__ import annotations

from collections.abc import Sequence

from core.cells import Cell, ComparisonOutcome, Matrix
from reports.blocks import Banner, shorten
from reports.numbers import counted, dollars, finite, number, percent, signed, span

FIT = (ComparisonOutcome.BETTER, ComparisonOutcome.GOOD_ENOUGH)
NAME_CHARS, UNFIT_NAMED, NAMED = 80, 3, 4
LIKELY = 0.8
"""From this probability on, a cell that is not proven good enough is named as the likely choice."""


def answer(m: Matrix) -> Banner:
    """The cheapest cell that holds up; or the likely one; or that it cannot be told, and what would settle it.

    A cell with a defect, and one whose outputs are those of the reference, is named as such and never recommended.
    """
    banner = _answer(m)
    return Banner(banner.title, " ".join([banner.sentence, *_unfit(m), *_equal(m)]), banner.tone)


def _unfit(m: Matrix) -> list[str]:
    """Cells that are not to be used, those with the same defects together."""
    groups: dict[str, list[str]] = {}
    for cell in m.cells:
        if cell.defects:
            groups.setdefault(", ".join(map(short, cell.defects)), []).append(cell_name(cell))
    if not groups:
        return []
    told = [f"{listed(names)}: {defects}" for defects, names in list(groups.items())[:UNFIT_NAMED]]
    more = f"; and {len(groups) - UNFIT_NAMED} more" if len(groups) > UNFIT_NAMED else ""
    return [f"Not to be used, whatever the score: {'; '.join(told)}{more}."]


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them; of many the first."""
    first, *rest = names
    if len(names) > NAMED:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    return " and ".join([", ".join([first, *rest[:-1]]), rest[-1]]) if rest else first


def _equal(m: Matrix) -> list[str]:
    names = [cell_name(cell) for cell in m.cells if cell.comparison.outcome is ComparisonOutcome.EQUAL]
    return [f"Same outputs as {short(m.reference)} on every row: {listed(names)}."] if names else []


def likely_choice(m: Matrix) -> Cell | None:
    """The cheapest open cell that is likely good enough, where none is proven to be."""
    cells = [
        cell
        for cell in m.cells
        if cell.comparison.outcome is ComparisonOutcome.CANNOT_TELL
        and not (cell.defects or cell.stopped or cell.stale)
        and (finite(cell.comparison.likely) or 0.0) >= LIKELY
        and finite(cell.cost_per_1000) is not None
    ]
    return min(cells, key=lambda c: (c.cost_per_1000 or 0.0, -(c.comparison.likely or 0.0)), default=None)


def _likely(m: Matrix, cell: Cell, reference: Cell | None) -> Banner:
    s = cell.comparison
    return Banner(
        f"Likely {cell_name(cell)}, not proven",
        f"It is at most {number(m.margin)} worse than {short(m.reference)} with a probability of {percent(s.likely)} "
        f"({signed(s.delta)} on {counted(s.n, 'row')}). {price(m, cell, reference)} {_settle(m, [cell])} Until then "
        f"{short(m.reference)} is the safe choice.",
        "open",
    )


def price(m: Matrix, cell: Cell, reference: Cell | None) -> str:
    """What a thousand rows cost with a cell and with the reference, in a sentence."""
    beside = "" if reference is None else f", the reference {dollars(reference.cost_per_1000)}"
    nominal = " (nominal)" if m.nominal else ""
    return f"It costs {dollars(cell.cost_per_1000)} for 1,000 rows{beside}{nominal}."


def _answer(m: Matrix) -> Banner:
    by_name = {cell.name: cell for cell in m.cells}
    reference, chosen = by_name.get(m.reference), by_name.get(m.cheapest or "")
    others = [cell for cell in m.cells if cell.name != m.reference]
    fit = [cell for cell in others if cell.comparison.outcome in FIT and not cell.defects]
    open_cells = [cell for cell in others if cell.comparison.outcome is ComparisonOutcome.CANNOT_TELL]
    if chosen is not None:
        cheaper = [c for c in open_cells if _cheaper(c, chosen)]
        more = (
            f" {counted(len(cheaper), 'cheaper cell is', 'cheaper cells are')} still open. {_settle(m, cheaper)}"
            if cheaper
            else ""
        )
        return Banner(f"Use {cell_name(chosen)}", f"{_chosen(m, chosen, reference)}{more}".strip(), "good")
    if fit:
        names = ", ".join(cell_name(cell) for cell in fit[:4])
        tail = f" and {len(fit) - 4} more" if len(fit) > 4 else ""
        return Banner(
            "Good enough, price unknown",
            f"{names}{tail} hold up against {short(m.reference)}; which is the cheapest cannot be said while "
            "prices are missing.",
            "open",
        )
    if not others:
        return Banner("Nothing to compare", f"{short(m.reference)} is the only cell.", "open")
    likely = likely_choice(m)
    if likely is not None:
        return _likely(m, likely, reference)
    if open_cells:
        shown = f"No cell is shown to be at most {number(m.margin)} worse than {short(m.reference)}"
        worse = sum(cell.comparison.outcome is ComparisonOutcome.WORSE for cell in others)
        count = f"{counted(len(open_cells), 'cell is', 'cells are')} open, {counted(worse, 'is', 'are')} worse"
        return Banner("Cannot tell", f"{shown}: {count}. {_settle(m, open_cells)}".strip(), "open")
    if any(cell.comparison.outcome is not ComparisonOutcome.WORSE for cell in others):
        return Banner(f"Keep {short(m.reference)}", "No other cell gives other answers and is fit for use.", "bad")
    return Banner(
        "None is good enough",
        f"All {counted(len(others), 'other cell is', 'other cells are')} worse than {short(m.reference)}; keep it.",
        "bad",
    )


def _cheaper(one: Cell, other: Cell) -> bool:
    a, b = finite(one.cost_per_1000), finite(other.cost_per_1000)
    return a is not None and b is not None and a < b


def _chosen(m: Matrix, chosen: Cell, reference: Cell | None) -> str:
    s = chosen.comparison
    allowed = f"; {number(m.margin)} less is still good enough" if s.outcome is ComparisonOutcome.GOOD_ENOUGH else ""
    return (
        f"The cheapest cell that is {s.outcome.value}: {signed(s.delta)} against {short(m.reference)} on "
        f"{counted(s.n, 'row')} ({percent(1 - m.alpha)} interval {span(s.low, s.high, sign=True)}{allowed}). "
        f"{price(m, chosen, reference)}"
    )


def _settle(m: Matrix, cells: list[Cell]) -> str:
    """How many rows would settle what is open, and whether there are so many."""
    known = sorted((c for c in cells if c.comparison.needed is not None), key=lambda c: c.comparison.needed or 0)
    if not known:
        return "More rows alone would not settle it." if cells else ""
    first, last = known[0], known[-1]
    text = f"About {first.comparison.needed:,} rows would settle {cell_name(first)} (it has {first.comparison.n:,} now)"
    if last is not first:
        rest = "all of them" if len(known) == len(cells) else f"{len(known)} of them"
        text += f", about {last.comparison.needed:,} {rest}"
    if m.available is not None and (first.comparison.needed or 0) > m.available:
        text += f"; this corpus has {m.available:,} to give"
    return f"{text}."


def short(text: str) -> str:
    """A name that is not longer than a line."""
    return shorten(text, NAME_CHARS)


def cell_name(cell: Cell) -> str:
    """A cell's name, not longer than a line."""
    return short(cell.name)
