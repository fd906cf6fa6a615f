"""What a run has paid, role by role, and how well that was foretold."""

from __future__ import annotations

from collections.abc import Mapping

from core.evaluation import Evaluation, Usage, total
from core.optimization import Optimization, Range
from reports.blocks import Block, Heading, Paragraph, Table, WaterfallChart
from reports.numbers import counted, dollars, money_word

NOMINAL = "Money of the embedded model is nominal: nobody is billed."


def cost_blocks(o: Optimization) -> list[Block]:
    """The section of a report on cost and time."""
    whole, plan = o.total_usage, o.plan
    actual = (
        ("calls", plan.calls, whole.calls, "{:,.0f}"),
        ("tokens in", plan.input_tokens, whole.input_tokens, "{:,.0f}"),
        ("tokens out", plan.output_tokens, whole.output_tokens, "{:,.0f}"),
        ("nominal dollars" if o.nominal else "dollars", plan.cost_usd, whole.cost_usd, "{:.4f}"),
        ("minutes", plan.minutes, o.seconds / 60, "{:.2f}"),
    )
    forecast = tuple(_forecast_row(*line) for line in actual)
    return [
        Heading("Cost and time"),
        Paragraph(" ".join([f"The run took {o.seconds:.1f} s.", *cost_words(o.usage, nominal=o.nominal)])),
        *cascade(o.usage, nominal=o.nominal),
        usage_table(o.usage, nominal=o.nominal),
        Heading("Forecast against actual"),
        Table(("", "forecast", "80 % interval", "actual", "off by"), forecast, (1, 2, 3, 4)),
    ]


def cost_words(usage: Mapping[str, Usage], *, nominal: bool) -> list[str]:
    """What a reader must know of these figures."""
    hits = total(usage.values()).hits
    said = [f"{counted(hits, 'answer')} came from the cache; cached calls are free." if hits else ""]
    said.append(NOMINAL if nominal else "")
    return [sentence for sentence in said if sentence]


def price_of(evaluation: Evaluation | None) -> float | None:
    """What a thousand rows cost with a prompt, by the rows of an evaluation; None where that is unknown."""
    worth = evaluation.worth.cost_usd if evaluation is not None and evaluation.rows else None
    return None if worth is None or evaluation is None else 1000 * worth / len(evaluation.rows)


def cascade(usage: Mapping[str, Usage], *, nominal: bool = False) -> list[WaterfallChart]:
    """Each role's part of the whole: money, or tokens where a price is unknown; nothing where there was nothing."""
    whole = total(usage.values())
    unit = "tokens" if whole.cost_usd is None else "usd"
    steps = []
    for role, paid in sorted(usage.items(), key=lambda item: -_amount(item[1], unit)):
        cached = f", {paid.hits:,} cached" if paid.hits else ""
        steps.append((role, _amount(paid, unit), f"{counted(paid.calls, 'call')}{cached}"))
    chart = WaterfallChart(tuple(steps), unit if unit == "tokens" else money_word(nominal=nominal), unit)
    return [chart] if chart.whole > 0 else []


def _amount(paid: Usage, unit: str) -> float:
    return float(paid.input_tokens + paid.output_tokens) if unit == "tokens" else paid.cost_usd or 0.0


def usage_table(usage: Mapping[str, Usage], *, nominal: bool = False) -> Table:
    """What was paid, by role and in all; ``nominal`` money is nobody's."""
    head = ("role", "calls", "cached", "tokens in", "tokens out", "nominal money" if nominal else "money", "failed")
    rows = tuple(_cost_row(role, u) for role, u in sorted(usage.items()))
    return Table(head, rows, (1, 2, 3, 4, 5, 6), totals=(_cost_row("all", total(usage.values())),))


def _cost_row(role: str, u: Usage) -> tuple[str, ...]:
    tokens = (f"{u.input_tokens:,}", f"{u.output_tokens:,}")
    return (role, str(u.calls), str(u.hits), *tokens, dollars(u.cost_usd), str(u.errors))


def _forecast_row(name: str, forecast: Range | None, actual: float | None, form: str) -> tuple[str, ...]:
    if forecast is None:
        return (name, "unknown", "", "unknown" if actual is None else form.format(actual), "")
    said = (name, form.format(forecast.expected), f"{form.format(forecast.low)} to {form.format(forecast.high)}")
    if actual is None:
        return (*said, "unknown", "")
    off = f"{actual / forecast.expected - 1:+.0%}" if forecast.expected > 0 else ""
    return (*said, form.format(actual), off)
