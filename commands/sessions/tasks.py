"""``sessions tasks``: which tasks tell agents apart, and the fewest worth running next."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import By, Chosen, SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from sessions.clusters import NextTasks, TaskStanding

EXAMPLE = "python cli.py sessions tasks --by model --effect 0.15"


def command(
    place: SessionPlace,
    chosen: Chosen,
    by: By,
    effect: Annotated[float, typer.Option(min=0.001, max=1, help="Difference of success rates to be shown.")] = 0.15,
) -> Outcome:
    """Sort tasks into trivial, discriminative and challenging ones, and suggest the fewest for the next A/B."""
    from sessions.clusters import CLUSTERS, cluster_tasks, suggest_tasks
    from sessions.metrics import METRICS
    from sessions.settings import load_settings

    limits = load_settings(place.find()).clusters
    with place.open() as store:
        groups = store.tally([METRICS.get("success_rate")], by.fields() or ["model"], chosen.chain())
    found = cluster_tasks(groups, limits)
    plan = suggest_tasks(found, effect)
    counts = Counter(one.cluster for one in found)
    body = {
        "thresholds": limits.model_dump(),
        "clusters": {name: counts[name] for name in CLUSTERS},
        "tasks": [asdict(one) for one in found],
        "next": asdict(plan),
    }
    return Outcome(body, _told(found, {name: counts[name] for name in CLUSTERS}, plan, effect))


def _told(found: tuple[TaskStanding, ...], counts: dict[str, int], plan: NextTasks, effect: float) -> str:
    lines = [f"{len(found):,} tasks: " + ", ".join(f"{count:,} {name}" for name, count in counts.items())]
    telling = sorted(found, key=lambda one: -(one.slope if one.slope is not None else one.spread))
    for one in telling[:10]:
        slope = "" if one.slope is None else f", slope {one.slope:.2f}"
        lines.append(f"  {one.task}: {one.successes} of {one.n}, spread {one.spread:.2f}{slope}  {one.cluster}")
    times = f", each {plan.repeats} times per arm" if plan.repeats > 1 else ""
    lines.append(
        f"to show {effect:+.2f} over all tasks: {len(plan.tasks)} of {plan.all_tasks} tasks{times} "
        f"(power {plan.power:.0%}; all of them once {plan.all_power:.0%})"
    )
    return "\n".join([*lines, "  " + " ".join(plan.tasks[:40]) + (" ..." if len(plan.tasks) > 40 else "")])
