"""A sweep's leaderboard as a report."""

from __future__ import annotations

from core.money import money
from experiments.sweep import Standing, Sweep
from reports.blocks import Banner, Bullets, Report, Table

COLUMNS = ("patch", "holdout", "95 % interval", "dev", "verdict", "leader ahead by", "p (Holm)", "cost", "run")
SHOWN = 100
"""Characters of a patch in the table."""
LEVEL = 0.05


def sweep_report(sweep: Sweep) -> Report:
    """The leaderboard, best first, and what its figures do not say."""
    leader = sweep.standings[0].entry
    behind = [s for s in sweep.standings if s.p_value is not None and s.p_value <= LEVEL / 2]
    others = len(sweep.standings) - 1
    offline = any(standing.entry.offline for standing in sweep.standings)
    name = leader.patch or "the task as it is"
    sentence = f"{name}: holdout {_number(leader.score)}; shown to be ahead of {len(behind)} of {others} others"
    columns = tuple("nominal cost" if offline and column == "cost" else column for column in COLUMNS)
    blocks = [
        Banner("Leads", sentence, "good" if others and len(behind) == others else "open"),
        Table(columns, tuple(_row(standing) for standing in sweep.standings), numeric=(1, 3, 5, 6)),
        Bullets(tuple(_notes(sweep))),
    ]
    return Report(f"Sweep of {sweep.task}", tuple(blocks))


def _row(standing: Standing) -> tuple[str, ...]:
    entry, interval = standing.entry, standing.entry.interval
    patch = entry.patch or "(the task as it is)"
    return (
        patch if len(patch) <= SHOWN else patch[: SHOWN - 1] + "…",
        _number(entry.score),
        f"{interval.low:.3f} to {interval.high:.3f}" if interval else "-",
        _number(entry.dev),
        entry.verdict,
        standing.note or _number(standing.behind),
        "-" if standing.p_value is None else f"{standing.p_value:.3g}",
        money(entry.usage.cost_usd),
        entry.run_id,
    )


def _notes(sweep: Sweep) -> list[str]:
    notes = list(sweep.notes)
    if any(standing.entry.offline for standing in sweep.standings):
        notes.append("the embedded offline stand-in answered, not a language model; money is nominal")
    return notes


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
