"""``kpis``: how the experimenting itself goes."""

from __future__ import annotations

from commands.flags import Place
from commands.outcome import Outcome

EXAMPLE = "python cli.py kpis"


def command(place: Place) -> Outcome:
    """How many experiments are decided, what they save, and how often they wait for a person; and the hypotheses."""
    import contextlib
    import dataclasses

    from experiments.hypotheses import read_hypotheses
    from experiments.kpis import kpis
    from tasks.open_run import open_store

    where = place.find()
    with contextlib.closing(open_store(where)) as store:
        found = kpis(store)
    hypotheses = read_hypotheses(where.root)
    body = {
        "kpis": [dataclasses.asdict(one) for one in found],
        "hypotheses": [one.model_dump(mode="json") for one in hypotheses],
    }
    lines = [
        f"{one.name:<10}{_value(one.name, one.value):>8}  {one.target:<13}{_met(one.met):<9}{one.meaning} (n {one.n})"
        for one in found
    ]
    for one in hypotheses:
        said = "untested" if one.outcome is None else f"{one.outcome.decision} after {one.outcome.pairs} pairs"
        lines.append(f"{one.id}: {one.guideline!r}, {one.metric} by {one.expected_improvement:+g}: {said}")
    return Outcome(body, "\n".join(lines))


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if name in ("velocity", "pivots") else f"{value:.0%}"


def _met(met: bool | None) -> str:
    return {True: "met", False: "not met", None: "unknown"}[met]
