"""The choice a matrix leaves: all cells in the order of what speaks for them, and what it costs to know more."""

from __future__ import annotations

from core.cells import Cell, ComparisonOutcome, Matrix
from reports.answer import FIT, cell_name
from reports.blocks import Block, Facts, Heading, HeatCell, HeatMap, Paragraph, Table
from reports.numbers import UNKNOWN, dollars, finite, number, percent, signed

NO_BREAK = "\N{NO-BREAK SPACE}"
COLLAPSED = "has collapsed"


def choice(m: Matrix) -> list[Block]:
    """A ranking that ends in a choice: what is proven, what is likely and how likely, and the price of knowing."""
    if len(m.cells) < 2:
        return []
    ranked = sorted(m.cells, key=_rank)
    rows = tuple(
        (str(place), cell_name(cell), _known(cell), *_figures(cell), _to_know(m, cell))
        for place, cell in enumerate(ranked, 1)
    )
    return [
        Heading("The choice"),
        Paragraph(
            "Proven cells first, the cheapest at the top; then by how likely it is that a cell is at most "
            f"{number(m.margin)} worse than the reference. A likely cell is not a proven one."
        ),
        Table(
            ("rank", "cell", "what is known", "likely", "score", per_thousand(m), "to know it"),
            rows,
            (0, 3, 4, 5),
            first=(0, 1, 2, 4, 5),
        ),
        Facts(HOW, "How was this decided?"),
    ]


HOW = (
    ("likely", "Student's posterior of the mean difference, never nearer to certain than Laplace's rule allows for so "
     "many rows: a belief for a choice that cannot wait, no test"),
    ("proven", "intervals of the difference to the reference, row by row; they hold together for all cells"),
    ("to know it", "rows that would settle it, and what the answers of both cells cost on them"),
)  # fmt: skip


def per_thousand(m: Matrix) -> str:
    """The head of a column with the price of a thousand rows."""
    return f"{'nominal ' if m.nominal else ''}$ per 1,000"


def _rank(cell: Cell) -> tuple[int, float, float]:
    outcome = cell.comparison.outcome
    cost = finite(cell.cost_per_1000)
    price = float("inf") if cost is None else cost
    likely = -(finite(cell.comparison.likely) or 0.0)
    if cell.defects:
        return (5, likely, price)
    if outcome in FIT:
        return (0, price, likely)
    if outcome is ComparisonOutcome.REFERENCE:
        return (1, 0.0, 0.0)
    if outcome is ComparisonOutcome.EQUAL:
        return (2, price, likely)
    return (4 if outcome is ComparisonOutcome.WORSE else 3, likely, price)


def _known(cell: Cell) -> str:
    if cell.defects:
        return "not to be used"
    outcome = cell.comparison.outcome
    if outcome is ComparisonOutcome.REFERENCE:
        return "the reference, safe"
    if outcome is ComparisonOutcome.EQUAL:
        return "same as the reference"
    if outcome is ComparisonOutcome.CANNOT_TELL:
        return "stopped early" if cell.stopped else "not proven"
    return f"proven {outcome.value}"


def _figures(cell: Cell) -> tuple[str, str, str]:
    likely = cell.comparison.likely
    score = number(cell.score.value if cell.score else None)
    return ("-" if likely is None else percent(likely), score, dollars(cell.cost_per_1000))


def _to_know(m: Matrix, cell: Cell) -> str:
    """Rows still needed and what their answers cost; a cell that cannot be used is not worth them."""
    s = cell.comparison
    if s.outcome is not ComparisonOutcome.CANNOT_TELL or cell.defects or cell.stopped:
        return "-"
    if s.needed is None:
        return "more rows alone would not tell"
    reference = next((c for c in m.cells if c.name == m.reference), None)
    prices = [finite(c.cost_per_1000) for c in (cell, reference) if c is not None]
    known = [price for price in prices if price is not None]
    more = max(0, s.needed - s.n)
    money = dollars(more * sum(known) / 1000) if len(known) == 2 else UNKNOWN
    return f"about {more:,} more rows, {money} and the judge"


def criteria_map(m: Matrix, labels: dict[str, str]) -> HeatMap:
    """Criteria as a grid: the mean of each cell, and how far it lies from the reference's."""
    reference = next((c for c in m.cells if c.name == m.reference), None)
    base = reference.evaluation.field_means() if reference is not None else {}
    rows = tuple(
        (cell_name(cell), tuple(_square(m, cell, name, base.get(name)) for name in labels)) for cell in m.cells
    )
    return HeatMap("cell", tuple(labels.values()), rows)


def _square(m: Matrix, cell: Cell, name: str, base: float | None) -> HeatCell:
    value = finite(cell.evaluation.field_means().get(name))
    if value is None:
        return HeatCell(None, None, None, "", "open")
    if any(defect.startswith(f"{name} {COLLAPSED}") for defect in cell.defects):
        return HeatCell(value, None, None, "collapsed", "bad", "✗")
    if cell.name == m.reference:
        return HeatCell(value, None, None, "reference", "note", "◆")
    known = finite(base)
    if known is None:
        return HeatCell(value, None, None, "", "note")
    tone = "good" if value >= known else "open" if value >= known - m.margin else "bad"
    return HeatCell(value, None, None, signed(value - known), tone)
