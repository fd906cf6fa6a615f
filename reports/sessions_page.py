"""Sessions as blocks: how often agents succeed, at what price, what differs, and what is worth its price."""

from __future__ import annotations

from collections.abc import Mapping

from reports.blocks import (
    Banner,
    Block,
    Bullets,
    Commands,
    Facts,
    Heading,
    IntervalChart,
    Paragraph,
    Report,
    ScatterChart,
    ScatterPoint,
    Table,
)
from reports.numbers import UNKNOWN, counted, percent, quantity, span
from sessions.contrast import Contrast
from sessions.frontier import Frontier
from sessions.metrics import METRICS, Estimate
from sessions.record import Outcome
from sessions.study import GroupStudy, Study
from stats import Placed

GOALS = (0.8, 0.9)
TONES = {
    "front": ("good", "●"), "behind": ("bad", "▼"), "not clearly behind": ("open", "?"), "unknown": ("note", "?")
}  # fmt: skip
LEVEL = 0.05
COLUMNS = ("tokens", "cost", "cost_per_success", "latency", "steps", "token_waste_share")
DRAWN = 30
"""Contrasts that a chart still shows legibly."""


def sessions_report(study: Study, *, extra: tuple[Block, ...] = (), links: Mapping[str, str] | None = None) -> Report:
    """The report of a study; ``extra`` blocks, such as findings, stand before the explanation of the metrics."""
    blocks: list[Block] = [_banner(study), Heading("Next"), Commands(_next(study))]
    blocks += [Heading("How often it succeeds, and at what price"), _rates(study), Paragraph(RATES), _prices(study)]
    if any(one.passes for one in study.groups):
        blocks += [Heading("How reliably: pass^k"), Paragraph(PASSES), _passes(study)]
    if study.frontier is not None:
        blocks += _frontier(study.frontier)
    if study.contrasts:
        blocks += _contrasts(study)
    blocks += [*extra, *_rest(study), _facts(study), Facts(HOW, "How was this decided?")]
    return Report("Sessions of agents", tuple(blocks), links or {})


RATES = (
    "Each rate with two intervals: for these tasks, and, wider, for tasks like these. Failures of the infrastructure "
    "and unknown outcomes are in no rate; they are counted here."
)
PASSES = "The chance that k repeats of a task all succeed, averaged over tasks."
HOW = (
    ("95 % on these tasks", "Wilson's interval"),
    ("95 % on tasks like these", "sessions of one task are alike, so a task counts once"),
    ("pass^k", "unbiased; Yao et al. 2024"),
    ("p, corrected", "Holm, over all questions of a table"),
    ("a front's intervals", "Wilson, Bonferroni: they hold together for all configurations"),
)


def _next(study: Study) -> tuple[tuple[str, str], ...]:
    lines = [("python cli.py sessions patterns", "see what failed sessions have in common")]
    if len(study.groups) > 1:
        by = " ".join(f"--by {name}" for name in study.by)
        lines.append((f"python cli.py sessions tasks {by}", "see how many tasks would show a difference"))
    return tuple(lines)


def _banner(study: Study) -> Banner:
    counts = _outcomes(study)
    decided = counts[Outcome.SUCCESS] + counts[Outcome.AGENT_FAILURE]
    out = study.sessions - decided
    rate = f"{percent(counts[Outcome.SUCCESS] / decided)} of {decided:,} succeeded" if decided else "none can be judged"
    title = counted(study.sessions, "session")
    best = max(study.groups, key=lambda one: one.estimates["success_rate"].value or 0.0, default=None)
    named = f" Best: {best.group.name}, {_rate(best)}." if best is not None and len(study.groups) > 1 else ""
    price = _price(study)
    return Banner(title, f"{rate}; {out:,} left out (infrastructure or unknown).{named}{price}", "note")


def _rate(one: GroupStudy) -> str:
    found = one.estimates["success_rate"]
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"


def _price(study: Study) -> str:
    known = [v for one in study.groups if (v := one.estimates["total_cost"].value) is not None]
    return f" They cost {quantity(sum(known), 'usd')} where that is known." if known else " What they cost is unknown."


def _outcomes(study: Study) -> dict[Outcome, int]:
    return {outcome: sum(one.group.outcomes[outcome] for one in study.groups) for outcome in Outcome}


def _facts(study: Study) -> Facts:
    counts = _outcomes(study)
    tasks = len({task for one in study.groups for task in one.group.tasks})
    spent = [one.estimates["total_cost"].value for one in study.groups]
    known = [value for value in spent if value is not None]
    return Facts((
        ("sessions", f"{study.sessions:,}"),
        ("tasks", f"{tasks:,}"),
        *((outcome.value.replace("_", " "), f"{count:,}") for outcome, count in counts.items()),
        ("grouped by", ", ".join(study.by) or "nothing"),
        ("dollars known", quantity(sum(known), "usd") if known else UNKNOWN),
    ), "What went in")  # fmt: skip


def _rates(study: Study) -> Table:
    rows = tuple(
        (
            one.group.name, *_value(found := one.estimates["success_rate"]), span(found.new_low, found.new_high)
            if found.new_low is not None else "-", f"{found.n:,}", f"{found.tasks:,}",
            f"{one.group.outcomes[Outcome.INFRASTRUCTURE]:,}", f"{one.group.outcomes[Outcome.UNKNOWN]:,}",
        )
        for one in study.groups
    )  # fmt: skip
    heads = (
        "group", "success rate", "95 % on these tasks", "95 % on tasks like these", "n", "tasks", "infrastructure",
        "unknown",
    )  # fmt: skip
    return Table(heads, rows, (1, 2, 3, 4, 5, 6, 7), filterable=len(rows) > 10)


def _prices(study: Study) -> Table:
    used = [name for name in COLUMNS if any(one.estimates[name].value is not None for one in study.groups)]
    rows = tuple((one.group.name, *(_amount(one.estimates[name]) for name in used)) for one in study.groups)
    return Table(("group", *(name.replace("_", " ") for name in used)), rows, tuple(range(1, len(used) + 1)))


def _passes(study: Study) -> Table:
    most = max(len(one.passes) for one in study.groups)
    rows = tuple(
        (one.group.name, *(_amount(found) for found in one.passes), *["-"] * (most - len(one.passes)))
        for one in study.groups
        if one.passes
    )
    return Table(("group", *(f"pass^{k}" for k in range(1, most + 1))), rows, tuple(range(1, most + 1)))


def _frontier(found: Frontier) -> list[Block]:
    unit = METRICS.get(found.price).unit
    points = tuple(_point(one) for one in found.placed)
    label = {"usd": "US dollars a session"}.get(unit, f"{unit} a session")
    blocks: list[Block] = [
        Heading(f"Success against {found.price}"),
        ScatterChart(points, label, "success rate", unit=unit),
        Bullets(tuple(_reaching(found, goal, unit) for goal in GOALS)),
        Paragraph(
            "Behind: another one that is no dearer is better by more than chance explains. Not clearly behind: that "
            "may be chance."
        ),
    ]
    if found.unpriced:
        blocks.append(
            Paragraph(
                f"{counted(len(found.unpriced), 'group')} with 0 {found.price} in every session: not recorded, "
                f"taken for unknown ({', '.join(found.unpriced[:5])}{' ...' if len(found.unpriced) > 5 else ''})."
            )
        )
    return blocks


def _point(one: Placed) -> ScatterPoint:
    tone, mark = TONES[one.standing]
    front = one.standing == "front"
    return ScatterPoint(one.name, one.cost, one.quality, one.low, one.high, one.standing, tone, mark, front)


def _reaching(found: Frontier, goal: float, unit: str) -> str:
    cheapest, surely, best = found.cheapest(goal), found.cheapest(goal, surely=True), found.best
    if cheapest is None:
        return f"{percent(goal)} success: no configuration of known price reaches it."
    share = ""
    if best is not None and best.cost and cheapest.cost is not None:
        share = f", {percent(cheapest.cost / best.cost)} of the price of the best ({best.name})"
    sure = f"; surely: {surely.name}, {quantity(surely.cost, unit)}" if surely else "; none surely"
    return f"{percent(goal)} success cheapest: {cheapest.name}, {quantity(cheapest.cost, unit)}{share}{sure}."


def _contrasts(study: Study) -> list[Block]:
    rates = [one for one in study.contrasts if one.metric == "success_rate" and one.low is not None]
    blocks: list[Block] = [Heading(f"What differs from {study.reference}")]
    if rates:
        drawn = sorted(rates, key=lambda one: -(one.effect or 0.0))[:DRAWN]
        blocks.append(
            IntervalChart(tuple((one.second, one.effect or 0.0, one.low or 0.0, one.high or 0.0) for one in drawn))
        )
    blocks.append(Table(
        ("group", "metric", "change", "95 % interval", "p, corrected", "tasks", "left out", "how"),
        tuple(_contrast(one) for one in study.contrasts), (2, 3, 4, 5, 6), filterable=len(study.contrasts) > 10,
    ))  # fmt: skip
    blocks.append(
        Paragraph(
            f"A task counts once however often it was repeated. Of {len(study.contrasts)} questions, "
            f"{sum(one.p_adjusted <= LEVEL for one in study.contrasts)} are shown (*), corrected for their number."
        )
    )
    return blocks


def _contrast(one: Contrast) -> tuple[str, ...]:
    unit = METRICS.get(one.metric).unit
    change = UNKNOWN if one.effect is None else _signed(one.effect, unit)
    interval = (
        UNKNOWN if one.low is None or one.high is None else f"{_signed(one.low, unit)} to {_signed(one.high, unit)}"
    )
    p = f"{one.p_adjusted:.4f}" + (" *" if one.p_adjusted <= LEVEL else "")
    how = f"{'paired, ' if one.paired else ''}{one.method}"
    return (one.second, one.metric, change, interval, p, f"{one.tasks:,}", f"{sum(one.left_out):,}", how)


def _rest(study: Study) -> list[Block]:
    """Every metric with its denominator, for who wants to check."""
    rows = tuple(
        (one.group.name, name, _amount(found), f"{found.n:,}", f"{found.left_out:,}", METRICS.get(name).denominator)
        for one in study.groups
        for name, found in one.estimates.items()
        if found.n
    )
    heads = ("group", "metric", "value, 95 %", "n", "left out", "over")
    return [Heading("Every metric and its denominator"), Table(heads, rows, (3, 4), filterable=True)]


def _value(found: Estimate) -> tuple[str, str]:
    if found.value is None:
        return ("undefined", "-")
    return (f"{found.value:.4f}", span(found.low, found.high) if found.low is not None else "-")


def _amount(found: Estimate) -> str:
    unit = METRICS.get(found.metric).unit if found.metric in METRICS else "share"
    if found.value is None:
        return "undefined"
    if found.low is None:
        return quantity(found.value, unit)
    return f"{quantity(found.value, unit)} ({quantity(found.low, unit)} to {quantity(found.high, unit)})"


def _signed(value: float, unit: str) -> str:
    return f"{'-' if value < 0 else '+'}{quantity(abs(value), unit)}"
