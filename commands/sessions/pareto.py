"""``sessions pareto``: which configurations are worth their price."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import By, Chosen, SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from sessions.frontier import Frontier
    from stats import Placed

EXAMPLE = "python cli.py sessions pareto --by model --price tokens --reach 0.8"


def command(
    place: SessionPlace,
    chosen: Chosen,
    by: By,
    price: Annotated[str, typer.Option(metavar="METRIC", help="cost, tokens, latency or steps.")] = "cost",
    reach: Annotated[float, typer.Option(min=0, max=1, help="Success rate to reach as cheaply as possible.")] = 0.8,
) -> Outcome:
    """Weigh success against price: the front, what is clearly behind, and the cheapest that reaches a rate."""
    from core.errors import UsageError
    from sessions.frontier import PRICES, frontier
    from sessions.metrics import METRICS

    if price not in PRICES:
        raise UsageError(f"--price: received {price!r}; allowed: {', '.join(PRICES)}")
    metrics = [METRICS.get("success_rate"), METRICS.get(price)]
    with place.open() as store:
        found = frontier(store.tally(metrics, by.fields() or ["model"], chosen.chain()), price)
    cheapest, surely = found.cheapest(reach), found.cheapest(reach, surely=True)
    body = {
        **asdict(found),
        "reach": reach,
        "cheapest": cheapest and asdict(cheapest),
        "cheapest_surely": surely and asdict(surely),
    }
    return Outcome(body, "\n".join([_table(found), "", _reached(found, cheapest, surely, reach)]))


def _table(found: Frontier) -> str:
    from reports.numbers import quantity, span
    from sessions.metrics import METRICS

    unit = METRICS.get(found.price).unit
    order = sorted(found.placed, key=lambda one: (one.cost is None, one.cost or 0.0))
    cells = [("configuration", found.price, "success", "95 %, all together", "n", "standing")]
    for one in order:
        rate = "-" if one.quality is None else f"{one.quality:.3f}"
        cells.append((one.name, quantity(one.cost, unit), rate, span(one.low, one.high), f"{one.n:,}", one.standing))
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def _reached(found: Frontier, cheapest: Placed | None, surely: Placed | None, reach: float) -> str:
    from reports.numbers import percent, quantity
    from sessions.metrics import METRICS

    unit = METRICS.get(found.price).unit
    if cheapest is None:
        return f"no configuration of known price reaches {percent(reach)}"
    best = found.best
    share = f", {percent((cheapest.cost or 0) / best.cost)} of the best's price" if best and best.cost else ""
    sure = f"surely: {surely.name} at {quantity(surely.cost, unit)}" if surely else "no configuration surely does"
    return f"{percent(reach)} success cheapest: {cheapest.name} at {quantity(cheapest.cost, unit)}{share}; {sure}"
