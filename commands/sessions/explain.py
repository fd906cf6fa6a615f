"""``sessions explain``: why a session failed, or what failed ones have in common, as a model sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import Chosen, SessionPlace, Starting
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.diagnosis import Diagnosis

EXAMPLE = (
    "python cli.py sessions explain --cluster 'apply_coupon without check_limits' --where experiment=shop_baseline"
)


def command(
    place: SessionPlace,
    chosen: Chosen,
    spending: Starting,
    session: Annotated[str | None, typer.Argument(metavar="ID", help="One failed session.", show_default=False)] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="WORDS", help="Failures that meet a condition, in words of `sessions patterns`."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model that analyses; the embedded one unless given.")] = None,
) -> Outcome:
    """Ask a model why a session failed (ID), or what the failures that are chosen have in common."""
    from rich.console import Console

    from core.errors import UsageError
    from core.plain import to_json
    from experiments.diagnosis import about_failures, about_session, diagnose
    from reports.progress import LiveProgress
    from sessions.filters import FilterChain

    if session is not None and cluster is not None:
        raise UsageError("received an id and --cluster; allowed is one of them")
    with place.open() as store:
        if session is not None:
            one = store.get(session)
            alike = store.sessions(FilterChain().where(task=one.task, outcome="success"), trajectories=True)
            question = about_session(one, list(alike))
        else:
            question = about_failures(store.sessions(chosen.chain(), trajectories=True), cluster or "")
    caps = {key: value for key, value in spending.keys().items() if value is not None}
    with LiveProgress(Console(stderr=True), "session_analysis") as progress:
        found = diagnose(place.find(), question, model, spending.options(progress), caps)
    return Outcome(json.loads(to_json(found)), told(found))


def told(found: Diagnosis) -> str:
    """An analysis for the terminal."""
    by = f"{found.model}{', the embedded stand-in and no language model' if found.offline else ''}"
    lines = [f"{found.about}: {found.failures:,} failed, {len(found.causes)} looked at by {by}"]
    for cause in found.causes:
        beside = f" (beside {cause.solved}, which solved it)" if cause.solved else ""
        lines.append(f"  {cause.session}{beside}")
        lines.append(f"    {cause.cause or f'not explained: {cause.error}'}")
        lines += [f"    - {each}" for each in cause.evidence]
    if found.shared_cause:
        lines.append(f"in common: {found.shared_cause}")
    return "\n".join([*lines, f"run {found.run_id}; a cause is a guess until an experiment has tested what follows"])
